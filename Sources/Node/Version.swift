import Codec
import Tokens

/// The version of this program.
public enum Version {
    public static let text = "0.1.0"

    static var program: ProgramVersion {
        guard let version = ProgramVersion(text) else { preconditionFailure("\(text) is no version") }
        return version
    }

    /// `0.1.0+1f3a9c0b`: which of the programs of a version it is, by its digest.
    public static func of(_ program: Digest) -> String {
        "\(text)+\(program.hex.prefix(8))"
    }
}
