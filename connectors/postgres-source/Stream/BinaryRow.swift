import PgOutput
import WeirCore

/// The values of one message of a binary stream as text: what every later stage knows.
struct BinaryRow: ~Copyable {
    private var values: BinaryText
    /// The message's columns with their places in the text.
    private(set) var columns: [TupleColumn] = []

    init(serverVersion: Int) {
        values = BinaryText(serverVersion: serverVersion)
    }

    /// Begins a message with so many columns in all its tuples.
    mutating func begin() {
        values.removeAll()
        columns.removeAll(keepingCapacity: true)
    }

    /// Takes in the next column; `form` is the one of its type. A type without a send function comes as text.
    mutating func add(
        _ column: TupleColumn, _ form: BinaryForm?, _ message: UnsafeRawBufferPointer
    ) throws(BinaryValueError) {
        let start = values.text.count
        let range = ByteRange(offset: Int(column.offset), length: Int(column.length))
        switch column.kind {
        case .null, .unchanged:
            columns.append(column)
            return
        case .text: values.append(text: unsafe message.bytes, range)
        case .binary:
            guard let form else { throw BinaryValueError(reason: .invalidValue, offset: 0) }
            try values.append(unsafe message.bytes, range, as: form)
        }
        // A message ends at 1 GiB, but as text a value may be longer than in binary.
        guard let offset = UInt32(exactly: start), let length = UInt32(exactly: values.text.count - start) else {
            throw BinaryValueError(reason: .rowTooLarge, offset: 0)
        }
        columns.append(TupleColumn(kind: .text, offset: offset, length: length))
    }

    /// Copies the text into a batch and returns where it begins there.
    func append(to builder: inout BatchBuilder) -> Int {
        unsafe values.text.withBytes { unsafe builder.appendBytes($0) }
    }
}
