import Codec

/// The version of this program.
public enum Version {
    public static let text = "0.1.0"

    /// `0.1.0+1f3a9c0b`: which of the programs of a version it is, by its digest.
    public static func of(_ program: Digest) -> String {
        "\(text)+\(program.hex.prefix(8))"
    }
}
