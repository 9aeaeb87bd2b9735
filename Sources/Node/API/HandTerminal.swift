import Codec

/// The terminal in front of a person.
public struct HandTerminal: Hashable, Sendable, CBORCodable {
    /// Its kind, as in TERM.
    public var name: String
    public var rows: UInt16
    public var columns: UInt16

    public init(name: String, rows: UInt16, columns: UInt16) {
        self.name = name
        self.rows = rows
        self.columns = columns
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        rows = UInt16(clamping: try map.require(2, UInt64.self))
        columns = UInt16(clamping: try map.require(3, UInt64.self))
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, UInt64(rows))
        map.set(3, UInt64(columns))
        return .map(map)
    }
}
