import Codec

/// Decides, from listings of a checkpoint directory over time, when a complete new checkpoint lies there.
///
/// Pure: it sees listings and the time, and never the files. A set is complete when every file that counts, and every
/// temporary file beside them, stays the same for `settle`: what is being written or about to be renamed changes. It is new
/// when any of its files differs from the set taken last. It never takes the same set twice and never an empty one.
public struct CheckpointWatcher: Sendable {
    /// How long a listing must stay the same. Looks should come at least this often.
    public static let settle = Interval.milliseconds(100)

    /// A file that changed by nothing but growing, look after look.
    private struct Growth {
        var since: Instant
        var last: Instant
    }

    private let rules: CheckpointRules
    /// By path, as the last look saw them.
    private var earlier: [String: FileFacts] = [:]
    private var growing: [String: Growth] = [:]
    /// What was watched in the last look, and since when it is so.
    private var resting: (files: [FileFacts], since: Instant)?
    private var taken: CheckpointSet?
    private var takenAt: Instant?

    /// `taken`: the set that an attempt began from, so that it is not taken again.
    public init(rules: CheckpointRules, taken: CheckpointSet? = nil) {
        self.rules = rules
        self.taken = taken
    }

    /// A set as it lies in a directory now, for `init`.
    public static func set(of listing: [FileFacts], rules: CheckpointRules) -> CheckpointSet {
        CheckpointSet(listing.filter { rules.counts($0.path) })
    }

    /// Looks at a listing; returns a checkpoint when one is complete and due.
    public mutating func look(_ listing: [FileFacts], at now: Instant) -> CheckpointSet? {
        let relevant = listing.filter { rules.counts($0.path) || CheckpointRules.isTemporary($0.path) }
        noteGrowth(in: relevant, at: now)
        let watched = relevant.filter { !isLeftOut($0.path, at: now) }.sorted { $0.path < $1.path }
        if resting?.files != watched { resting = (watched, now) }
        let set = CheckpointSet(watched.filter { rules.counts($0.path) })
        guard !set.files.isEmpty, set != taken, let resting, now - resting.since >= Self.settle else { return nil }
        if let takenAt, now - takenAt < rules.every { return nil }
        taken = set
        takenAt = now
        return set
    }

    /// Looks a last time, when the job has ended by itself: nothing is being written any more, and the next attempt goes on
    /// from what lies there, however soon after the last set.
    public mutating func lookLast(_ listing: [FileFacts]) -> CheckpointSet? {
        let set = CheckpointSet(listing.filter { rules.counts($0.path) }.sorted { $0.path < $1.path })
        guard !set.files.isEmpty, set != taken else { return nil }
        taken = set
        return set
    }

    /// The set could not be read whole (a file changed or went): it was no checkpoint, and it may be taken again.
    public mutating func retract(_ set: CheckpointSet) {
        guard taken == set else { return }
        taken = nil
        takenAt = nil
    }

    private mutating func noteGrowth(in files: [FileFacts], at now: Instant) {
        var latest: [String: FileFacts] = [:]
        for file in files {
            latest[file.path] = file
            guard let before = earlier[file.path], before != file else { continue }
            let grew = before.inode == file.inode && file.size > before.size
            if grew, !rules.isNamed(file.path), !CheckpointRules.isTemporary(file.path) {
                growing[file.path] = Growth(since: growing[file.path]?.since ?? now, last: now)
            } else {
                growing[file.path] = nil
            }
        }
        earlier = latest
        growing = growing.filter { now - $0.value.last < Self.settle }
    }

    private func isLeftOut(_ path: String, at now: Instant) -> Bool {
        guard let growth = growing[path] else { return false }
        return now - growth.since >= rules.patience
    }
}
