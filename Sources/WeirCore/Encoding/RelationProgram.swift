/// What to write for the rows of one relation, decided once: codes, and every constant byte in one block.
///
/// Immutable; used by the encoder that made it. Keeps its relation alive, so that the cache may key on its identity.
final class RelationProgram {
    /// The relation.
    let relation: Relation
    /// Columns of the value, in order.
    let columns: [ColumnProgram]
    /// Columns of the key, in key order.
    let key: [ColumnProgram]
    /// Whether events have a key. Debezium's is empty where it knows none of its columns' types.
    let hasKey: Bool
    /// Index into the encoder's topics.
    let topic: Int
    /// `,"schema":"...","table":"..."` of the envelope's source block.
    let table: ConstantRange
    /// `schema.table` at the source: header of the flat format, name in transaction metadata.
    let collection: String
    /// The same as bytes.
    let collectionText: ConstantRange
    /// What stands before the payload of a key, of a value, and of a header that holds a key: nothing without schemas.
    let keyHead: ConstantRange
    let valueHead: ConstantRange
    let headerHead: ConstantRange
    /// The bytes all ranges refer to.
    let constants: ByteBuffer

    /// Compiles. Schemas are named after the topic. Throws `table-unusable` when a configured key column does not
    /// exist.
    init(
        _ relation: Relation, settings: EncoderSettings, topic: Int, topicName: String
    ) throws(WeirError) {
        self.relation = relation
        self.topic = topic
        var compiler = Compiler(settings: settings)
        columns = relation.columns.indices.compactMap { compiler.compile(relation, $0) }
        let keyIndexes = try Self.keyColumns(relation, settings)
        let written = columns
        key = keyIndexes.compactMap { index in written.first { $0.cell == Int32(index) } }
        hasKey = !keyIndexes.isEmpty
        let name = "\(relation.origin.schema).\(relation.origin.name)"
        collection = name
        collectionText = compiler.constant { bytes in bytes.append(utf8: name) }
        table = compiler.constant { bytes in
            bytes.append(",\"schema\":" as StaticString)
            bytes.appendString(utf8: relation.origin.schema)
            bytes.append(",\"table\":" as StaticString)
            bytes.appendString(utf8: relation.origin.name)
        }
        let schemas = RelationSchemas(relation, columns: written, key: key, compiler.schemas, topic: topicName)
        let options = settings.debezium
        let isDebezium = settings.format == .debezium
        keyHead = compiler.head(isDebezium && options.keySchemas, schemas.key)
        valueHead = compiler.head(isDebezium && options.valueSchemas, schemas.value)
        headerHead = compiler.head(isDebezium && options.headerSchemas, schemas.key)
        constants = compiler.finish()
    }

    private static func keyColumns(_ relation: Relation, _ settings: EncoderSettings) throws(WeirError) -> [Int] {
        let isStrict = settings.format == .debezium && settings.debezium.strict
        let names = configured(relation, settings.debezium, isStrict: isStrict)
        // Of a dropped table maybe nothing is known.
        guard !relation.columns.isEmpty, !names.isEmpty else {
            // Debezium keeps to the primary key, else the first unique index, also where a delete has other columns.
            let declared = relation.primaryKey.isEmpty ? relation.uniqueKey : relation.primaryKey
            return isStrict && !declared.isEmpty || relation.keyColumns.isEmpty ? declared : relation.keyColumns
        }
        var indexes: [Int] = []
        for name in names {
            guard let index = relation.columnIndex(name) else {
                throw WeirError(
                    .tableUnusable, stage: .sink, "The configured key column \"\(name)\" does not exist.",
                    advice: "Correct `message.key.columns` for this table."
                ).at(table: relation.origin)
            }
            indexes.append(index)
        }
        return indexes
    }

    /// The columns that `message.key.columns` names for a table: the first entry decides. Debezium takes all entries
    /// together and passes over columns that the table does not have, so that one entry serves many tables. Source: its
    /// `Key.CustomKeyMapper`.
    private static func configured(_ relation: Relation, _ options: DebeziumOptions, isStrict: Bool) -> [String] {
        let choices = options.keyColumns.filter { $0.tables.matches(relation.origin) }
        guard isStrict else { return choices.first?.columns ?? [] }
        var names: [String] = []
        for name in choices.flatMap(\.columns) where !names.contains(name) && relation.columnIndex(name) != nil {
            names.append(name)
        }
        return names
    }

    /// A constant's bytes, valid while the program lives.
    @inline(__always)
    func view(_ range: ConstantRange) -> ByteView { unsafe constants.view(range.range) }
}

/// Gathers columns and constants.
private struct Compiler: ~Copyable {
    private let settings: EncoderSettings
    private let hasSchemas: Bool
    private var constants = ByteBuffer(capacity: 1024)
    /// Of the columns by their index; empty without schemas.
    private(set) var schemas: [Int32: ConnectSchema] = [:]

    init(settings: EncoderSettings) {
        self.settings = settings
        hasSchemas = settings.format == .debezium && settings.debezium.hasSchemas
    }

    consuming func finish() -> ByteBuffer { constants }

    mutating func constant(_ write: (inout ByteBuffer) -> Void) -> ConstantRange {
        let start = constants.count
        write(&constants)
        return ConstantRange(
            offset: Int32(truncatingIfNeeded: start), count: Int32(truncatingIfNeeded: constants.count - start))
    }

