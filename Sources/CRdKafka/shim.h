#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

// One message to produce. `key` and `value` may be NULL (no key; tombstone); both are copied before the call returns.
// `timestamp` is in milliseconds since 1970, 0 for "now". `ticket` comes back in the delivery report.
typedef struct {
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
    int64_t timestamp;
    uintptr_t ticket;
    int32_t partition;
} weir_kafka_record;

// One header; the name need not end with NUL, a NULL value is a null header. Both are copied.
typedef struct {
    const char *name;
    size_t name_size;
    const void *value;
    size_t value_size;
} weir_kafka_header;

// rd_kafka_producev is variadic, which Swift cannot call. rd_kafka_produceva would build and free an error object
// for each refusal, and a full queue refuses often.
static inline rd_kafka_resp_err_t weir_kafka_produce(
    rd_kafka_t *client, rd_kafka_topic_t *topic, const weir_kafka_record *record,
    const weir_kafka_header *headers, size_t header_count) {
    if (header_count == 0 && record->timestamp == 0) {
        int refused = rd_kafka_produce(
            topic, record->partition, RD_KAFKA_MSG_F_COPY, (void *)record->value, record->value_size, record->key,
            record->key_size, (void *)record->ticket);
        return refused ? rd_kafka_last_error() : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_headers_t *list = rd_kafka_headers_new(header_count);
    for (size_t i = 0; i < header_count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_header_add(
            list, headers[i].name, (ssize_t)headers[i].name_size, headers[i].value, (ssize_t)headers[i].value_size);
        if (error) {
            rd_kafka_headers_destroy(list);
            return error;
        }
    }
    rd_kafka_resp_err_t error = rd_kafka_producev(
        client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)record->value, record->value_size),
        RD_KAFKA_V_KEY(record->key, record->key_size), RD_KAFKA_V_TIMESTAMP(record->timestamp),
        RD_KAFKA_V_OPAQUE((void *)record->ticket), RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_END);
    // On success the message owns the list.
    if (error) rd_kafka_headers_destroy(list);
    return error;
}

// The ticket of a message: its opaque pointer read as the integer that was given.
static inline uintptr_t weir_kafka_ticket(const rd_kafka_message_t *message) {
    return (uintptr_t)message->_private;
}
