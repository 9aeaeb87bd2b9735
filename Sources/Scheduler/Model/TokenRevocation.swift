import Codec

/// That a token, a holder or an issuer of tokens is believed no more.
public struct TokenRevocation: Hashable, Sendable, CBORCodable {
    /// What is revoked.
    public enum Subject: Hashable, Sendable, Comparable {
        /// A link by its name, and with it all links below it.
        case token(String)
        /// A key that holds tokens, by its id.
        case holder(String)
        /// A key that issues tokens, by its id.
        case issuer(String)

        /// `t:NAME`, `h:KEY`, `i:KEY`
        var text: String {
            switch self {
            case .token(let name): "t:" + name
            case .holder(let key): "h:" + key
            case .issuer(let key): "i:" + key
            }
        }

        init(text: String) throws(CodecError) {
            let name = String(text.dropFirst(2))
            guard !name.isEmpty, name.utf8.count <= SchedulerLimits.tokenNameBytesMax else {
                throw .invalid("a revocation of nothing")
            }
            if text.hasPrefix("t:") {
                self = .token(name)
            } else if text.hasPrefix("h:") {
                self = .holder(name)
            } else if text.hasPrefix("i:") {
                self = .issuer(name)
            } else {
                throw .invalid("a revocation of something unknown")
            }
        }

        public static func < (left: Subject, right: Subject) -> Bool { left.text < right.text }
    }

    public var subject: Subject
    /// Who did it, as people know him.
    public var by: String
    /// Nanoseconds since the Unix epoch.
    public var at: Int64
    /// Only what was issued before this time, in seconds since the Unix epoch; nil for everything.
    public var issuedBefore: Int64?

    public init(_ subject: Subject, by: String, at: Int64 = 0, issuedBefore: Int64? = nil) {
        self.subject = subject
        self.by = by
        self.at = at
        self.issuedBefore = issuedBefore
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        subject = try Subject(text: map.require(1))
        by = try map.require(2)
        at = try map.require(3)
        issuedBefore = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, subject.text)
        map.set(2, by)
        map.set(3, at)
        map.set(4, issuedBefore)
        return .map(map)
    }
}
