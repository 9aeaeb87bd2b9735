import Codec
import Fuzzing
import Testing
import Tokens

@testable import Scheduler

/// The log of what happened, as the state makes it out of entries.
struct AuditTests {
    /// A mesh at the level from which on there is a log, with what was said since.
    private static func audited() -> StateUnderTest {
        var mesh = StateUnderTest("owl", "fox")
        mesh.run(.raiseLevel(SchedulerState.auditLevel))
        return mesh
    }

    private func lines(_ mesh: inout StateUnderTest) -> [String] {
        mesh.state.takeAuditLines().map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    private func acts(_ mesh: inout StateUnderTest) -> [AuditEvent.Act] {
        mesh.state.takeAuditLines().compactMap { AuditEvent(line: $0.bytes)?.act }
    }

    @Test("below its level a mesh has no tree, and the entry that raises it is the first event")
    func levels() {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(SchedulerState.auditLevel - 1))
        _ = mesh.submit()
        #expect(!mesh.state.isAudited)
        #expect(mesh.state.auditSize == 0)
        #expect(mesh.state.takeAuditLines().isEmpty)
        #expect(Command.refusals(NodeID(1), []).level == SchedulerState.auditLevel)
        mesh.run(.raiseLevel(SchedulerState.auditLevel))
        #expect(
            lines(&mesh) == [
                "{\"seq\":0,\"t\":\"2025-11-21T14:00:04.000Z\",\"act\":\"level.raised\",\"about\":\"level 6\","
                    + "\"decision\":\"done\"}"
            ])
    }

    @Test("the tree is that of the lines, in their order")
    func tree() {
        var mesh = Self.audited()
        let job = mesh.submit()
        mesh.run(.cancel(job, by: "ana"))
        var frontier = MerkleFrontier()
        for line in mesh.state.takeAuditLines() {
            #expect(line.sequence == frontier.size)
            frontier.append(leaf: MerkleHash.leaf(line.bytes))
        }
        #expect(frontier.size == 3)
        #expect(frontier == mesh.state.auditFrontier)
    }

    @Test("each command that somebody may have to answer for is an event, and says who asked")
    func events() {
        var mesh = Self.audited()
        _ = mesh.state.takeAuditLines()
        let job = mesh.submit()
        #expect(acts(&mesh) == [.jobSubmitted])
        mesh.run(.pause(job, by: "ana"))
        mesh.run(.pause(job, by: nil))
        mesh.run(.cancel(job, by: "ana"))
        #expect(acts(&mesh) == [.jobPaused, .jobResumed, .jobCancelled])
        mesh.run(
            .admit(StateUnderTest.node("elk", key: 9), invitation: InvitationUse(jti: "j", uses: 1, expires: .max)))
        mesh.run(.label(NodeID(3), set: [Label(name: "rack", value: "a")], removed: ["x"]))
        mesh.run(.drain(NodeID(3), DrainOrder(kind: .drain, by: "sam")))
        mesh.run(.drain(NodeID(3), DrainOrder(kind: .cordon, by: "sam")))
        mesh.run(.drain(NodeID(3), nil))
        mesh.run(.revoke(NodeID(3), by: "sam"))
        mesh.run(.removeNode(NodeID(3)))
        #expect(
            acts(&mesh) == [
                .memberAdmitted, .nodeLabelled, .nodeDrained, .nodeCordoned, .nodeUncordoned, .memberRevoked,
                .memberRemoved,
            ])
        mesh.run(.configure(key: "autopilot.voters", value: "3", by: "sam"))
        mesh.run(.issueToken(TokenRecord(name: "t", issuer: "i", madeBy: "ana on owl", uses: 1, expires: .max)))
        mesh.run(.revokeToken(TokenRevocation(.token("t"), by: "sam")))
        mesh.run(.revokeToken(TokenRevocation(.holder("h"), by: "sam")))
        mesh.run(.revokeToken(TokenRevocation(.issuer("i"), by: "sam", issuedBefore: .max)))
        mesh.run(
            .addIssuer(IssuerRecord(id: "i", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 1, by: "sam")))
        mesh.run(.raiseTokenEpoch(by: "sam"))
        mesh.run(.invitationMade(InvitationMade(jti: "j", uses: 1, expires: .max)))
        #expect(
            acts(&mesh) == [
                .settingChanged, .tokenCreated, .tokenRevoked, .holderRevoked, .issuerRevoked, .issuerAdded,
                .tokensRevoked, .invitationMade,
            ])
        var entry = mesh.entry(.removeNode(NodeID(2)))
        entry.actor = "sam@owl"
        mesh.run(entry)
        #expect(lines(&mesh)[0].contains("\"actor\":\"sam@owl\",\"node\":\"fox\",\"act\":\"member.removed\""))
    }

    @Test("what changes nothing, is refused, or comes again is no event")
    func nothing() {
        var mesh = Self.audited()
        let job = mesh.submit()
        mesh.run(.cancel(job, by: "ana"))
        _ = mesh.state.takeAuditLines()
        mesh.run(.cancel(job, by: "ana"))
        mesh.run(.cancel(99, by: "ana"))
        mesh.run(.drain(NodeID(2), nil))
        mesh.run(.raiseLevel(2))
        mesh.run(.configure(key: "user.secret", value: "x", by: "ana"))
        mesh.run(.admit(StateUnderTest.node("fox", key: 2), invitation: nil))
        #expect(mesh.state.takeAuditLines().isEmpty)
        let again = mesh.entry(.configure(key: "autopilot.voters", value: "3", by: "sam"))
        mesh.run(again)
        mesh.run(again)
        #expect(mesh.state.takeAuditLines().count == 1)
    }

    @Test("a guest's job names his key, his token and his request, and no text of the token")
    func guest() throws {
        var mesh = Self.audited()
        _ = mesh.state.takeAuditLines()
        var spec = JobSpec(name: "j", command: ["true"], user: "token:9f3c", submitNode: NodeID(1))
        spec.guest = StateUnderTest.pass(of: "token1", request: 7, uses: 2)
        mesh.run(.submit(spec))
        // The same request gets the same job, and that is no second event.
        mesh.run(.submit(spec))
        let kept = mesh.state.takeAuditLines()
        #expect(kept.count == 1)
        let event = try #require(AuditEvent(line: kept[0].bytes))
        let pass = try #require(spec.guest)
        #expect(event.actor == pass.holder)
        #expect(event.tokens == pass.names)
        #expect(event.request == Hex.encode(pass.requestHash.array))
        #expect(event.job == kept[0].job)
        let text = String(decoding: kept[0].bytes, as: UTF8.self)
        for link in pass.links + [pass.proof] where !link.isEmpty { #expect(!text.contains(link)) }
    }

    @Test("a line is printable ASCII and one JSON document, whatever people call things")
    func escaping() throws {
        let names = [
            "a\"b\\c", "line\nbreak", "\u{1B}[31m", "\u{202E}gnp.exe", "Zoë 🦉", String(repeating: "é", count: 999),
        ]
        for name in names {
            let event = AuditEvent(
                sequence: 5, time: 1, .nodeLabelled, actor: name, node: "n", about: name, tokens: [name])
            let line = event.line
            #expect(line.allSatisfy { (0x20...0x7E).contains($0) })
            let read = try #require(AuditEvent(line: line))
            #expect(read.about == String(name.unicodeScalars.prefix(AuditEvent.textMax).map(Character.init)))
            #expect(read.line == line || name.unicodeScalars.count > AuditEvent.textMax)
        }
    }

    @Test("refusals come counted, a bounded number of codes an entry, and only what is a code")
    func refusals() {
        var mesh = Self.audited()
        _ = mesh.state.takeAuditLines()
        let odd = [
            RefusalCount(code: "token.used", count: 4_000), RefusalCount(code: "Bad code\n", count: 1),
            RefusalCount(code: "", count: 1), RefusalCount(code: "token.expired", count: 0),
        ]
        mesh.run(.refusals(NodeID(1), odd))
        #expect(
            lines(&mesh).map { $0.drop { $0 != "n" } } == [
                "node\":\"owl\",\"act\":\"refused\",\"decision\":\"refused\",\"code\":\"token.used\",\"count\":4000}"
            ])
        mesh.run(.refusals(NodeID(2), (0..<200).map { RefusalCount(code: "c\($0)", count: 1) }))
        #expect(mesh.state.takeAuditLines().count == SchedulerLimits.refusalCodesMax)
        mesh.run(.refusals(NodeID(77), odd))
        #expect(mesh.state.takeAuditLines().isEmpty)
    }

    @Test("the end of a node's own log is told with the node's number, and read from that line alone")
    func anchored() throws {
        var mesh = Self.audited()
        mesh.run(.raiseLevel(SchedulerState.anchorsLevel))
        var chain = LineChain()
        _ = chain.append([("code", .string("token.used"))])
        #expect(Command.anchored(NodeID(2), chain).level == SchedulerState.anchorsLevel)
        _ = mesh.state.takeAuditLines()
        mesh.run(.anchored(NodeID(2), chain))
        mesh.run(.anchored(NodeID(77), chain))
        let told = mesh.state.takeAuditLines().map(\.bytes)
        try #require(told.count == 1)
        let event = try #require(AuditEvent(line: told[0]))
        #expect(event.act == .logAnchored)
        #expect(event.node == "fox")
        #expect(event.about == "n2, 1 lines, sha256 \(chain.hash.hex)")
        #expect(AuditEvent.end(ofLogOf: NodeID(2), in: told[0]) == chain)
        for other in [NodeID(1), NodeID(22)] { #expect(AuditEvent.end(ofLogOf: other, in: told[0]) == nil) }
        let setting = AuditEvent(.settingChanged, about: event.about)
        #expect(AuditEvent.end(ofLogOf: NodeID(2), in: setting.line) == nil)
    }

    @Test("whatever is proposed: two members have one tree, a snapshot goes on with it", arguments: UInt64(1)...8)
    func determinism(seed: UInt64) throws {
        var history = RandomHistory(seed: seed, keepsApplied: true)
        history.mesh.run(.raiseLevel(SchedulerState.auditLevel))
        for _ in 0..<100 { history.step() }
        let half = try SchedulerState(encoded: history.mesh.state.encoded())
        let applied = try #require(history.mesh.applied)
        for _ in 0..<100 { history.step() }
        var other = SchedulerState()
        var late = half
        for entry in applied { _ = other.apply(entry) }
        for entry in try #require(history.mesh.applied).dropFirst(applied.count) {
            _ = other.apply(entry)
            _ = late.apply(entry)
        }
        #expect(other.auditSize > 10)
        let whole = history.mesh.state.takeAuditLines()
        #expect(other.takeAuditLines() == whole)
        #expect(late.takeAuditLines() == Array(whole.dropFirst(Int(half.auditSize))))
        #expect(late.auditFrontier == other.auditFrontier)
        #expect(late.encoded() == other.encoded())
    }

    @Test("a recovery remembers how long the log was, so that what was lost is not taken for it")
    func recovery() {
        var mesh = Self.audited()
        _ = mesh.submit()
        let size = mesh.state.auditSize
        mesh.run(.recovered(epoch: 1))
        #expect(mesh.state.auditCounts(ofEpoch: 0) == size)
        #expect(mesh.state.auditCounts(ofEpoch: 1) == nil)
        #expect(mesh.state.auditSize == size + 1)
    }

    @Test("a million events take no more room in the state than the hashes of their right edge")
    func room() {
        var mesh = Self.audited()
        for number in 0..<300 {
            mesh.run(.configure(key: "autopilot.voters", value: number % 2 == 0 ? "3" : "5", by: "s"))
        }
        let before = mesh.state.encoded().count
        for number in 0..<211 {
            mesh.run(.configure(key: "autopilot.voters", value: number % 2 == 0 ? "3" : "5", by: "s"))
        }
        _ = mesh.state.takeAuditLines()
        // What grows is the memory of requests, 211 of them.
        #expect(mesh.state.encoded().count - before < 211 * 64 + 10 * 40)
    }
}
