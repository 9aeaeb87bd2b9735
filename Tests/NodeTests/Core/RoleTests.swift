import Codec
import Scheduler
import Testing
import Tokens

@testable import Node
@testable import Raft

@Suite("What a person has to be for a command")
struct RoleTests {
    private let first = NodeID(1)
    private let voter = NodeID(2)
    private let mesh: CoreMesh

    init() throws {
        mesh = try CoreMesh()
        try mesh.admit()
        mesh.propose(at: 1, .submit(mesh.job()))
        try #require(mesh.run(seconds: 10) { self.mesh[1].state.job(1) != nil })
        try #require(mesh.run(seconds: 60) { self.mesh[1].state.level == ProtocolLevels.current.highest })
    }

    private var state: SchedulerState { mesh[1].state }

    private func entry(_ command: Command, actor: String? = "ana@n2", low: UInt64 = 9) -> Entry {
        Entry(request: RequestID(high: 9, low: low), time: 0, command: command, actor: actor)
    }

    private func word(
        _ role: PersonRole, about entry: Entry, of number: UInt8 = 2, mesh: String = CoreMesh.meshKeyID
    ) -> RoleStatement {
        RoleStatement(role, about: entry.askedDigest, mesh: mesh, key: CoreMesh.signingKey(number))
    }

    private func refusal(_ entry: Entry, _ statement: RoleStatement?, in state: SchedulerState? = nil)
        -> SchedulerError?
    {
        var entry = entry
        entry.statement = statement
        return (state ?? self.state).refusal(ofWhoAsksFor: entry, at: voter)
    }

    private func code(_ command: Command, _ role: PersonRole?, actor: String? = "ana@n2") -> String? {
        let entry = entry(command, actor: actor)
        return refusal(entry, role.map { word($0, about: entry) })?.code
    }

    /// Each done to another node, or to the mesh.
    private var administrators: [Command] {
        let issuer = IssuerRecord(id: "k4.pid.x", key: Bytes([1]), name: "x", lifetimeSeconds: 1, by: "ana")
        return [
            .revoke(first, by: "ana"), .removeNode(first), .drain(first, DrainOrder(kind: .drain, by: "ana")),
            .drain(voter, nil), .standDown(first, true), .label(voter, set: [], removed: ["x"]), .approve("n9"),
            .configure(key: "autopilot.voters", value: "1", by: "ana"), .addIssuer(issuer),
            .rotateIssuer("k4.pid.y", issuer), .raiseTokenEpoch(by: "ana"),
            .rotateMeshKey(
                MeshKeyRotation(
                    from: CoreMesh.signingKey(91), to: CoreMesh.signingKey(92), mesh: CoreMesh.meshKeyID)),
            .revokeToken(TokenRevocation(.holder("k4.pid.x"), by: "ana")),
            .revokeToken(TokenRevocation(.issuer("k4.pid.x"), by: "ana")),
            .invitationMade(InvitationMade(jti: "x", uses: 1, expires: 1)),
        ]
    }

    @Test("administrators' commands are taken from whom his host states to be one, and from no user or nobody")
    func administratorsOnly() {
        for command in administrators {
            #expect(code(command, .administrator) == nil, "\(command)")
            #expect(code(command, .user) == "auth.denied", "\(command)")
            #expect(code(command, nil) == "auth.denied", "\(command)")
            #expect(code(command, .administrator, actor: nil) == "auth.denied", "\(command)")
        }
        let asked = entry(.revoke(first, by: "ana"))
        let user = refusal(asked, word(.user, about: asked))
        #expect(user?.message == "denied: n2 states that ana@n2 is no administrator there")
        #expect(user?.hint == "nothing was changed. Ask an administrator of n2, or of another host that may vote")
        let nobody = refusal(asked, nil)
        #expect(nobody?.message == "denied: host n2 did not state under its key who asks for this and as what")
        for refusal in [user, nobody] {
            #expect(refusal.map { SchedulerError.exitCode(ofCode: $0.code) } == 4)
        }
    }

