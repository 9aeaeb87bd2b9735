import Codec
import Scheduler
import Testing
import Tokens

@testable import Node
@testable import Raft

@Suite("Who may put what before the mesh")
struct SenderTests {
    private let first = NodeID(1)
    private let voter = NodeID(2)
    private let worker = NodeID(3)
    private let client = NodeID(4)
    private let mesh: CoreMesh
    /// Started by the first node, and by the worker; the first task of each runs on the first node.
    private let jobs: [JobID] = [1, 2]

    init() throws {
        mesh = try CoreMesh()
        try mesh.admit()
        try mesh.admit(role: .worker)
        try mesh.admit(role: .client)
        for (number, job) in zip([1, 3], jobs) {
            mesh.propose(at: number, .submit(mesh.job()))
            try #require(mesh.run(seconds: 10) { self.mesh[1].state.job(job) != nil })
        }
        try #require(mesh.run(seconds: 60) { self.mesh[1].state.level == ProtocolLevels.current.highest })
    }

    private var state: SchedulerState { mesh[1].state }

    private func code(_ command: Command, from sender: NodeID, actor: String? = nil) -> String? {
        let entry = Entry(request: RequestID(high: 9, low: 9), time: 0, command: command, actor: actor)
        return state.refusal(of: entry, from: sender)?.code
    }

    private var capacity: Capacity { Capacity(cpuMillis: 1, memoryBytes: 1) }

    @Test("what follows from time and leases is said by nobody but the leader")
    func asIfItLed() {
        let commands: [Command] = [
            .found(meshName: "x", meshKeyID: "x", meshKey: Bytes([]), node: CoreMesh.record(9)), .nodeLost(first),
            .nodeReturned(first), .place([]), .tick, .recovered(epoch: 9), .recovered(epoch: 9, tokenEpoch: 9),
            .raiseLevel(9),
        ]
        for command in commands {
            for sender in [voter, worker, client] {
                #expect(code(command, from: sender) == "mesh.not_its_word", "\(command)")
            }
        }
    }

    @Test("a member speaks for itself, and for no other")
    func ownWord() {
        let commands: [(NodeID) -> Command] = [
            { .updateNode($0, addresses: [], capacity: self.capacity, version: "") }, { .levels($0, .current) },
            { .report($0, []) }, { .absent($0, Absence(id: 1, nanoseconds: 1)) }, { .back($0, absence: 1) },
            { .refusals($0, []) }, { .anchored($0, LineChain()) },
        ]
        for command in commands {
            for sender in [voter, worker, client] {
                #expect(code(command(sender), from: sender) == nil, "\(command(sender))")
                #expect(code(command(first), from: sender) == "mesh.not_its_word", "\(command(first))")
            }
        }
        var spec = mesh.job()
        spec.submitNode = voter
        #expect(code(.submit(spec), from: voter) == nil)
        #expect(code(.submit(spec), from: worker) == "mesh.not_its_word")
    }

    @Test("how an attempt gets on is said by the host that runs it")
    func ownAttempts() throws {
        let host = try #require(state.attempt(AttemptKey(job: 1, task: 0, attempt: 1))?.node)
        let other = host == voter ? worker : voter
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        let files = ResultFiles(tree: BLAKE3.hash([1]), bytes: 1, files: 1, holders: [host])
        let checkpoint = Checkpoint(number: 1, attempt: 1, tree: BLAKE3.hash([1]), bytes: 1, holders: [host])
        for command in [
            Command.checkpoint(key, checkpoint), .results(key, files), .rankReady(key, nil), .moveGang(key),
        ] {
            #expect(code(command, from: host) == nil)
            #expect(code(command, from: other) == "mesh.not_its_word", "\(command)")
        }
        mesh.propose(at: Int(host.rawValue), .checkpoint(key, checkpoint))
        try #require(mesh.run(seconds: 5) { state.task(key.taskKey)?.checkpoints.isEmpty == false })
        for sender in [first, voter, worker] {
            let held = Command.holders(job: 1, task: 0, checkpoint: 1, added: client)
            #expect(code(held, from: sender) == (sender == host ? nil : "mesh.not_its_word"))
            #expect(code(.holders(job: 1, task: 0, checkpoint: 1, added: sender), from: sender) == nil)
        }
        let unknown = AttemptKey(job: 77, task: 0, attempt: 1)
        #expect(code(.results(unknown, files), from: other) == nil, "that is for the state to refuse")
    }

