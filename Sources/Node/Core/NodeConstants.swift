import Codec
import Tokens

/// The times of a node's part in a mesh (docs/architecture.md, "Never twice at once").
public enum NodeConstants {
    /// From this level of the mesh's protocol on members sign what they gossip.
    public static let signedGossipLevel: UInt64 = 2
    /// How long a node may run its attempts after it *sent* the renewal that the leader answered.
    public static let lease = Interval.seconds(3)
    /// What the leader adds before it replaces: the drift of two boot-time clocks over a lease, and the time a
    /// supervisor needs to see its deadline.
    public static let leaseMargin = Interval.milliseconds(500)
    /// Six renewals fit into a lease, so that a lost one costs nothing.
    public static let leaseRenewal = Interval.milliseconds(500)
    /// Where none has been granted for so long, they follow each other faster.
    public static let leaseDoubt = Interval.milliseconds(1_200)
    /// A node whose lease ran out so long ago lacks more than a renewal: it may hear grants, by datagram, and not the log
    /// that they wait for. From then on it renews only by the way that the log takes, so that it is lost where that is cut.
    public static let leaseByDatagramAfterEnd = Interval.seconds(2)
    public static let leaseRenewalInDoubt = Interval.milliseconds(200)
    /// What the leader adds before it gives up a node that was to be away for so long: clocks may drift apart by a fortieth
    /// of that, which is far more than they do.
    static func absenceMargin(_ absence: Interval) -> Interval {
        leaseMargin + Interval(nanoseconds: absence.nanoseconds / 40)
    }
    /// An attempt starts only under a lease that still lasts this long.
    public static let leaseToStart = Interval.milliseconds(500)
    /// How long a proposal waits for its answer before it is sent again, to whoever leads then.
    public static let proposalRetry = Interval.milliseconds(500)
    /// How many proposals of this node may wait for an answer.
    public static let proposalsPending = 10_000
    /// How many entries of this node go to the leader in one message.
    public static let proposalsPerMessage = 256
    /// How many reads of this node may wait for their index.
    public static let readsPending = 10_000
    /// How long a read waits for its index before it is asked for again.
    public static let readRetry = Interval.milliseconds(200)
    /// How many attempts one placement entry may hold: keeps a turn of the control ring short.
    public static let placementsPerEntry = 256
    /// How much work of one array may lie ahead on a node, behind each of its attempts there.
    public static let ahead = Interval.milliseconds(50)
    /// A task that lies ahead and does not get its turn for so long is given back.
    public static let aheadPatience = Interval.milliseconds(250)
    /// How long reports are gathered while tasks follow each other by themselves.
    public static let reportPause = Interval.milliseconds(10)
    /// How many reports one entry may hold.
    public static let reportsPerEntry = 256
    /// How many bytes of entries one turn applies, and at least one entry: about 250 placements or reports.
    public static let bytesAppliedPerTurn = 16 << 10
    /// How long the leader waits after a long search for room found none.
    public static let placementPause = Interval.milliseconds(20)
    /// How often time passes in the state where nothing else happens.
    public static let tick = Interval.seconds(600)
    /// A snapshot is taken when this many entries have been applied since the last.
    public static let entriesPerSnapshot: UInt64 = 20_000
    /// How often the leader looks whether other nodes should vote, where nothing tells it to.
    public static let voterLook = Interval.milliseconds(500)
    /// A member that has been silent for so long gets no seat, and counts for no majority of new voters.
    public static let voterSilence = Interval.seconds(2)
    /// A leader whose wall clock is further than this from the middle of the voters' hands over (docs/raft.md).
    public static let clockTolerance = Interval.seconds(10)
    /// A node whose wall clock is further than this from it issues and verifies nothing: what tokens tolerate.
    public static let clockFitness = Interval.seconds(TokenTime.toleranceSeconds)
    /// For so long what the leader said of this node's clock counts.
    public static let clockMemory = Interval.seconds(15)
    /// A clock that differs by more from what it should show was set.
    public static let clockStep = Interval.seconds(1)
    /// For so long it must have been so: a clock that is being set may jump twice.
    public static let clockPatience = Interval.seconds(5)
    /// How often a leader compares its clock.
    public static let clockLook = Interval.seconds(1)
}
