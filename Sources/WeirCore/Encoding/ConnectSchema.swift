/// A Kafka Connect schema, and its JSON as `JsonConverter` writes it with `schemas.enable`.
///
/// Source: `org.apache.kafka.connect.json.JsonConverter.asJsonSchema`: the parts in the order of `append`.
struct ConnectSchema {
    /// The type, under the name that the converter has for it.
    indirect enum Shape {
        case boolean, int16, int32, int64, float, double, string, bytes
        case array(ConnectSchema)
        /// From strings to strings that may be null.
        case map
        case structure([Field])
    }

    /// A field of a structure.
    struct Field {
        let name: String
        let schema: ConnectSchema

        init(_ name: String, _ schema: ConnectSchema) {
            self.name = name
            self.schema = schema
        }
    }

    /// A parameter, in the order in which it is written.
    struct Parameter {
        let name: String
        let value: String
    }

    var shape: Shape
    var isOptional = false
    /// Name of the logical type or structure.
    var name: String?
    var version: Int?
    var doc: String?
    var parameters: [Parameter] = []
    /// JSON of the default.
    var defaultJSON: String?

    init(_ shape: Shape, _ name: String? = nil, version: Int? = nil) {
        self.shape = shape
        self.name = name
        self.version = version
    }

    /// A logical type of version 1.
    static func logical(_ shape: Shape, _ name: String, _ parameters: [Parameter] = []) -> ConnectSchema {
        var schema = ConnectSchema(shape, name, version: 1)
        schema.parameters = parameters
        return schema
    }

    /// The same, that null is a value of.
    var optional: ConnectSchema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    /// Writes the schema; `field` is its name in the structure that it is a part of.
    func append(to bytes: inout ByteBuffer, field: String? = nil) {
        bytes.append("{\"type\":\"" as StaticString)
        appendShape(to: &bytes)
        bytes.append(isOptional ? ",\"optional\":true" : ",\"optional\":false" as StaticString)
        if let name { Self.append(",\"name\":", name, to: &bytes) }
        if let version {
            bytes.append(",\"version\":" as StaticString)
            bytes.appendInteger(Int64(version))
        }
        if let doc { Self.append(",\"doc\":", doc, to: &bytes) }
        appendParameters(to: &bytes)
        if let defaultJSON {
            bytes.append(",\"default\":" as StaticString)
            bytes.append(utf8: defaultJSON)
        }
        if let field { Self.append(",\"field\":", field, to: &bytes) }
        bytes.append(UInt8(ascii: "}"))
    }

    private func appendShape(to bytes: inout ByteBuffer) {
        switch shape {
        case .boolean: bytes.append("boolean\"" as StaticString)
        case .int16: bytes.append("int16\"" as StaticString)
        case .int32: bytes.append("int32\"" as StaticString)
        case .int64: bytes.append("int64\"" as StaticString)
        case .float: bytes.append("float\"" as StaticString)
        case .double: bytes.append("double\"" as StaticString)
        case .string: bytes.append("string\"" as StaticString)
        case .bytes: bytes.append("bytes\"" as StaticString)
        case .array(let items):
            bytes.append("array\",\"items\":" as StaticString)
            items.append(to: &bytes)
        case .map:
            bytes.append("map\",\"keys\":" as StaticString)
            ConnectSchema(.string).append(to: &bytes)
            bytes.append(",\"values\":" as StaticString)
            ConnectSchema(.string).optional.append(to: &bytes)
        case .structure(let fields):
            bytes.append("struct\",\"fields\":[" as StaticString)
            for (place, field) in fields.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                field.schema.append(to: &bytes, field: field.name)
            }
            bytes.append(UInt8(ascii: "]"))
        }
    }

    private func appendParameters(to bytes: inout ByteBuffer) {
        if parameters.isEmpty { return }
        bytes.append(",\"parameters\":{" as StaticString)
        for (place, parameter) in parameters.enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.appendString(utf8: parameter.name)
            bytes.append(UInt8(ascii: ":"))
            bytes.appendString(utf8: parameter.value)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func append(_ label: StaticString, _ text: String, to bytes: inout ByteBuffer) {
        bytes.append(label)
        bytes.appendString(utf8: text)
    }

    /// Writes what stands before a payload of this schema: `{"schema":..,"payload":`. A `}` closes it.
    func appendHead(to bytes: inout ByteBuffer) {
        bytes.append("{\"schema\":" as StaticString)
        append(to: &bytes)
        bytes.append(",\"payload\":" as StaticString)
    }
}
