import Codec

extension CBOR {
    /// A value of one of several kinds: a map whose key 0 is the number of the kind.
    static func kind(_ number: UInt64, _ fill: (inout CBORMap) -> Void = { _ in }) -> CBOR {
        var map = CBORMap()
        map.set(0, number)
        fill(&map)
        return .map(map)
    }
}

extension CodecError {
    /// A number that no kind of `type` has: the sender is newer than we are, or it lies.
    static func unknownKind(_ type: String, _ number: UInt64) -> CodecError {
        .invalid("an unknown kind \(number) of \(type)")
    }
}
