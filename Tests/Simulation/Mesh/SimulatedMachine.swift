import Codec
import Node
import Raft
import Scheduler

/// One host: a disk, a clock, supervisors and, while it is up, a daemon.
struct SimulatedMachine {
    /// 1 for the founder; stands for the host, whether or not it has a number in the mesh yet.
    let number: Int
    var id: NodeID?
    var disk = SimulatedDisk(RaftRestored())
    var clock: SimulatedClock
    var supervisors: SimulatedSupervisors
    var daemon: Daemon?
    /// Events of an earlier boot of the daemon are void.
    var boot: UInt64 = 0
    /// Events of an earlier boot of the host are void.
    var hostBoot: UInt64 = 0
    /// The host hears and says nothing until then, but its supervisors go on: a stalled daemon.
    var stalledUntil = Instant.zero
    /// Its owner wants it alone, which its daemon knows at once and tells the mesh when it can.
    var isClosed = false
    /// No entries of the log pass to or from this host.
    var isLogStalled = false
    /// What everything on its way to this host takes longer: a queue in a switch that is too long.
    var inboundDelay = Interval.zero
    /// What arrived while it was stalled.
    var backlog: [MeshEvent] = []

    /// What is lost when the daemon ends.
    struct Daemon {
        var core: NodeCore
        /// Attempts whose files are being fetched, ascending.
        var preparing: [AttemptKey] = []
        /// Those of them whose files are here and which wait for a lease.
        var ready: [AttemptKey] = []
        /// Ranks of gangs whose files are here and which wait for the others.
        var meeting: [AttemptKey] = []
        /// What the mesh was told of them.
        var readyRequests: [RequestID] = []
        /// Attempts that the core asked to stop, and why.
        var stops: [AttemptKey: AttemptStop] = [:]
        /// As the core said last.
        var lease = Instant(nanoseconds: .min)
        var heldBack: [JobID] = []
        /// It has asked the mesh to wait for it while it is away.
        var leave: Leave?
        /// When the core is woken next.
        var wakesAt = Instant.distantFuture
        /// How often it was woken in a row and wanted to be woken at once again.
        var restlessWakes = 0

        /// What it asked for.
        struct Leave {
            let request: RequestID
            let absence: Absence
            /// True time.
            let askedAt: Instant
        }
    }

    var isUp: Bool { daemon != nil }
}

/// What can happen in a simulated mesh.
enum MeshEvent {
    case deliver(from: Int, to: Int, NodeMessage)
    case wake(Int, boot: UInt64)
    case persisted(Int, boot: UInt64, token: UInt64)
    case snapshotTaken(Int, boot: UInt64, RaftSnapshotPlan, SchedulerState)
    case snapshotPiece(Int, boot: UInt64, RaftSnapshotPiece)
    case prepared(Int, boot: UInt64, AttemptKey)
    case kill(Int, hostBoot: UInt64, AttemptKey)
    case reported(Int, boot: UInt64, AttemptReport)
    case supervise(Int, hostBoot: UInt64)
    case unreachable(Int, boot: UInt64, peer: Int)
    case resume(Int)
    case restart(Int)
    case client(Int)
    case read
    case fault
    /// Of the cut with this number and of all before it.
    case heal(cut: Int)
    case flow(Int)
    case unclog(Int)
    case killed(Int)
    /// The owner of this host comes, or goes.
    case owner(Int, isThere: Bool)
    case announce(Int)
    /// The daemon of this host is to be away for a while, as for an upgrade; it goes.
    case goAway(Int, Interval)
    case gone(Int, boot: UInt64)
}
