import Fuzzing
import Glibc

private let fuzzer: Fuzzer = {
    let name = getenv("SWARMLET_FUZZER").map { String(cString: $0) } ?? ""
    guard let fuzzer = Fuzzer(rawValue: name) else {
        print("fuzz: SWARMLET_FUZZER names none of \(Fuzzer.allCases.map(\.rawValue).joined(separator: " "))")
        exit(2)
    }
    return fuzzer
}()

/// What libFuzzer calls with each input; a trap is what it looks for.
@_cdecl("LLVMFuzzerTestOneInput")
public func takeOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    if let flaw = fuzzer.take(bytes) { fatalError(flaw) }
    return 0
}
