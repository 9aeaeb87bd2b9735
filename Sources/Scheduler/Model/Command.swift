import Codec
import Tokens

/// What can be asked of the state of a mesh.
public enum Command: Hashable, Sendable, CBORCodable {
    /// The first entry of every mesh. `meshKey` is its public key.
    case found(meshName: String, meshKeyID: String, meshKey: Bytes, node: NodeRecord)
    /// A node whose key proved itself; its number is given here. With an invitation, one of its uses is spent.
    case admit(NodeRecord, invitation: InvitationUse?)
    /// A node without an invitation waits to be approved.
    case knock(Knock)
    /// The waiting node of this name or short id is admitted.
    case approve(String)
    /// What a node says about itself when its daemon starts.
    case updateNode(NodeID, addresses: [String], capacity: Capacity, version: String)
    /// The lease of a node ran out, and the margin after it.
    case nodeLost(NodeID)
    case nodeReturned(NodeID)
    /// It left or was revoked.
    case removeNode(NodeID)
    case submit(JobSpec)
    /// Each is void where the state has moved on since it was decided.
    case place([Placement])
    /// Reports about attempts that were superseded are ignored and counted.
    case report(NodeID, [AttemptReport])
    case cancel(JobID, by: String)
    /// A checkpoint that has a verified copy away from its maker.
    case checkpoint(AttemptKey, Checkpoint)
    /// One more node holds that checkpoint.
    case holders(job: JobID, task: UInt32, checkpoint: UInt64, added: NodeID)
    case results(AttemptKey, ResultFiles)
    /// One more node holds that working tree.
    case treeHeld(tree: Digest, by: NodeID)
    /// Time passes: what is too old is forgotten.
    case tick
    /// Gives a setting of the mesh a value, or with nil takes it away.
    case configure(key: String, value: String?, by: String)
    /// A node wants no seat among the voters, or wants one again.
    case standDown(NodeID, Bool)
    /// The mesh goes on from what one node had. What was acknowledged elsewhere may be lost, so numbers that it may have
    /// given are not given again. So may what was withdrawn or spent: tokens and invitations of a token epoch before
    /// `tokenEpoch` are void, and issuers that are no members have to be added again. nil: they stay, as they did below
    /// level 8.
    case recovered(epoch: UInt64, tokenEpoch: UInt64? = nil)
    /// Which levels of the protocol a node speaks.
    case levels(NodeID, ProtocolLevels)
    /// From here on entries may mean what this level of the protocol says.
    case raiseLevel(UInt64)
    /// A node takes no new work, or with nil takes work again.
    case drain(NodeID, DrainOrder?)
    /// A node is put out of the mesh at once, and its key never admitted again.
    case revoke(NodeID, by: String)
    /// A job stands still, by whose wish, or with nil goes on.
    case pause(JobID, by: String?)
    /// Labels of a node get other values or come to it, and those of these names go.
    case label(NodeID, set: [Label], removed: [String])
    /// A rank of a gang could begin; of rank 0 with where the others meet it.
    case rankReady(AttemptKey, MeetingPoint?)
    /// A token was made here: its name is known before its first use.
    case issueToken(TokenRecord)
    case revokeToken(TokenRevocation)
    /// A key outside the members may issue tokens.
    case addIssuer(IssuerRecord)
    /// All tokens that there are, are believed no more.
    case raiseTokenEpoch(by: String)
    /// The daemon of a node will be away, and what the node runs goes on.
    case absent(NodeID, Absence)
    /// The absence with this id is over: no supervisor of the node has a lease from it any more.
    case back(NodeID, absence: UInt64)
    /// A rank of a gang cannot stay where it is: all of its ranks are to end in their time, so that they move together.
    case moveGang(AttemptKey)
    /// What a daemon has refused since it last said so. No part of what is refused is in the log by itself.
    case refusals(NodeID, [RefusalCount])
    /// The end of a node's own log of whom it turned away: what was written before it cannot be altered any more without
    /// showing.
    case anchored(NodeID, LineChain)
    /// An invitation is about to be handed out.
    case invitationMade(InvitationMade)
    /// A node has another key from here on.
    case rotateKey(KeyRotation)
    /// A key outside the members that may issue tokens, by its id, has another one in its place, with its name and bounds.
    case rotateIssuer(String, IssuerRecord)
    /// Another key certifies the hosts of the mesh from here on.
    case rotateMeshKey(MeshKeyRotation)
    /// Of a version newer than ours; it is refused when applied. Kept as it came.
    case unrecognised(CBOR)

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0:
            self = .found(
                meshName: try map.require(1), meshKeyID: try map.require(2), meshKey: try map.require(3),
                node: try map.require(4))
        case 1: self = .admit(try map.require(1), invitation: try map.optional(2))
        case 2: self = .knock(try map.require(1))
        case 3: self = .approve(try map.require(1))
        case 4:
            self = .updateNode(
                try map.require(1), addresses: try map.require(2), capacity: try map.require(3),
                version: try map.require(4))
        case 5: self = .nodeLost(try map.require(1))
        case 6: self = .nodeReturned(try map.require(1))
        case 7: self = .removeNode(try map.require(1))
        case 8: self = .submit(try map.require(1))
        case 9: self = .place(try map.require(1))
        case 10: self = .report(try map.require(1), try map.require(2))
        case 11: self = .cancel(try map.require(1), by: try map.require(2))
        case 12: self = .checkpoint(try map.require(1), try map.require(2))
        case 13:
            self = .holders(
                job: try map.require(1), task: try map.require(2), checkpoint: try map.require(3),
                added: try map.require(4))
        case 14: self = .results(try map.require(1), try map.require(2))
        case 15: self = .treeHeld(tree: try map.require(1), by: try map.require(2))
        case 16: self = .tick
        case 17: self = .configure(key: try map.require(1), value: try map.optional(2), by: try map.require(3))
        case 18: self = .standDown(try map.require(1), try map.require(2))
        case 19: self = .recovered(epoch: try map.require(1), tokenEpoch: try map.optional(2))
        case 20: self = .levels(try map.require(1), try map.require(2))
        case 21: self = .raiseLevel(try map.require(1))
        case 22: self = .drain(try map.require(1), try map.optional(2))
        case 23: self = .revoke(try map.require(1), by: try map.require(2))
        case 30: self = .pause(try map.require(1), by: try map.optional(2))
        case 24: self = .label(try map.require(1), set: try map.require(2), removed: try map.require(3))
        case 26: self = .rankReady(try map.require(1), try map.optional(2))
        case 31: self = .issueToken(try map.require(1))
        case 32: self = .revokeToken(try map.require(1))
        case 33: self = .addIssuer(try map.require(1))
        case 34: self = .raiseTokenEpoch(by: try map.require(1))
        case 50: self = .absent(try map.require(1), try map.require(2))
        case 51: self = .back(try map.require(1), absence: try map.require(2))
        case 52: self = .moveGang(try map.require(1))
        case 60: self = .refusals(try map.require(1), try map.require(2))
        case 61: self = .invitationMade(try map.require(1))
        case 62: self = .anchored(try map.require(1), try map.require(2))
        case 70: self = .rotateKey(try map.require(1))
        case 71: self = .rotateIssuer(try map.require(1), try map.require(2))
        case 72: self = .rotateMeshKey(try map.require(1))
        default: self = .unrecognised(cbor)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .found(let meshName, let meshKeyID, let meshKey, let node):
            return .kind(0) {
                $0.set(1, meshName)
                $0.set(2, meshKeyID)
                $0.set(3, meshKey)
                $0.set(4, node)
            }
        case .admit(let node, let invitation): return Command.pair(1, node, invitation)
        case .knock(let knock): return .kind(2) { $0.set(1, knock) }
        case .approve(let who): return .kind(3) { $0.set(1, who) }
        case .updateNode(let node, let addresses, let capacity, let version):
            return .kind(4) {
                $0.set(1, node)
                $0.set(2, addresses)
                $0.set(3, capacity)
                $0.set(4, version)
            }
        case .nodeLost(let node): return .kind(5) { $0.set(1, node) }
        case .nodeReturned(let node): return .kind(6) { $0.set(1, node) }
        case .removeNode(let node): return .kind(7) { $0.set(1, node) }
        case .submit(let spec): return .kind(8) { $0.set(1, spec) }
        case .place(let placements): return .kind(9) { $0.set(1, placements) }
        case .report(let node, let reports): return Command.pair(10, node, reports)
        case .cancel(let job, let person): return Command.pair(11, job, person)
        case .checkpoint(let attempt, let checkpoint): return Command.pair(12, attempt, checkpoint)
        case .holders(let job, let task, let checkpoint, let added):
            return .kind(13) {
                $0.set(1, job)
                $0.set(2, task)
                $0.set(3, checkpoint)
                $0.set(4, added)
            }
        case .results(let attempt, let files): return Command.pair(14, attempt, files)
        case .treeHeld(let tree, let holder): return Command.pair(15, tree, holder)
        case .tick: return .kind(16)
        case .configure(let key, let value, let person):
            return .kind(17) {
                $0.set(1, key)
                $0.set(2, value)
                $0.set(3, person)
            }
        case .standDown(let node, let isDown): return Command.pair(18, node, isDown)
        case .recovered(let epoch, let tokenEpoch):
            return .kind(19) {
                $0.set(1, epoch)
                $0.set(2, tokenEpoch)
            }
        case .levels(let node, let levels): return Command.pair(20, node, levels)
        case .raiseLevel(let level): return .kind(21) { $0.set(1, level) }
        case .drain(let node, let order): return Command.pair(22, node, order)
        case .revoke(let node, let person): return Command.pair(23, node, person)
        case .pause(let job, let person): return Command.pair(30, job, person)
        case .label(let node, let labels, let names):
            return .kind(24) {
                $0.set(1, node)
                $0.set(2, labels)
                $0.set(3, names)
            }
        case .rankReady(let attempt, let meeting): return Command.pair(26, attempt, meeting)
        case .issueToken(let token): return .kind(31) { $0.set(1, token) }
        case .revokeToken(let revocation): return .kind(32) { $0.set(1, revocation) }
        case .addIssuer(let issuer): return .kind(33) { $0.set(1, issuer) }
        case .raiseTokenEpoch(let person): return .kind(34) { $0.set(1, person) }
        case .absent(let node, let absence): return Command.pair(50, node, absence)
        case .back(let node, let absence): return Command.pair(51, node, absence)
        case .moveGang(let attempt): return .kind(52) { $0.set(1, attempt) }
        case .refusals(let node, let counts): return Command.pair(60, node, counts)
        case .invitationMade(let invitation): return .kind(61) { $0.set(1, invitation) }
        case .anchored(let node, let chain): return Command.pair(62, node, chain)
        case .rotateKey(let rotation): return .kind(70) { $0.set(1, rotation) }
        case .rotateIssuer(let old, let issuer): return Command.pair(71, old, issuer)
        case .rotateMeshKey(let rotation): return .kind(72) { $0.set(1, rotation) }
        case .unrecognised(let cbor): return cbor
        }
    }

    private static func pair<First: CBORCodable, Second: CBORCodable>(
        _ kind: UInt64, _ first: First, _ second: Second?
    ) -> CBOR {
        .kind(kind) {
            $0.set(1, first)
            $0.set(2, second)
        }
    }
}