    @Test("a statement of another request, command, person, host or mesh is none")
    func bound() {
        let asked = entry(.revoke(first, by: "ana"))
        #expect(refusal(asked, word(.administrator, about: asked)) == nil)
        let others = [
            entry(.revoke(first, by: "ana"), low: 10), entry(.revoke(NodeID(3), by: "ana")),
            entry(.removeNode(first)), entry(.revoke(first, by: "ana"), actor: "bob@n2"),
            entry(.revoke(first, by: "ana"), actor: nil),
        ]
        for other in others {
            #expect(refusal(asked, word(.administrator, about: other)) == .roleNotStated(node: "n2"), "\(other)")
        }
        #expect(refusal(asked, word(.administrator, about: asked, of: 1)) == .roleNotStated(node: "n2"))
        #expect(
            refusal(asked, word(.administrator, about: asked, mesh: "k4.pid.other")) == .roleNotStated(node: "n2"))
        // What the leader adds is not what was asked.
        var stamped = asked
        stamped.time = 5
        #expect(refusal(stamped, word(.administrator, about: asked)) == nil)
    }

    @Test("people end and pause what was submitted under their name, wherever; jobs of others are an administrator's")
    func ownJobs() {
        for command in [Command.cancel(1, by: "ana"), .pause(1, by: "ana"), .pause(1, by: nil)] {
            #expect(code(command, .user) == nil)
            #expect(code(command, nil) == "auth.denied")
            #expect(code(command, .user, actor: "bob@n2") == "auth.denied")
            #expect(code(command, .user, actor: "ana@n2@n2") == "auth.denied")
            #expect(code(command, .administrator, actor: "bob@n2") == nil)
        }
        #expect(code(.cancel(77, by: "bob"), nil) == nil, "that is for the state to refuse")
        let guest = CoreMesh.signingKey(7).publicKey.id.text
        #expect(code(.cancel(1, by: ""), .user, actor: guest) == "auth.denied", "no job of a guest")
    }

    @Test("whoever has made a token withdraws it, and a guest his own; tokens of others are an administrator's")
    func ownTokens() throws {
        let issuer = CoreMesh.signingKey(2).publicKey.id.text
        for maker in ["ana", "bob"] {
            let token = TokenRecord(name: maker, issuer: issuer, madeBy: "\(maker) on n2", uses: 1, expires: .max)
            let request = mesh.propose(at: 2, .issueToken(token), by: .user)
            try #require(mesh.run(seconds: 5) { mesh.answers[request] != nil })
        }
        func revoke(_ name: String) -> Command { .revokeToken(TokenRevocation(.token(name), by: "ana")) }
        #expect(code(revoke("ana"), .user) == nil)
        #expect(code(revoke("ana"), nil) == "auth.denied")
        #expect(code(revoke("bob"), .user) == "auth.denied")
        #expect(code(revoke("bob"), .administrator) == nil)
        #expect(code(revoke("unknown"), .user) == "auth.denied")
        #expect(code(revoke("unknown"), .user, actor: CoreMesh.signingKey(7).publicKey.id.text) == nil)
    }

    @Test("what a node says by itself, and what everybody may ask, needs nobody's role")
    func nobodys() {
        let key = AttemptKey(job: 1, task: 0, attempt: 1)
        let commands: [Command] = [
            .admit(CoreMesh.record(9), invitation: nil), .nodeLost(first), .removeNode(voter), .standDown(voter, true),
            .submit(mesh.job()), .place([]), .report(voter, []), .tick, .levels(voter, .current), .raiseLevel(8),
            .rankReady(key, nil), .moveGang(key), .absent(voter, Absence(id: 1, nanoseconds: 1)),
            .back(voter, absence: 1), .refusals(voter, []), .anchored(voter, LineChain()),
            .configure(key: "user.note", value: "x", by: "ana"),
            .issueToken(TokenRecord(name: "x", issuer: "y", madeBy: "ana", uses: 1, expires: 1)),
        ]
        for command in commands { #expect(code(command, nil, actor: nil) == nil, "\(command)") }
    }

    @Test("the leadership goes at an administrator's word, of one host that may vote and in one term")
    func leadership() throws {
        func request(
            _ role: PersonRole = .administrator, of number: UInt8 = 2, in term: UInt64 = 7,
            mesh: String = CoreMesh.meshKeyID
        ) -> LeadershipRequest {
            LeadershipRequest(
                to: "n2", term: term, actor: "ana@n2", role: role, mesh: mesh, key: CoreMesh.signingKey(number))
        }
        func code(_ request: LeadershipRequest?, from sender: NodeID = NodeID(2)) -> String? {
            state.refusal(of: request, from: sender, leadingIn: 7)?.code
        }
        #expect(code(request()) == nil)
        #expect(code(nil) == "auth.denied")
        for other in [request(.user), request(of: 1), request(in: 6), request(in: 8), request(mesh: "k4.pid.other")] {
            #expect(code(other) == "auth.denied")
        }
        for change in [\LeadershipRequest.voter, \.actor] {
            var other = request()
            other[keyPath: change] = "n1"
            #expect(code(other) == "auth.denied")
        }
        #expect(code(request(of: 1), from: first) == nil)
        #expect(code(request(of: 9), from: NodeID(9)) == "mesh.not_a_member")
        let worker = try mesh.admit(role: .worker)
        #expect(code(request(of: UInt8(worker)), from: NodeID(UInt64(worker))) == "auth.denied")
    }

    @Test("below the level that brought it, nobody has to state anything")
    func earlierLevels() throws {
        let old = try CoreMesh(levels: ProtocolLevels(lowest: 1, highest: 6))
        try old.admit(levels: ProtocolLevels(lowest: 1, highest: 6))
        try #require(old.run(seconds: 60) { old[1].state.level == 6 })
        #expect(old[1].state.refusal(of: nil, from: NodeID(2), leadingIn: 7) == nil, "the leadership, too")
        for command in administrators { #expect(refusal(entry(command), nil, in: old[1].state) == nil) }
    }

    @Test("the key that a host had until a moment ago counts for it, but no longer than what else it has signed")
    func replacedKey() throws {
        let rotation = KeyRotation(
            of: voter, from: CoreMesh.signingKey(2), to: CoreMesh.signingKey(20),
            noiseKey: [UInt8](repeating: 21, count: 32), mesh: CoreMesh.meshKeyID)
        let request = mesh.propose(at: 2, .rotateKey(rotation))
        try #require(mesh.run(seconds: 5) { mesh.answers[request] != nil })
        try #require(state.node(voter)?.identityKey == rotation.newKey)
        let asked = entry(.revoke(first, by: "ana"))
        for key: UInt8 in [2, 20] { #expect(refusal(asked, word(.administrator, about: asked, of: key)) == nil) }
        let until = try #require(state.node(voter)?.formerKeys.last?.believedUntil)
        var later = state
        _ = later.apply(Entry(request: RequestID(high: 8, low: 8), time: until, command: .tick))
        #expect(refusal(asked, word(.administrator, about: asked, of: 20), in: later) == nil)
        #expect(
            refusal(asked, word(.administrator, about: asked, of: 2), in: later) == .roleNotStated(node: "n2"))
    }

    @Test("the leader refuses its own host's users and those of others the same, says so, and logs nothing of it")
    func leaderRefuses() throws {
        for number in [1, 2] {
            let label = Label(name: "rack", value: "r\(number)")
            let command = Command.label(first, set: [label], removed: [])
            let before = mesh[1].raft.log.lastIndex
            let refused = mesh.propose(at: number, command, by: .user)
            try #require(mesh.run(seconds: 5) { mesh.answers[refused] != nil })
            #expect(mesh.answers[refused].flatMap(APIFailure.init(refusal:))?.code == "auth.denied")
            #expect(mesh[1].raft.log.lastIndex == before)
            let told = (mesh.effects[first] ?? []).contains {
                if case .denied(NodeID(UInt64(number)), .notAnAdministrator) = $0 { true } else { false }
            }
            #expect(told)
            let taken = mesh.propose(at: number, command)
            try #require(mesh.run(seconds: 5) { mesh.answers[taken] != nil })
            #expect(state.node(first)?.labels == [label])
        }
    }

    @Test("a statement is no part of the log, and members that know none pass over it")
    func beside() throws {
        var asked = entry(.revoke(first, by: "ana"))
        let plain = asked.encoded()
        asked.statement = word(.administrator, about: asked)
        #expect(asked.encoded() == plain)
        #expect(try Entry(proposed: asked.proposed) == asked)
        let read = try Entry(cbor: asked.proposed)
        #expect(read.statement == nil && read.encoded() == plain)
    }
}
