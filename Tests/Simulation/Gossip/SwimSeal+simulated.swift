import Codec
import Mesh

extension SwimSeal {
    /// Signatures that cost nothing: a hash that only the simulation can make for an author, over everything stated.
    public static func simulated(_ id: NodeID) -> SwimSeal {
        SwimSeal(
            sign: { signature($0) },
            verify: { signature, statement, _ in isGenuine(signature, statement) })
    }

    static func isGenuine(_ signature: [UInt8], _ statement: SwimStatement) -> Bool {
        signature.count == 64 && signature.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } == value(statement)
    }

    static func signature(_ statement: SwimStatement) -> [UInt8] {
        // As long as a real one.
        withUnsafeBytes(of: value(statement)) { bytes in (0..<8).flatMap { _ in bytes } }
    }

    private static func value(_ statement: SwimStatement) -> UInt64 {
        var digest = TraceDigest()
        digest.add(statement.author.rawValue &* 0x9E37_79B9)
        digest.add(statement.subject.rawValue)
        digest.add(statement.version.generation)
        digest.add(UInt64(statement.version.renewal) << 32 | UInt64(statement.version.incarnation))
        switch statement.content {
        case .state(let state): digest.add(UInt64(state.rawValue))
        case .facts(let facts): for byte in facts { digest.add(UInt64(byte) + 256) }
        }
        return digest.value
    }
}
