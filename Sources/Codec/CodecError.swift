/// Why bytes were refused by a decoder of this module, or a decoded value did not fit the message that was expected.
///
/// No case changes any state: a decoder either returns a whole value or throws.
public enum CodecError: Error, Hashable, Sendable {
    /// The encodings of this module, as they appear in error codes.
    public enum Format: String, Hashable, Sendable {
        case cbor, json, base64url, timestamp
    }

    /// What was wrong with the bytes.
    public enum Flaw: String, Hashable, Sendable {
        /// The input ends inside a value, or a length points beyond its end.
        case truncated
        /// Bytes follow the value.
        case trailing
        /// The bytes are well formed but are not the one deterministic encoding (long integer, long float, indefinite length).
        case nonCanonical = "non_canonical"
        /// Map keys are not in ascending order of their encoding.
        case unsorted
        /// A key occurs twice in one map or object.
        case duplicateKey = "duplicate_key"
        /// A text is not valid UTF-8, or holds half of a surrogate pair.
        case badText = "bad_text"
        /// Containers are nested deeper than the limit.
        case tooDeep = "too_deep"
        /// The input is longer than the limit, or holds more values than the limit.
        case tooLarge = "too_large"
        /// A number does not fit the range of its type.
        case outOfRange = "out_of_range"
        /// A byte that cannot stand here.
        case unexpectedByte = "unexpected_byte"
    }

    /// The bytes are not one value in the strict form of `format`; `offset` is the byte where this was seen.
    case malformed(Format, Flaw, offset: Int)
    /// A message lacks the value under an integer key.
    case missing(key: Int)
    /// A value has another type than the message prescribes. `key` is nil where the value stands alone.
    case mismatch(key: Int?, expected: String, found: String)
    /// A value has the right type but a meaning that the message does not allow, said in a few words.
    case invalid(String)

    /// Stable name of the error, for logs, exit codes and the API.
    public var code: String {
        switch self {
        case .malformed(let format, let flaw, _): "codec.\(format.rawValue).\(flaw.rawValue)"
        case .missing: "codec.message.missing"
        case .mismatch: "codec.message.mismatch"
        case .invalid: "codec.message.invalid"
        }
    }

    /// One sentence for a person.
    public var message: String {
        switch self {
        case .malformed(let format, let flaw, let offset): "\(format.rawValue) \(flaw.sentence) at byte \(offset)"
        case .missing(let key): "the message lacks its field \(key)"
        case .mismatch(let key?, let expected, let found): "field \(key) should be \(expected), found \(found)"
        case .mismatch(nil, let expected, let found): "expected \(expected), found \(found)"
        case .invalid(let what): "the message holds \(what)"
        }
    }

    /// What the person can do about it.
    public var hint: String {
        switch self {
        case .malformed(.base64url, _, _): "copy the whole string again, without spaces or line breaks"
        case .malformed(.json, _, _): "check the document with a strict JSON parser"
        case .malformed(.timestamp, _, _): "write the time as 2026-11-21T14:30:00Z"
        case .malformed, .missing, .mismatch, .invalid:
            "the sender may run another version of swarmlet, or the bytes were damaged"
        }
    }
}

extension CodecError.Flaw {
    fileprivate var sentence: String {
        switch self {
        case .truncated: "ends too early"
        case .trailing: "is followed by other bytes"
        case .nonCanonical: "is not in its shortest form"
        case .unsorted: "has keys out of order"
        case .duplicateKey: "repeats a key"
        case .badText: "has text that is not UTF-8"
        case .tooDeep: "is nested too deeply"
        case .tooLarge: "is too large"
        case .outOfRange: "has a number out of range"
        case .unexpectedByte: "has a byte that cannot stand there"
        }
    }
}
