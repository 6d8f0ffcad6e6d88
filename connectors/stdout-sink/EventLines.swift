import WeirCore

/// Renders events as lines: `{"topic":…,"key":…,"headers":{…},"value":…}`. A missing key or value is `null`.
///
/// Keys and values come from the encoder as JSON and are copied; nothing is allocated for an event.
struct EventLines: ~Copyable {
    /// Beginnings of lines, `{"topic":"…","key":`, one behind the other.
    private var prefixes = ByteBuffer(capacity: 1 << 10)
    /// Where each topic's beginning lies in `prefixes`, by the topic's index.
    private var places: [Range<Int>] = []

    /// Appends an event's line. `topics` are the encoder's names, `bytes` the buffer it encoded the event into.
    mutating func append(
        _ event: EncodedEvent, of topics: [String], _ bytes: borrowing ByteBuffer, to lines: inout ByteBuffer
    ) {
        while places.count <= event.topic { addPrefix(topics[places.count]) }
        lines.append(prefixes, places[event.topic])
        Self.append(event.key, bytes, to: &lines)
        lines.append(",\"headers\":{" as StaticString)
        for index in 0..<event.headerCount {
            if index > 0 { lines.append(UInt8(ascii: ",")) }
            Self.append(event.header(index), bytes, to: &lines)
        }
        lines.append("},\"value\":" as StaticString)
        Self.append(event.value, bytes, to: &lines)
        lines.append("}\n" as StaticString)
    }

    private mutating func addPrefix(_ topic: String) {
        let start = prefixes.count
        prefixes.append("{\"topic\":" as StaticString)
        prefixes.appendString(utf8: topic)
        prefixes.append(",\"key\":" as StaticString)
        places.append(start..<prefixes.count)
    }

    private static func append(
        _ part: EncodedEvent.Part, _ bytes: borrowing ByteBuffer, to lines: inout ByteBuffer
    ) {
        if let range = part.range { lines.append(bytes, range) } else { lines.append("null" as StaticString) }
    }

    /// Debezium's two headers hold a key, which is JSON; the others are text.
    private static func append(
        _ header: EncodedEvent.Header, _ bytes: borrowing ByteBuffer, to lines: inout ByteBuffer
    ) {
        lines.append(UInt8(ascii: "\""))
        lines.append(header.name.text)
        lines.append("\":" as StaticString)
        switch header.name {
        case .newKey, .oldKey: append(header.value, bytes, to: &lines)
        default:
            if let range = header.value.range {
                lines.appendString(bytes, range)
            } else {
                lines.append("null" as StaticString)
            }
        }
    }
}
