import Codec
import Ring

// Whether this host knows what time it is.
extension MeshNode {
    /// How far its wall clock is ahead of the middle of the voters', in nanoseconds; nil where nobody can tell.
    var clockAhead: Int64? { driver.core.clockAhead(of: EventLoops.wallClock.nanoseconds, at: loop.now) }

    /// How many seconds ahead it is, where that is too much to issue or verify anything.
    var clockUnfit: Int64? {
        guard let ahead = clockAhead, abs(ahead) > NodeConstants.clockFitness.nanoseconds else { return nil }
        return ahead / 1_000_000_000
    }

    /// - Throws: `NodeError.clockOff`.
    func requireClock() throws {
        if let seconds = clockUnfit { throw NodeError.clockOff(node: membership.nodeName, seconds: seconds) }
    }

    /// `3600 s behind`.
    static func clockText(_ seconds: Int64) -> String {
        "\(seconds.magnitude) s \(seconds < 0 ? "behind" : "ahead of")"
    }

    /// What is said of it where this host is described; nil while it is fit.
    var clockWarning: String? {
        clockUnfit.map { "its clock is \(MeshNode.clockText($0)) the mesh: it issues and verifies no tokens" }
    }
}
