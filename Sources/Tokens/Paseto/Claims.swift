import Codec

/// The payload of a token whose signature has been checked: a flat JSON object that must hold exactly what it may hold.
///
/// A claim that is not known is refused, never passed over: it might have been a restriction.
struct Claims {
    private static let limits = JSONLimits(byteCount: 4096, depth: 4, memberCount: 64)

    private let members: [(key: String, value: JSON)]

    /// - Parameters:
    ///   - type: what the claim `typ` must say.
    ///   - known: all other claims that may be there.
    init(_ payload: [UInt8], type: String, known: [String]) throws(TokenError) {
        let document: JSON
        do { document = try JSON.parse(payload, limits: Claims.limits) } catch {
            throw .malformed("its payload: \(error.message)")
        }
        guard case .object(let members) = document else { throw .malformed("its payload is no object") }
        self.members = members
        guard try text("typ") == type else { throw .malformed("it is not a \(type)") }
        for member in members where member.key != "typ" && !known.contains(member.key) {
            throw .malformed("it has the unknown claim \(member.key)")
        }
    }

    /// - Throws: `malformed` for a payload that its reader would refuse as too long.
    static func encode(type: String, _ members: [(key: String, value: JSON)]) throws(TokenError) -> [UInt8] {
        let payload = JSON.object([(key: "typ", value: .string(type))] + members).encoded()
        guard payload.count <= limits.byteCount else {
            throw .malformed("its payload would have more than \(limits.byteCount) bytes")
        }
        return payload
    }

    private func value(_ key: String) -> JSON? { members.first { $0.key == key }?.value }

    /// Whether the claim is there, with whatever value.
    func has(_ key: String) -> Bool { value(key) != nil }

    func isText(_ key: String) -> Bool { value(key)?.stringValue != nil }

    private func flaw(_ key: String) -> TokenError { .malformed("its claim \(key) is missing or has another type") }

    func text(_ key: String) throws(TokenError) -> String {
        guard let text = value(key)?.stringValue else { throw flaw(key) }
        return text
    }

    func optionalText(_ key: String) throws(TokenError) -> String? {
        value(key) == nil ? nil : try text(key)
    }

    func integer(_ key: String, in range: ClosedRange<Int64>) throws(TokenError) -> Int64 {
        guard let integer = value(key)?.integerValue else { throw flaw(key) }
        guard range.contains(integer) else { throw .malformed("its claim \(key) is out of range") }
        return integer
    }

    func bool(_ key: String) throws(TokenError) -> Bool {
        guard let value = value(key)?.boolValue else { throw flaw(key) }
        return value
    }

    func time(_ key: String) throws(TokenError) -> Int64 { try TokenTime.parse(text(key)) }

    func keyID(_ key: String) throws(TokenError) -> KeyID { try KeyID(text: text(key)) }

    func texts(_ key: String) throws(TokenError) -> [String] {
        guard let elements = value(key)?.arrayValue else { throw flaw(key) }
        var texts = [String]()
        for element in elements {
            guard let text = element.stringValue else { throw flaw(key) }
            texts.append(text)
        }
        return texts
    }

    /// An object, in its order.
    func members(_ key: String) throws(TokenError) -> [(key: String, value: JSON)] {
        guard let members = value(key)?.objectValue else { throw flaw(key) }
        return members
    }

    /// An object of texts, in its order.
    func pairs(_ key: String) throws(TokenError) -> [(key: String, value: String)] {
        var pairs = [(key: String, value: String)]()
        for member in try members(key) {
            guard let text = member.value.stringValue else { throw flaw(key) }
            pairs.append((member.key, text))
        }
        return pairs
    }
}
