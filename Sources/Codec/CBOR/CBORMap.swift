/// The entries of a CBOR map, always sorted by the encoding of their keys and without duplicates.
///
/// Messages are maps with small integer keys; the accessors with an `Int` key are for them.
public struct CBORMap: Hashable, Sendable {
    /// One key with its value.
    public struct Entry: Hashable, Sendable {
        public let key: CBOR
        public var value: CBOR
    }

    /// In ascending order of the encoded key.
    public private(set) var entries: [Entry] = []

    public init() {}

    public var count: Int { entries.count }
    public var isEmpty: Bool { entries.isEmpty }

    /// The value under a key; setting nil removes the entry.
    public subscript(key: CBOR) -> CBOR? {
        get {
            let (index, isPresent) = position(of: key)
            return isPresent ? entries[index].value : nil
        }
        set {
            let (index, isPresent) = position(of: key)
            switch (newValue, isPresent) {
            case (let value?, true): entries[index].value = value
            case (let value?, false): entries.insert(Entry(key: key, value: value), at: index)
            case (nil, true): entries.remove(at: index)
            case (nil, false): break
            }
        }
    }

    /// The value under an integer key; setting nil removes the entry.
    public subscript(key: Int) -> CBOR? {
        get { self[CBOR.integer(key)] }
        set { self[CBOR.integer(key)] = newValue }
    }

    func encode(into bytes: inout [UInt8]) {
        CBOR.appendHead(5, UInt64(entries.count), to: &bytes)
        for entry in entries {
            entry.key.encode(into: &bytes)
            entry.value.encode(into: &bytes)
        }
    }

    // MARK: Order

    var lastKey: CBOR? { entries.last?.key }

    mutating func reserveCapacity(_ count: Int) { entries.reserveCapacity(count) }

    /// Adds an entry whose key is known to come after all others.
    mutating func appendLast(_ key: CBOR, _ value: CBOR) { entries.append(Entry(key: key, value: value)) }

    /// Where the key stands, or where it would have to be inserted.
    private func position(of key: CBOR) -> (index: Int, isPresent: Bool) {
        var low = 0
        var high = entries.count
        // Messages are built in ascending order of keys: look at the end first.
        if let last = entries.last {
            let order = CBORMap.order(last.key, key)
            if order < 0 { return (high, false) }
            if order == 0 { return (high - 1, true) }
            high -= 1
        }
        while low < high {
            let middle = (low + high) / 2
            let order = CBORMap.order(entries[middle].key, key)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    /// Negative, zero or positive as the encoding of `left` sorts before, with or after that of `right` (bytewise).
    static func order(_ left: CBOR, _ right: CBOR) -> Int {
        switch (left, right) {
        case (.unsigned(let left), .unsigned(let right)), (.negative(let left), .negative(let right)):
            // Shortest heads grow with their argument, so numbers sort as their encodings do.
            return left < right ? -1 : (left == right ? 0 : 1)
        case (.text(let left), .text(let right)):
            let (leftBytes, rightBytes) = (left.utf8, right.utf8)
            if leftBytes.count != rightBytes.count { return leftBytes.count < rightBytes.count ? -1 : 1 }
            return leftBytes.elementsEqual(rightBytes) ? 0 : (leftBytes.lexicographicallyPrecedes(rightBytes) ? -1 : 1)
        default:
            let (leftBytes, rightBytes) = (left.encoded(), right.encoded())
            return leftBytes == rightBytes ? 0 : (leftBytes.lexicographicallyPrecedes(rightBytes) ? -1 : 1)
        }
    }
}

extension CBORMap {
    // MARK: Messages with integer keys

    /// The value under a key that the message must have.
    public func require<T: CBORCodable>(_ key: Int, _ type: T.Type = T.self) throws(CodecError) -> T {
        guard let value = self[key] else { throw .missing(key: key) }
        return try decode(value, key, type)
    }

    /// The value under a key that the message may leave out.
    public func optional<T: CBORCodable>(_ key: Int, _ type: T.Type = T.self) throws(CodecError) -> T? {
        guard let value = self[key] else { return nil }
        return try decode(value, key, type)
    }

    /// The byte string under a key that the message must have.
    public func requireBytes(_ key: Int) throws(CodecError) -> [UInt8] { try require(key, Bytes.self).array }

    /// The byte string under a key that the message may leave out.
    public func optionalBytes(_ key: Int) throws(CodecError) -> [UInt8]? { try optional(key, Bytes.self)?.array }

    /// Puts a value under a key; nil leaves the key out.
    public mutating func set<T: CBORCodable>(_ key: Int, _ value: T?) { self[key] = value?.cbor }

    /// Puts a byte string under a key; nil leaves the key out.
    public mutating func setBytes(_ key: Int, _ bytes: [UInt8]?) { self[key] = bytes.map(CBOR.bytes) }

    /// The entries whose keys are not integers of this range: what a newer version has added, to be kept and passed on.
    public func without(_ keys: ClosedRange<Int>) -> CBORMap {
        var rest = CBORMap()
        for entry in entries {
            if case .unsigned(let key) = entry.key, let key = Int(exactly: key), keys.contains(key) { continue }
            if case .negative(let key) = entry.key, let key = Int(exactly: key), keys.contains(-1 - key) { continue }
            rest.appendLast(entry.key, entry.value)
        }
        return rest
    }

    /// Adds all entries of `other`; where both have a key, the value of `other` stands.
    public mutating func merge(_ other: CBORMap) {
        for entry in other.entries { self[entry.key] = entry.value }
    }

    private func decode<T: CBORCodable>(_ value: CBOR, _ key: Int, _ type: T.Type) throws(CodecError) -> T {
        do {
            return try T(cbor: value)
        } catch .mismatch(key: nil, let expected, let found) {
            throw .mismatch(key: key, expected: expected, found: found)
        }
    }
}
