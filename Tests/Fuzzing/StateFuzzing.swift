import Codec
import Scheduler

/// What stands in the log and in snapshots: every node must come to the same state from it, or refuse it alike.
enum StateFuzzing {
    static func entries(_ bytes: [UInt8]) -> String? {
        var state = SchedulerState()
        apply(bytes[...], to: &state)
        return flaw(of: state)
    }

    /// `length(4, little-endian) snapshot entries`.
    static func snapshot(_ bytes: [UInt8]) -> String? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        let encoded = Array(bytes.dropFirst(4).prefix(length))
        guard var state = Fuzzer.taken({ () throws(CodecError) in try SchedulerState(encoded: encoded) }) else {
            return nil
        }
        if let flaw = flaw(of: state) { return flaw }
        apply(bytes.dropFirst(4 + length), to: &state)
        return flaw(of: state)
    }

    private static func apply(_ bytes: ArraySlice<UInt8>, to state: inout SchedulerState) {
        var rest = bytes
        while let (value, byteCount) = Fuzzer.taken({ () throws(CodecError) in try CBOR.decodeFirst(rest) }) {
            rest = rest.dropFirst(byteCount)
            guard let entry = Fuzzer.taken({ () throws(CodecError) in try Entry(cbor: value) }) else { continue }
            _ = state.apply(entry)
        }
    }

    private static func flaw(of state: SchedulerState) -> String? {
        let bytes = state.encoded()
        guard let restored = Fuzzer.taken({ () throws(CodecError) in try SchedulerState(encoded: bytes) }) else {
            return "a state that was reached cannot be restored from its snapshot"
        }
        return restored.encoded() == bytes ? nil : "a restored state writes another snapshot"
    }
}
