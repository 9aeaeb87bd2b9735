import Ring
import Scheduler
import Tokens

/// Whether this program can do its work on this host: asked of a new one before it takes an old one's place.
public enum SelfTest {
    /// Its command.
    public static let word = "self-test"

    /// Throws what is in the way; the answer is what a daemon wants to know of its successor, in lines.
    public static func run() throws -> String {
        // Signs and verifies.
        try Sodium.start()
        let loop = try EventLoops.make()
        loop.post { loop.stop() }
        loop.run()
        let levels = ProtocolLevels.current
        return "swarmlet \(Version.text)\nlevels \(levels.lowest)-\(levels.highest)\n\(loop.backend.rawValue)\n"
    }
}
