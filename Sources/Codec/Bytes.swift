/// A byte string. In messages it is a CBOR byte string, whereas `[UInt8]` as an array would be a list of small integers.
public struct Bytes: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var array: [UInt8]

    public init(_ array: [UInt8]) { self.array = array }

    public var count: Int { array.count }
    public var isEmpty: Bool { array.isEmpty }

    /// Lower-case hexadecimal.
    public var description: String { Hex.encode(array) }

    public static func < (left: Bytes, right: Bytes) -> Bool { left.array.lexicographicallyPrecedes(right.array) }
}
