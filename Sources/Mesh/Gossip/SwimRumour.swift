import Codec

/// What one member passes on about another, or says about itself.
public enum SwimRumour: Hashable, Sendable {
    /// How a member is: who says so, and who else says just that of it in this version.
    case state(SwimWord, also: [SwimWord])
    case facts(SwimFacts)

    public static func state(_ word: SwimWord) -> SwimRumour { .state(word, also: []) }

    public var subject: NodeID {
        switch self {
        case .state(let word, _): word.subject
        case .facts(let facts): facts.subject
        }
    }

    /// Whether others can check it.
    public var isSigned: Bool {
        switch self {
        case .state(let word, _): word.isSigned
        case .facts(let facts): facts.isSigned
        }
    }

    /// No rumour is shorter.
    static let byteCountMin = 16

    /// Its encoded bytes.
    var byteCount: Int {
        switch self {
        case .state(let word, let also):
            let start = 2 + CBORSize.head(word.subject.rawValue) + word.version.byteCount + 2
            if !word.isSigned { return start + 9 * (1 + also.count) }
            return also.reduce(start + Self.authorByteCount(word)) { $0 + Self.authorByteCount($1) }
        case .facts(let facts):
            return 2 + CBORSize.head(facts.subject.rawValue) + facts.version.byteCount
                + CBORSize.bytes(facts.bytes.count) + (facts.isSigned ? CBORSize.bytes(facts.signature.count) : 3)
        }
    }

    private static func authorByteCount(_ word: SwimWord) -> Int {
        1 + CBORSize.head(word.author.rawValue) + CBORSize.bytes(word.signature.count)
    }
}

extension SwimRumour {
    /// Those that others can check, as the bytes of a file.
    public static func saved(_ rumours: [SwimRumour]) -> [UInt8] {
        CBOR.array(rumours.filter(\.isSigned).map(\.cbor)).encoded()
    }

    /// Throws: `CodecError` where these are not the bytes that `saved` makes.
    public static func recalled(_ bytes: [UInt8]) throws(CodecError) -> [SwimRumour] {
        var rumours: [SwimRumour] = []
        for field in try CBOR.decode(bytes).requireArray() { rumours.append(try SwimRumour(cbor: field)) }
        return rumours
    }
}

// Signed: [0, subject, version, state, [[author, signature], ...]] and [1, subject, version, facts, signature].
extension SwimRumour {
    var cbor: CBOR {
        switch self {
        case .state(let word, let also):
            let authors = ([word] + also).map { CBOR.array([$0.author.cbor, .bytes($0.signature)]) }
            return .array([
                .unsigned(0), word.subject.cbor, word.version.cbor, word.state.rawValue.cbor, .array(authors),
            ])
        case .facts(let facts):
            return .array([
                .unsigned(1), facts.subject.cbor, facts.version.cbor, .bytes(facts.bytes), .bytes(facts.signature),
            ])
        }
    }

    init(cbor: CBOR) throws(CodecError) {
        let fields = try cbor.requireArray()
        guard fields.count == 5 else { throw .invalid("a rumour that is cut off") }
        let subject = try NodeID(cbor: fields[1])
        let version = try SwimVersion(cbor: fields[2])
        switch try UInt64(cbor: fields[0]) {
        case 0:
            let state = try MemberState(cbor: fields[3])
            var words: [SwimWord] = []
            for field in try fields[4].requireArray() {
                let pair = try field.requireArray()
                guard pair.count == 2, words.count < SwimConstants.accusersMax else {
                    throw .invalid("too many authors")
                }
                words.append(
                    SwimWord(
                        author: try NodeID(cbor: pair[0]), subject: subject, version: version, state: state,
                        signature: try Self.signature(pair[1])))
            }
            guard let first = words.first else { throw .invalid("a word that nobody said") }
            self = .state(first, also: Array(words.dropFirst()))
        case 1:
            let bytes = try fields[3].requireBytes()
            guard bytes.count <= SwimConstants.factBytesMax else { throw .invalid("facts that are too long") }
            self = .facts(
                SwimFacts(subject: subject, version: version, bytes: bytes, signature: try Self.signature(fields[4])))
        case let kind: throw .invalid("rumour of kind \(kind), which is not known here")
        }
    }

    private static func signature(_ cbor: CBOR) throws(CodecError) -> [UInt8] {
        let signature = try cbor.requireBytes()
        guard (1...SwimConstants.signatureBytesMax).contains(signature.count) else {
            throw .invalid("a signature of \(signature.count) bytes")
        }
        return signature
    }
}

// Unsigned, as programs speak it that know no signatures (level 1): [subject, version, state, accusers, facts or null].
extension SwimRumour {
    var unsignedCBOR: CBOR {
        switch self {
        case .state(let word, let also):
            let accusers =
                word.state == .suspect ? ([word] + also).map(\.author).filter { $0 != word.subject } : []
            return .array([
                word.subject.cbor, word.version.cbor, word.state.rawValue.cbor, accusers.cbor, .null,
            ])
        case .facts(let facts):
            return .array([
                facts.subject.cbor, facts.version.cbor, MemberState.alive.rawValue.cbor, .array([]),
                .bytes(facts.bytes),
            ])
        }
    }

    /// One, or two where there are facts.
    static func unsigned(_ cbor: CBOR) throws(CodecError) -> [SwimRumour] {
        let fields = try cbor.requireArray()
        guard fields.count == 5 else { throw .invalid("a rumour that is cut off") }
        let subject = try NodeID(cbor: fields[0])
        let version = try SwimVersion(cbor: fields[1])
        let state = try MemberState(cbor: fields[2])
        let accusers = try [NodeID](cbor: fields[3])
        guard accusers.count <= SwimConstants.accusersMax else { throw .invalid("too many accusers") }
        // An accusation without a name is that of nobody in particular: the subject's own number.
        let words = (accusers.isEmpty ? [subject] : accusers).map {
            SwimWord(author: $0, subject: subject, version: version, state: state, signature: [])
        }
        let rumour = SwimRumour.state(words[0], also: Array(words.dropFirst()))
        if case .null = fields[4] { return [rumour] }
        let bytes = try fields[4].requireBytes()
        guard bytes.count <= SwimConstants.factBytesMax else { throw .invalid("facts that are too long") }
        return [rumour, .facts(SwimFacts(subject: subject, version: version, bytes: bytes, signature: []))]
    }
}

extension MemberState {
    init(cbor: CBOR) throws(CodecError) {
        guard let state = MemberState(rawValue: try UInt8(cbor: cbor)) else {
            throw .invalid("a member's state that is not known here")
        }
        self = state
    }
}
