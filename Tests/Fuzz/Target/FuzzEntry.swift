/// libFuzzer calls this with each input; `Tests/Fuzz/run.sh` links it with libFuzzer's `main`. A broken promise ends
/// the process, which libFuzzer reports with the input that led to it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var check = StreamCheck()
    do throws(StreamCheck.Violation) {
        try check.read(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        fatalError(error.description)
    }
    return 0
}