    mutating func compile(_ relation: Relation, _ index: Int) -> ColumnProgram? {
        let column = relation.required(relation.columns[index])
        guard var plan = ValuePlan.make(column.type, settings) else { return nil }
        if hasSchemas { plan.fitSchema(column.type, settings) }
        var program = ColumnProgram(code: plan.code, element: plan.element, scale: plan.scale, cell: Int32(index))
        program.isIdentity = relation.identity == .full || column.isIdentity
        program.isOptional = !column.isNotNull
        program.isStrict = settings.format == .debezium && settings.debezium.strict
        program.hasSchema = hasSchemas
        program.isLostWithNull = plan.isLostWithNull
        program.delimiter = plan.delimiter
        program.name = constant { bytes in
            bytes.appendString(utf8: column.name)
            bytes.append(UInt8(ascii: ":"))
        }
        let writer = StandInWriter(settings: settings)
        let placeholder = plan.placeholder
        program.unchanged = constant { bytes in writer.writePlaceholder(placeholder, &bytes) }
        let compiled = program
        let values = plan
        program.missing = constant { bytes in
            writer.writeMissing(column, values, compiled, &bytes)
        }
        if hasSchemas { schemas[program.cell] = schema(of: column, plan, compiled) }
        return program
    }

    private func schema(of column: Column, _ plan: ValuePlan, _ program: ColumnProgram) -> ConnectSchema {
        var schema = ConnectSchema.value(column.type, settings.debezium)
        schema.isOptional = !column.isNotNull
        schema.defaultJSON = StandInWriter(settings: settings).defaultJSON(column, plan, program)
        return schema
    }

    mutating func head(_ isOn: Bool, _ schema: ConnectSchema) -> ConstantRange {
        constant { bytes in if isOn { schema.appendHead(to: &bytes) } }
    }
}

/// Writes what stands for values that are not there.
private struct StandInWriter {
    let settings: EncoderSettings

    /// What NULL looks like: `null`; where the column is NOT NULL (in the old row of a delete) its literal default, if
    /// Debezium takes that of such a type, else the type's fallback. Debezium writes a default over the NULLs of
    /// other columns as well.
    func writeMissing(_ column: Column, _ plan: ValuePlan, _ program: ColumnProgram, _ bytes: inout ByteBuffer) {
        let options = settings.debezium
        if settings.format == .debezium, column.isNotNull || options.strict, plan.takesDefault,
            let text = column.defaultText, writeDefault(text, plan, program, &bytes)
        {
            return
        }
        let hasFallback = settings.format == .debezium && column.isNotNull
        bytes.append(utf8: hasFallback ? plan.fallback : "null")
    }

    /// The default that the schema names, as JSON; nil when there is none that Debezium takes.
    func defaultJSON(_ column: Column, _ plan: ValuePlan, _ program: ColumnProgram) -> String? {
        guard plan.takesDefault, let text = column.defaultText else { return nil }
        var bytes = ByteBuffer(capacity: 64)
        return writeDefault(text, plan, program, &bytes) ? bytes.text(0..<bytes.count) : nil
    }

    private func writeDefault(
        _ text: String, _ plan: ValuePlan, _ program: ColumnProgram, _ bytes: inout ByteBuffer
    ) -> Bool {
        if plan.code == .boolean, text == "true" || text == "false" {
            bytes.append(utf8: text)
            return true
        }
        let start = bytes.count
        var copy = text
        let isWritten = copy.withUTF8 { utf8 in
            guard let first = utf8.baseAddress else { return bytes.appendValue(.empty, program) }
            return unsafe bytes.appendValue(ByteView(start: first, count: utf8.count), program)
        }
        if !isWritten { bytes.truncate(to: start) }
        return isWritten
    }

    /// What an unchanged TOASTed value looks like.
    func writePlaceholder(_ shape: ValuePlan.Placeholder, _ bytes: inout ByteBuffer) {
        let text = settings.debezium.unavailablePlaceholder
        let start = bytes.count
        switch shape {
        case .string: bytes.appendString(utf8: text)
        case .strings:
            bytes.append(UInt8(ascii: "["))
            bytes.appendString(utf8: text)
            bytes.append(UInt8(ascii: "]"))
        case .bytes: writeBase64(text, &bytes)
        case .byteStrings:
            bytes.append(UInt8(ascii: "["))
            writeBase64(text, &bytes)
            bytes.append(UInt8(ascii: "]"))
        case .integers:
            bytes.append(UInt8(ascii: "["))
            for (place, byte) in text.utf8.enumerated() {
                if place > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes.appendInteger(Int64(Int8(bitPattern: byte)))
            }
            bytes.append(UInt8(ascii: "]"))
        case .object, .objectText:
            let astral: ByteBuffer.Astral = shape == .object ? .escaped : .plain
            bytes.append(UInt8(ascii: "{"))
            bytes.appendString(utf8: text, astral: astral)
            bytes.append(UInt8(ascii: ":"))
            bytes.appendString(utf8: text, astral: astral)
            bytes.append(UInt8(ascii: "}"))
            if shape == .objectText { bytes.appendStringOfTail(from: start) }
        case .uuids:
            bytes.append("[\"" as StaticString)
            bytes.append(utf8: NameUUID.text(of: Array(text.utf8)))
            bytes.append("\"]" as StaticString)
        case .null: bytes.append("null" as StaticString)
        }
    }

    private func writeBase64(_ text: String, _ bytes: inout ByteBuffer) {
        bytes.append(UInt8(ascii: "\""))
        var copy = text
        copy.withUTF8 { utf8 in
            guard let start = utf8.baseAddress else { return }
            let view = unsafe ByteView(start: start, count: utf8.count)
            bytes.appendBytes(view, settings.debezium.binary == .base64URLSafe ? .base64URL : .base64)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
