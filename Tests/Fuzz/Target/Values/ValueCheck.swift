public import PgOutput
import WeirCore

/// Reads one value as the agent does, in text or in a binary send form, and holds the parsers of values to what their
/// consumers rely on: an error or a value, never a trap, and a value that stays the same.
///
/// The input's first byte says what it is. Even: text; the second byte chooses the type, the third how events render
/// it, and the rest is the value. Odd: binary; the second byte chooses the form, the third whether it is one value, an
/// array or a range, and the rest is the value.
public struct ValueCheck: ~Copyable {
    /// A broken promise: a defect of a parser, whatever the input was.
    public struct Violation: Error, CustomStringConvertible {
        /// What was promised and did not hold.
        public let promise: String
        /// What was read.
        public let value: [UInt8]
        /// What it was read as.
        public let type: String
        /// One line.
        public var description: String { "\(promise); as \(type), \(value.count) bytes: \(value)" }
    }

    /// Values rendered, by the name of their type.
    public private(set) var rendered: [String: Int] = [:]
    /// Values refused, by the name of their type.
    public private(set) var refused: [String: Int] = [:]
    /// Binary values refused, each with its reason.
    public private(set) var errors: [BinaryValueError.Reason] = []

    /// Starts with nothing read.
    public init() {}

    /// Reads an input. Throws only for a broken promise: what is wrong with the value is counted.
    public mutating func read(_ input: [UInt8]) throws(Violation) {
        guard input.count >= 3 else { return }
        let value = Array(input.dropFirst(3))
        if input[0] & 1 == 0 {
            let types = SampleType.all
            try check(text: value, types[Int(input[1]) % types.count], EventRenderer(choice: input[2]))
        } else {
            let forms = BinaryForm.Scalar.allCases
            let shapes: [BinaryForm.Shape] = [.scalar, .array, .range]
            let form = BinaryForm(forms[Int(input[1]) % forms.count], shapes[Int(input[2]) % shapes.count])
            try check(binary: value, form)
        }
    }

    // MARK: - Text

    private mutating func check(text: [UInt8], _ type: SampleType, _ renderer: EventRenderer) throws(Violation) {
        let json: [UInt8]?
        do throws(WeirError) {
            json = try renderer.json(text, type.type)
            guard try json == renderer.json(text, type.type) else {
                throw WeirError(.internalError, stage: .transform, "another result")
            }
        } catch {
            throw Violation(promise: "a value is rendered or refused, each time alike", value: text, type: type.name)
        }
        guard let json else {
            refused[type.name, default: 0] += 1
            return
        }
        rendered[type.name, default: 0] += 1
        // The server sends valid text; what a JSON column holds is copied.
        guard String(validating: text, as: UTF8.self) != nil, !type.name.hasPrefix("json") else { return }
        do throws(JSONFailure) { _ = try JSONValue(json) } catch {
            throw Violation(promise: "an event is JSON", value: text, type: type.name)
        }
        if type.isLiteral { try checkAgain(text, type) }
    }

    /// Written as PostgreSQL would write it and read again, a value is the one it was.
    private func checkAgain(_ text: [UInt8], _ type: SampleType) throws(Violation) {
        let renderer = EventRenderer.flat
        let again: [UInt8]?
        do throws(WeirError) {
            guard let first = try renderer.json(text, type.type), let known = try? JSONValue(first),
                let written = PostgresText.of(known, delimiter: type.delimiter)
            else { return }
            again = try renderer.json(Array(written.utf8), type.type)
            guard again == first else {
                throw WeirError(.internalError, stage: .transform, "another result")
            }
        } catch {
            throw Violation(promise: "written and read again, a value is the same", value: text, type: type.name)
        }
    }

    // MARK: - Binary

    private mutating func check(binary value: [UInt8], _ form: BinaryForm) throws(Violation) {
        let name = "\(form.scalar) \(form.shape)"
        let first = Self.text(value, form)
        // Bytes around a value change nothing.
        guard first == Self.text(value, form, before: 5, after: 3) else {
            throw Violation(promise: "a value depends on its bytes only", value: value, type: name)
        }
        switch first {
        case .failure(let error):
            guard error.offset >= 0, error.offset <= value.count else {
                throw Violation(promise: "an error lies in its value", value: value, type: name)
            }
            errors.append(error.reason)
            refused[name, default: 0] += 1
        case .success(let text):
            rendered[name, default: 0] += 1
            try checkEnds(value, form, name)
            guard let type = SampleType.of(form), String(validating: text, as: UTF8.self) != nil else { return }
            let before = refused[type.name, default: 0]
            try check(text: text, type, .flat)
            guard refused[type.name, default: 0] == before else {
                throw Violation(promise: "the text of a binary value is a value", value: value, type: name)
            }
        }
    }

    /// A value whose length its form decides ends where it ends.
    private func checkEnds(_ value: [UInt8], _ form: BinaryForm, _ name: String) throws(Violation) {
        switch form.scalar {
        case .text, .versionedText, .bytea: if form.shape == .scalar { return }
        default: break
        }
        guard case .failure = Self.text(value + [0], form) else {
            throw Violation(promise: "a byte after a value is refused", value: value, type: name)
        }
    }

    private static func text(
        _ value: [UInt8], _ form: BinaryForm, before: Int = 0, after: Int = 0
    ) -> Result<[UInt8], BinaryValueError> {
        var writer = BinaryText(serverVersion: 170_000)
        let bytes = [UInt8](repeating: 0xA5, count: before) + value + [UInt8](repeating: 0x5A, count: after)
        do throws(BinaryValueError) {
            try writer.append(unsafe bytes.span.bytes, ByteRange(offset: before, length: value.count), as: form)
            return .success(unsafe writer.text.withBytes { unsafe Array($0) })
        } catch {
            return .failure(error)
        }
    }
}
