import Codec

/// Whether one key is used by two processes at once, as of a data directory that was copied and started on another host.
///
/// Each start of a daemon has a random number, said in the handshakes of its sessions. Whoever is started again, moves,
/// or comes back from a copy leaves nothing of the process before: what began earlier is heard no more once the later one
/// is. Pure arithmetic: it reads no clock.
struct TwinWatch: Sendable {
    /// Two at once.
    struct Twins: Hashable, Sendable {
        /// Where they were heard, the one that began earlier first.
        var addresses: [String]
        /// When both were last known to be there.
        var at: Instant
    }

    private struct Life: Sendable {
        var boot: UInt64
        var address: String
        var first: Instant
        var last: Instant
    }

    private var lives: [Life] = []

    private static let livesMax = 4
    /// For so long the earlier one is heard beside the later one: longer than what lay unread while this process stood
    /// still could seem to be.
    static let overlap = Interval.seconds(3)
    /// What a program says that knows of no such number.
    static let unknown: UInt64 = 0

    /// Whether there is anything to compare.
    var hasSeveral: Bool { lives.count > 1 }

    /// A process with this number was heard at that time.
    mutating func heard(_ boot: UInt64, at address: String, _ time: Instant) {
        guard let index = lives.firstIndex(where: { $0.boot == boot }) else {
            if lives.count >= TwinWatch.livesMax,
                let oldest = lives.indices.min(by: { lives[$0].last < lives[$1].last })
            {
                lives.remove(at: oldest)
            }
            return lives.append(Life(boot: boot, address: address, first: time, last: time))
        }
        // Programs without a number look alike: one that comes back after another may be a third.
        if boot == TwinWatch.unknown, lives.contains(where: { $0.boot != boot && $0.first > lives[index].last }) {
            lives[index].first = max(lives[index].first, time)
        }
        lives[index].last = max(lives[index].last, time)
        lives[index].address = address
    }

    /// The newest pair of which the earlier was heard long after the later had begun; nil: none.
    var twins: Twins? {
        var newest: Twins?
        for older in lives {
            for younger in lives where younger.first > older.first && older.last - younger.first >= TwinWatch.overlap {
                let at = min(older.last, max(younger.last, younger.first))
                if newest.map({ at > $0.at }) ?? true {
                    newest = Twins(addresses: [older.address, younger.address], at: at)
                }
            }
        }
        return newest
    }
}
