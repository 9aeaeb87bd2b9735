import Codec
import Node
import Scheduler

/// What happens to a job, in sentences.
enum FollowText {
    /// `attempt 2 on owl, GPU 0 (RTX 4090 24 GiB), resumes from checkpoint 3; 4.2 s since the loss`.
    static func placed(_ attempt: AttemptPlaced) -> String {
        var text = "attempt \(attempt.number) on \(attempt.nodes.isEmpty ? attempt.node : list(attempt.nodes))"
        if attempt.tasksPerNode > 1 {
            text += attempt.nodes.count > 1 ? ", \(attempt.tasksPerNode) ranks each" : ", \(attempt.tasksPerNode) ranks"
        }
        if !attempt.gpus.isEmpty { text += ", " + attempt.gpus.joined(separator: ", ") }
        if let checkpoint = attempt.resumesFrom { text += ", resumes from checkpoint \(checkpoint)" }
        if let milliseconds = attempt.millisecondsSinceLoss { text += "; \(phrase(milliseconds)) since the loss" }
        return text
    }

    /// `; the token has 0 jobs left`, for a token that has a number of them.
    static func left(_ jobs: UInt64?) -> String {
        jobs.map { "; the token has \($0) \($0 == 1 ? "job" : "jobs") left" } ?? ""
    }

    /// `setup on lynx took 38 s (kept: the next run with the same setup and lock file starts at once)`.
    static func setUp(_ node: String, _ setup: AttemptSetup) -> String {
        // A guest is not told which host it is.
        let place = node.isEmpty ? "setup" : "setup on \(node)"
        return switch setup.use {
        case .ran:
            "\(place) took \(phrase(setup.milliseconds))" + (setup.reason.map { " (not kept: \($0))" } ?? "")
        case .kept:
            "\(place) took \(phrase(setup.milliseconds)) "
                + "(kept: the next run with the same setup and lock file starts at once)"
        case .reused:
            "\(place) is kept" + (setup.from.map { " from job \($0)" } ?? "")
                + ", there in \(phrase(setup.milliseconds))"
        }
    }

    /// `lynx has not answered for 3.1 s; placing attempt 2`.
    static func lost(_ loss: HostLost) -> String {
        if loss.isDrained, let next = loss.nextAttempt { return "\(loss.node) is drained; placing attempt \(next)" }
        let silence = "\(loss.node) has not answered for \(phrase(loss.silentMilliseconds))"
        guard let next = loss.nextAttempt else { return "\(silence); it is not run again (--retry never)" }
        return "\(silence); placing attempt \(next)"
    }

    /// `rank 1 on lynx: exit 1; the other ranks are ended; placing attempt 2`.
    static func ended(_ end: RankEnded) -> String {
        "rank \(end.rank) on \(end.node): \(end.outcome); the other ranks are ended"
            + (end.nextAttempt.map { "; placing attempt \($0)" } ?? "")
    }

    /// `checkpoint 3 (412 MiB) safe on owl and newt`.
    static func checkpoint(_ checkpoint: CheckpointSafe) -> String {
        let size = ByteSize.text(checkpoint.bytes)
        return "checkpoint \(checkpoint.number) (\(size)) safe on \(list(checkpoint.holders))"
    }

    /// `a`, `a and b`, `a, b and c`.
    static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "-" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }

    private static func phrase(_ milliseconds: UInt64) -> String {
        TimeSpan.phrase(Interval(nanoseconds: Int64(clamping: milliseconds) * 1_000_000))
    }
}
