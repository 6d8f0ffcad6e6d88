/* The least that a client of logical replication can do: receive, count, free, send a status each second. No agent can
 * take rows faster from the same walsender, so this is what Weir's rate is divided by (rung L0 of the ladder).
 *
 *   bare-receive --url URL --slot SLOT --publication NAME --rows N [--pause-us N]
 *
 * Ends at the first commit with N or more rows behind it and prints how many rows and bytes there were.
 * --pause-us: pause so long each time the socket runs dry, instead of being woken once a row. */
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { status_interval_s = 1, epoch_offset_s = 946684800 };

struct counts {
    long rows;
    long long bytes;
    uint64_t end_lsn;
};

static double monotonic_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void fail(const char *what, PGconn *connection) {
    fprintf(stderr, "bare-receive: %s: %s\n", what, connection ? PQerrorMessage(connection) : strerror(errno));
    exit(1);
}

static uint64_t load64(const char *from) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | (unsigned char)from[i];
    return value;
}

static void store64(char *to, uint64_t value) {
    for (int i = 7; i >= 0; i--, value >>= 8) to[i] = (char)(value & 0xff);
}

/* Standby status update: the same position as written, flushed and applied. */
static void send_status(PGconn *connection, uint64_t lsn) {
    char message[34] = {'r'};
    for (int i = 0; i < 3; i++) store64(message + 1 + 8 * i, lsn);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    store64(message + 25, (uint64_t)(now.tv_sec - epoch_offset_s) * 1000000 + (uint64_t)now.tv_nsec / 1000);
    if (PQputCopyData(connection, message, sizeof message) != 1 || PQflush(connection) < 0)
        fail("status update", connection);
}

/* Counts one CopyData message; 1 when it is a commit. XLogData is 'w', three 64-bit numbers, then the plugin's bytes,
 * of which the first is the kind; a Commit is 'C', flags, commit LSN, end LSN, time. */
static int count_message(struct counts *counts, const char *message, int length) {
    counts->bytes += length;
    if (length < 26 || message[0] != 'w') return 0;
    switch (message[25]) {
    case 'I':
    case 'U':
    case 'D':
        counts->rows++;
        return 0;
    case 'C':
        if (length >= 25 + 18) counts->end_lsn = load64(message + 25 + 10);
        return 1;
    default:
        return 0;
    }
}

static void receive(PGconn *connection, long rows, long pause_us, struct counts *counts) {
    double next_status = monotonic_seconds() + status_interval_s;
    struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};
    struct timespec pause = {.tv_nsec = pause_us * 1000};
    for (;;) {
        char *message = NULL;
        int length;
        while ((length = PQgetCopyData(connection, &message, 1)) > 0) {
            int is_commit = count_message(counts, message, length);
            PQfreemem(message);
            if (is_commit && counts->rows >= rows) return;
        }
        if (length < 0) fail("the stream ended", connection);
        double now = monotonic_seconds();
        if (now >= next_status) {
            send_status(connection, counts->end_lsn);
            next_status = now + status_interval_s;
        }
        if (pause_us > 0) nanosleep(&pause, NULL);
        if (poll(&socket, 1, (int)((next_status - now) * 1000) + 1) < 0 && errno != EINTR) fail("poll", NULL);
        if (!PQconsumeInput(connection)) fail("receive", connection);
    }
}

static PGconn *start(const char *url, const char *slot, const char *publication) {
    const char *keywords[] = {"dbname", "replication", NULL};
    const char *values[] = {url, "database", NULL};
    PGconn *connection = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(connection) != CONNECTION_OK) fail("connect", connection);
    char command[512];
    snprintf(
        command, sizeof command,
        "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (proto_version '1', publication_names '\"%s\"')", slot, publication);
    PGresult *result = PQexec(connection, command);
    if (PQresultStatus(result) != PGRES_COPY_BOTH) fail("START_REPLICATION", connection);
    PQclear(result);
    return connection;
}

int main(int argc, char **argv) {
    const char *url = NULL, *slot = NULL, *publication = NULL;
    long rows = 0, pause_us = 0;
    const struct option options[] = {
        {"url", required_argument, NULL, 'u'},         {"slot", required_argument, NULL, 's'},
        {"publication", required_argument, NULL, 'p'}, {"rows", required_argument, NULL, 'r'},
        {"pause-us", required_argument, NULL, 'w'},    {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u': url = optarg; break;
        case 's': slot = optarg; break;
        case 'p': publication = optarg; break;
        case 'r': rows = strtol(optarg, NULL, 10); break;
        case 'w': pause_us = strtol(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    if (!url || !slot || !publication || rows <= 0 || pause_us < 0 || pause_us >= 1000000) {
        fprintf(stderr, "usage: bare-receive --url URL --slot SLOT --publication NAME --rows N [--pause-us N]\n");
        return 2;
    }
    PGconn *connection = start(url, slot, publication);
    struct counts counts = {0};
    receive(connection, rows, pause_us, &counts);
    send_status(connection, counts.end_lsn);
    PQfinish(connection);
    printf("%ld rows, %lld bytes\n", counts.rows, counts.bytes);
    return 0;
}