    @Test("what administrators do is taken from hosts that may vote, and who asks elsewhere is told where")
    func administrators() {
        let label = Label(name: "rack", value: "a")
        let order = DrainOrder(kind: .drain, by: "ana")
        let issuer = IssuerRecord(id: "k4.pid.x", key: Bytes([1]), name: "x", lifetimeSeconds: 1, by: "ana")
        let commands: [Command] = [
            .revoke(first, by: "ana"), .removeNode(first), .drain(first, order), .standDown(first, true),
            .label(first, set: [label], removed: []), .admit(CoreMesh.record(9), invitation: nil), .approve("n9"),
            .configure(key: "autopilot.voters", value: "1", by: "ana"), .addIssuer(issuer), .raiseTokenEpoch(by: "ana"),
            .revokeToken(TokenRevocation(.holder("k4.pid.x"), by: "ana")), .cancel(1, by: "ana"), .pause(1, by: "ana"),
            .invitationMade(InvitationMade(jti: "x", uses: 1, expires: 1)),
        ]
        for command in commands {
            #expect(code(command, from: voter) == nil, "\(command)")
            for sender in [worker, client] { #expect(code(command, from: sender) == "auth.denied", "\(command)") }
        }
        let entry = Entry(request: RequestID(high: 9, low: 9), time: 0, command: .revoke(first, by: "ana"))
        let refusal = state.refusal(of: entry, from: client)
        #expect(refusal?.message == "denied: n4 joined as a client, and administrators act on hosts that may vote")
        #expect(refusal?.hint == "do it on n1 or n2")
        #expect(refusal.map { SchedulerError.exitCode(ofCode: $0.code) } == 4)
    }

    @Test(
        "hosts that may not vote drain and remove themselves, end what was submitted on them, and keep what users keep")
    func workersOwn() {
        #expect(code(.drain(worker, DrainOrder(kind: .drain, by: "ana")), from: worker) == nil)
        #expect(code(.removeNode(worker), from: worker) == nil)
        #expect(code(.standDown(worker, true), from: worker) == nil)
        #expect(code(.cancel(2, by: "ana"), from: worker) == nil)
        #expect(code(.pause(2, by: nil), from: worker) == nil)
        #expect(code(.configure(key: "user.note", value: "x", by: "ana"), from: client) == nil)
        #expect(code(.revokeToken(TokenRevocation(.token("x"), by: "ana")), from: worker) == nil)
    }

    @Test("a member says that it has issued only what its own key signs")
    func issuers() {
        for node in state.members {
            let issuer = PublicKey(admitted: node.identityKey.array).id.text
            let token = TokenRecord(name: "x", issuer: issuer, madeBy: "ana", uses: 1, expires: 1)
            for sender in [voter, worker] {
                #expect(code(.issueToken(token), from: sender) == (sender == node.id ? nil : "mesh.not_its_word"))
            }
        }
    }

    @Test("people are known by the host that they asked, and guests by a key where they may ask")
    func actors() {
        let key = PublicKey(admitted: [UInt8](repeating: 7, count: 32)).id.text
        #expect(code(.cancel(1, by: "ana"), from: voter, actor: "ana@n2") == nil)
        #expect(code(.cancel(1, by: "ana"), from: voter, actor: "ana@n1") == "mesh.not_its_word")
        #expect(code(.cancel(1, by: "ana"), from: voter, actor: key) == "mesh.not_its_word")
        #expect(code(.cancel(77, by: "x"), from: voter, actor: key) == nil, "that is for the state to refuse")
        #expect(code(.revokeToken(TokenRevocation(.token("x"), by: "")), from: voter, actor: key) == nil)
        #expect(code(.revoke(first, by: "ana"), from: voter, actor: key) == "mesh.not_its_word")
    }

    @Test("who is no member, has left or was put out says nothing any more")
    func strangers() throws {
        #expect(code(.levels(NodeID(77), .current), from: NodeID(77)) == "mesh.not_a_member")
        mesh.propose(at: 1, .revoke(worker, by: "ana"))
        mesh.propose(at: 4, .removeNode(client))
        try #require(
            mesh.run(seconds: 10) { state.node(worker)?.revocation != nil && state.node(client)?.presence == .left })
        for sender in [worker, client] { #expect(code(.levels(sender, .current), from: sender) == "mesh.not_a_member") }
    }

    @Test("the leader answers what a member may not say, says who it was, and puts nothing into the log")
    func denied() throws {
        let before = mesh[1].raft.log.lastIndex
        let request = mesh.propose(at: 3, .revoke(voter, by: "root"))
        try #require(mesh.run(seconds: 5) { mesh.answers[request] != nil })
        let refusal = try #require(mesh.answers[request].flatMap(APIFailure.init(refusal:)))
        #expect(refusal.code == "auth.denied")
        #expect(state.node(voter)?.revocation == nil)
        #expect(mesh[1].raft.log.lastIndex == before)
        let told = (mesh.effects[first] ?? []).contains {
            if case .denied(worker, .administratorsElsewhere) = $0 { true } else { false }
        }
        #expect(told)
    }
}
