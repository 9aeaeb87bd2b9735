import Codec
import GPUBackend
import Glibc
import Scheduler

/// The place of one rank in its gang, as its process is told.
struct GangSeat: Sendable {
    let gang: GangSpec
    let rank: UInt32
    let meeting: MeetingPoint
    /// Over which the other nodes of the gang are reached; nil where no interface has that address.
    let interface: String?
    /// The devices of all its ranks on this node, in their order.
    let gpus: [GPU]

    /// Whether a rank may see the devices of the others on its node: it finds its own by its local rank, as programs do
    /// that are used to `torchrun`.
    var seesAllDevices: Bool { gang.tasksPerNode > 1 && gpus.count == Int(gang.tasksPerNode) }

    /// The variables of `torch.distributed` (env://) and, as `PET_...`, those that plain `torchrun` reads: for it every
    /// rank is an agent of its own, which starts as many workers as the rank has devices.
    func environment(of key: AttemptKey, ownGPUs: Int, hostFile: String) -> [(String, String)] {
        let address = meeting.address
        let port = "\(meeting.port)"
        let isIPv6 = address.utf8.contains(UInt8(ascii: ":"))
        return [
            ("MASTER_ADDR", address), ("MASTER_PORT", port), ("RANK", "\(rank)"), ("WORLD_SIZE", "\(gang.ranks)"),
            ("LOCAL_RANK", "\(gang.localRank(of: rank))"), ("LOCAL_WORLD_SIZE", "\(gang.tasksPerNode)"),
            ("NODE_RANK", "\(gang.nodeRank(of: rank))"),
            ("PET_NNODES", "\(gang.ranks)"), ("PET_NODE_RANK", "\(rank)"), ("PET_NPROC_PER_NODE", "\(max(1, ownGPUs))"),
            ("PET_MASTER_ADDR", address), ("PET_MASTER_PORT", port), ("PET_RDZV_BACKEND", "static"),
            ("PET_RDZV_ENDPOINT", isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)"),
            ("PET_RDZV_ID", "swarmlet-\(key.job)-\(key.attempt)"),
            ("SWARMLET_NODES", "\(gang.nodes)"), ("SWARMLET_HOSTFILE", hostFile),
        ]
    }

    /// What the user may know better.
    var defaults: [(String, String)] {
        guard let interface else { return [] }
        // With "=" NCCL takes the name for the whole name; without it eth1 would be eth10, too.
        return [("GLOO_SOCKET_IFNAME", interface), ("NCCL_SOCKET_IFNAME", "=\(interface)")]
    }

    /// In the working directory of each rank: one node of the gang a line, as `mpirun` reads it.
    static let hostFileName = ".swarmlet-hostfile"

    static func hostFile(_ hosts: [String], _ gang: GangSpec) -> [UInt8] {
        Array(hosts.map { "\($0) slots=\(gang.tasksPerNode)\n" }.joined().utf8)
    }
}
