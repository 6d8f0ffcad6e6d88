import Glibc

/// What inputs are: a stretch of a replication stream, or with `WEIR_FUZZ=values` one value.
private let readsValues = unsafe getenv("WEIR_FUZZ").map { unsafe String(cString: $0) } == "values"

/// libFuzzer calls this with each input; `Tests/Fuzz/run.sh` links it with libFuzzer's `main`. A broken promise ends
/// the process, which libFuzzer reports with the input that led to it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if readsValues {
        var check = ValueCheck()
        do throws(ValueCheck.Violation) { try check.read(input) } catch { fatalError(error.description) }
    } else {
        var check = StreamCheck()
        do throws(StreamCheck.Violation) { try check.read(input) } catch { fatalError(error.description) }
    }
    return 0
}
