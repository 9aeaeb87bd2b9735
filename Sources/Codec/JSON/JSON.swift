/// A JSON document (RFC 8259), read strictly: one value, no duplicate keys, valid UTF-8, no lone surrogates, bounded
/// nesting. Two readers can therefore not disagree about what a signed document says.
public enum JSON: Hashable, Sendable {
    /// Members in the order in which they stand.
    case object([(key: String, value: JSON)])
    case array([JSON])
    case string(String)
    /// A number without fraction and exponent.
    case integer(Int64)
    /// A number with fraction or exponent, and -0.
    case number(Double)
    case bool(Bool)
    case null

    /// Reads exactly one document that fills the whole input.
    ///
    /// - Throws: `CodecError.malformed(.json, ...)`, naming the flaw and the byte where it was seen.
    public static func parse(_ bytes: [UInt8], limits: JSONLimits = .default) throws(CodecError) -> JSON {
        var parser = JSONParser(bytes: bytes, limits: limits)
        return try parser.document()
    }

    /// Reads exactly one document that fills the whole text.
    public static func parse(_ text: String, limits: JSONLimits = .default) throws(CodecError) -> JSON {
        try parse(Array(text.utf8), limits: limits)
    }

    /// The value of an object's member, nil where it is missing or this is no object.
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// The element of an array, nil where it is missing or this is no array.
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text, nil where this is none.
    public var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The whole number, nil where this is none.
    public var integerValue: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The number, whole or not, nil where this is none.
    public var numberValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The boolean, nil where this is none.
    public var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements, nil where this is no array.
    public var arrayValue: [JSON]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, nil where this is no object.
    public var objectValue: [(key: String, value: JSON)]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// Equal kinds with equal content; objects also with the same order of members.
    public static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) { $0.key == $1.key && $0.value == $1.value }
        case (.array(let left), .array(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.bool(let left), .bool(let right)): left == right
        case (.null, .null): true
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .object(let members):
            hasher.combine(members.count)
            for member in members {
                hasher.combine(member.key)
                hasher.combine(member.value)
            }
        case .array(let elements): hasher.combine(elements)
        case .string(let value): hasher.combine(value)
        case .integer(let value): hasher.combine(value)
        case .number(let value): hasher.combine(value)
        case .bool(let value): hasher.combine(value)
        case .null: hasher.combine(0)
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(elements.map { (key: $0.0, value: $0.1) })
    }
    public init(nilLiteral: ()) { self = .null }
}
