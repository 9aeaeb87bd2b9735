import Codec

/// How far a job is kept apart from the host that it runs on; each holds everything that the one before it does.
public enum SandboxProfile: UInt8, Comparable, CaseIterable, Sendable, CBORCodable {
    /// A process group of its own and limits: the host's files are as open to it as to any program of its user.
    case none = 0
    /// Host root read-only, its own `/tmp` and `/dev`, nothing of the daemon or of other jobs to be seen.
    case standard = 1
    /// A root of its own with the host's programs in it, a user of its own, no network unless it was granted.
    case strict = 2

    /// As it is typed.
    public var name: String {
        switch self {
        case .none: "none"
        case .standard: "standard"
        case .strict: "strict"
        }
    }

    public init?(name: some StringProtocol) {
        guard let profile = SandboxProfile.allCases.first(where: { $0.name == name }) else { return nil }
        self = profile
    }

    public static func < (left: SandboxProfile, right: SandboxProfile) -> Bool { left.rawValue < right.rawValue }

    public init(cbor: CBOR) throws(CodecError) {
        let number = try UInt8(cbor: cbor)
        guard let profile = SandboxProfile(rawValue: number) else { throw .invalid("no sandbox profile \(number)") }
        self = profile
    }

    public var cbor: CBOR { rawValue.cbor }
}
