internal import CRdKafka

/// Why a property was refused.
public struct KafkaPropertyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of refusal.
    public enum Problem: Sendable, Equatable {
        /// librdkafka of this version has no such property (or was built without the feature).
        case unknown
        /// The value is not allowed.
        case invalid
    }

    /// The property's name.
    public let property: String
    /// The kind of refusal.
    public let problem: Problem
    /// librdkafka's sentence; a generic one for secret properties, whose value it might repeat.
    public let reason: String

    /// `property: reason`.
    public var description: String { "\(property): \(reason)" }
}

/// Owner of a client configuration (`rd_kafka_conf_t`).
///
/// Build it, then give it to a `KafkaProducer` or `KafkaConsumer`, which consumes it. Log lines go to the client's
/// own queue from the first one on: librdkafka never writes to standard error itself. Not Sendable: use it on the
/// thread that made it.
@safe public struct KafkaConfiguration: ~Copyable {
    private let handle: OpaquePointer

    /// Makes a configuration with librdkafka's defaults, except that logs are queued instead of printed.
    public init() {
        unsafe handle = rd_kafka_conf_new()
        unsafe rd_kafka_conf_set_log_cb(handle, nil)
        // Cannot be refused: the property exists in every version Weir builds with.
        _ = unsafe rd_kafka_conf_set(handle, "log.queue", "true", nil, 0)
    }

    deinit { unsafe rd_kafka_conf_destroy(handle) }

    /// Sets one property. Source of names and ranges: CONFIGURATION.md of librdkafka.
    ///
    /// Throws when librdkafka does not know the property or refuses the value; the configuration stays as it was.
    public mutating func set(_ property: String, _ value: String) throws(KafkaPropertyError) {
        guard !property.utf8.contains(0), !value.utf8.contains(0) else {
            throw KafkaPropertyError(property: property, problem: .invalid, reason: "contains a NUL character")
        }
        let (result, reason) = unsafe withErrorText { unsafe rd_kafka_conf_set(handle, property, value, $0, $1) }
        switch result {
        case RD_KAFKA_CONF_OK:
            return
        case RD_KAFKA_CONF_UNKNOWN:
            throw KafkaPropertyError(
                property: property, problem: .unknown, reason: "no such property in librdkafka \(Self.libraryVersion)")
        default:
            let shown = Self.isSecret(property) ? "the value is not allowed" : reason
            throw KafkaPropertyError(property: property, problem: .invalid, reason: shown)
        }
    }

    /// The property's value as librdkafka would use it; nil when unset or unknown. Secrets read as nil.
    public func value(of property: String) -> String? {
        guard !Self.isSecret(property) else { return nil }
        var size = 0
        guard unsafe rd_kafka_conf_get(handle, property, nil, &size) == RD_KAFKA_CONF_OK, size > 0 else { return nil }
        let text = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
                _ = unsafe rd_kafka_conf_get(handle, property, characters.baseAddress, &size)
            }
            count = max(size - 1, 0)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether a property's value must never be shown: passwords, private keys, tokens.
    public static func isSecret(_ property: String) -> Bool {
        let name = property.lowercased()
        return ["password", "secret", "key.pem", "oauthbearer.config"].contains { name.contains($0) }
    }

    /// The names of properties, the usual ones of those with several, for suggestions.
    public var propertyNames: [String] {
        var count = 0
        guard let pairs = unsafe rd_kafka_conf_dump(handle, &count) else { return Self.aliases }
        defer { unsafe rd_kafka_conf_dump_free(pairs, count) }
        // Names and values alternate.
        let names = stride(from: 0, to: count, by: 2).compactMap { index in
            unsafe pairs[index].map { unsafe String(cString: $0) }
        }
        return Self.aliases + names
    }

    /// Names that librdkafka lists only under another one.
    private static let aliases = [
        "acks", "bootstrap.servers", "compression.type", "delivery.timeout.ms", "linger.ms",
        "max.in.flight.requests.per.connection", "retries", "sasl.mechanism",
    ]

    /// The version of the librdkafka that is loaded, for example `2.0.2`.
    public static var libraryVersion: String { unsafe String(cString: rd_kafka_version_str()) }

    /// Chooses which events the client puts on its main queue.
    mutating func listen(to events: Int32) { unsafe rd_kafka_conf_set_events(handle, events) }

    /// Makes a client of it. librdkafka takes the configuration over when it succeeds, only then.
    consuming func makeClient(_ type: rd_kafka_type_t) throws(KafkaError) -> OpaquePointer {
        let (client, reason) = unsafe withErrorText { unsafe rd_kafka_new(type, handle, $0, $1) }
        guard let client = unsafe client else {
            // rd_kafka_new reports through errno; the sentence is what helps.
            let error = KafkaError(KafkaErrorCode(rd_kafka_last_error()), reason)
            _ = consume self
            throw error
        }
        discard self
        return unsafe client
    }
}

/// Room for librdkafka's sentences; it cuts longer ones.
private let errorTextSize = 512

/// Calls `body` with a buffer for an error sentence and returns what it wrote there.
func withErrorText<Result>(
    _ body: (UnsafeMutablePointer<CChar>?, Int) -> Result
) -> (Result, String) {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: errorTextSize) { buffer in
        unsafe buffer.initialize(repeating: 0)
        let result = unsafe body(buffer.baseAddress, buffer.count)
        let text = unsafe buffer.baseAddress.map { unsafe String(cString: $0) } ?? ""
        return (result, text)
    }
}
