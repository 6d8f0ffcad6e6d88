import Foundation
import PgOutput
import Testing
import WeirTestKit

/// The decoder must answer anything with a message or an error, and every range it reports must lie inside the
/// message. The recording is the corpus. `WEIR_FUZZ_SECONDS` makes the random part run that long, with another seed
/// each time; the seed is printed with a failure.
@Suite struct FuzzTests {
    /// Decodes, and checks what a consumer relies on. Returns false for a message that breaks it.
    private func holds(_ bytes: [UInt8], _ decoder: inout PgOutputDecoder, _ state: inout StreamState) -> Bool {
        do throws(DecodeError) {
            let message = try decoder.decode(bytes.span.bytes)
            do throws(StreamError) { try state.accept(message, decoder) } catch { state = StreamState() }
            return rangesFit(message, bytes.count, decoder)
        } catch {
            return error.offset >= 0 && error.offset <= bytes.count
        }
    }

    private func rangesFit(_ message: PgOutputMessage, _ count: Int, _ decoder: borrowing PgOutputDecoder) -> Bool {
        var tuples: [TupleRange] = []
        switch message {
        case .insert(_, let new): tuples = [new]
        case .update(_, .key(let old), let new), .update(_, .full(let old), let new): tuples = [old, new]
        case .update(_, .none, let new): tuples = [new]
        case .delete(_, .key(let old)), .delete(_, .full(let old)): tuples = [old]
        case .delete(_, .none): return false
        case .message(_, _, let prefix, let content):
            return prefix.offset + prefix.length < count && content.offset + content.length <= count
        case .origin(_, let name): return name.offset + name.length < count
        default: return true
        }
        for tuple in tuples {
            guard tuple.start + tuple.count <= decoder.columns.count else { return false }
            for column in decoder.columns[tuple.start..<tuple.start + tuple.count] {
                guard Int(column.offset) + Int(column.length) <= count else { return false }
            }
        }
        return true
    }

    @Test func everyFlippedBit() throws {
        var decoder = PgOutputDecoder()
        var state = StreamState()
        for message in try Recording.load().messages {
            // Bits in the middle of a long value change only the value: its ends are enough.
            for index in message.bytes.indices where index < 200 || index >= message.bytes.count - 50 {
                for bit in 0..<8 {
                    var bytes = message.bytes
                    bytes[index] ^= 1 << UInt8(bit)
                    let sound = holds(bytes, &decoder, &state)
                    #expect(sound, "byte \(index), bit \(bit) of \(message.bytes.prefix(200))")
                }
            }
        }
    }

    @Test func randomChangesAndRandomBytes() throws {
        let seconds = ProcessInfo.processInfo.environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init)
        let seed = seconds == nil ? 20_260_101 : UInt64.random(in: .min ... .max)
        let end = ContinuousClock.now + .seconds(seconds ?? 0)
        var generator = SeededGenerator(seed: seed)
        let corpus = try Recording.load().messages.map(\.bytes)
        var decoder = PgOutputDecoder()
        var state = StreamState()
        var rounds = 0
        while rounds < 20_000 || ContinuousClock.now < end {
            rounds += 1
            let bytes = mutated(corpus, &generator)
            let sound = holds(bytes, &decoder, &state)
            try #require(sound, "seed \(seed), round \(rounds): \(bytes)")
        }
    }

    private func mutated(_ corpus: [[UInt8]], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
        if bytes.count > 400 { bytes.removeSubrange(200..<(bytes.count - 100)) }
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let index = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where !bytes.isEmpty: bytes[index] = UInt8.random(in: .min ... .max, using: &generator)
            case 1: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...8, using: &generator)))
            case 2: bytes.insert([0, 1, 0x7F, 0xFF, 0x80].randomElement(using: &generator)!, at: index)
            case 3:
                let other = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
                bytes.insert(contentsOf: other.prefix(Int.random(in: 0...40, using: &generator)), at: index)
            case 4: bytes.append(contentsOf: "BCORYIUDTMKNOntub".utf8.shuffled(using: &generator).prefix(3))
            default:
                bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                    UInt8.random(in: .min ... .max, using: &generator)
                }
            }
        }
        return bytes
    }
}
