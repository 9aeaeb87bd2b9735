import Codec
import Testing

@testable import Scheduler

struct MemberTests {
    static let hour: Int64 = 3_600_000_000_000

    @Test("the founder is node 1 and a second founding is refused")
    func founding() {
        var mesh = StateUnderTest("owl")
        #expect(mesh.state.node(NodeID(1))?.name == "owl")
        #expect(mesh.state.meshName == "lab")
        let other = StateUnderTest.node("lynx", key: 2)
        let answer = mesh.run(.found(meshName: "x", meshKeyID: "", meshKey: StateUnderTest.key(3), node: other))
        #expect(answer.code == "mesh.already_founded")
    }

    @Test("a name that is taken gets a number")
    func nameClash() {
        var mesh = StateUnderTest("owl")
        #expect(
            mesh.run(.admit(StateUnderTest.node("owl", key: 2), invitation: nil)) == .node(NodeID(2), name: "owl-2"))
        #expect(
            mesh.run(.admit(StateUnderTest.node("owl", key: 3), invitation: nil)) == .node(NodeID(3), name: "owl-3"))
        #expect(mesh.state.node(named: "owl-2")?.id == NodeID(2))
    }

    @Test("who comes with an invitation that is used up is told to those who watch, and one that asks again is not")
    func reuse() {
        var mesh = StateUnderTest("owl")
        let use = InvitationUse(jti: "7c1e", uses: 1, expires: .max, from: "10.0.0.7:4242")
        let first = StateUnderTest.node("newt", key: 2)
        mesh.run(.admit(first, invitation: use))
        mesh.run(.admit(first, invitation: use))
        #expect(!mesh.events.contains { if case .invitationReused = $0 { true } else { false } })
        let answer = mesh.run(.admit(StateUnderTest.node("bat", key: 3), invitation: use))
        #expect(answer.code == "mesh.join.token_used")
        #expect(
            mesh.events == [
                .invitationReused(jti: "7c1e", key: StateUnderTest.key(3), name: "bat", from: "10.0.0.7:4242")
            ])
    }

    @Test("the session key of a revoked host is refused with any identity, also after a snapshot; other keys are not")
    func revokedSessionKey() throws {
        var mesh = StateUnderTest("owl", "newt")
        var thief = StateUnderTest.node("bat", key: 7)
        thief.noiseKey = StateUnderTest.key(2)
        mesh.run(.revoke(NodeID(2), by: "ana"))
        // As it was before level 8.
        var old = mesh
        #expect(old.run(.admit(thief, invitation: nil)).code == nil)
        mesh.run(.raiseLevel(8))
        mesh.state = try SchedulerState(encoded: mesh.state.encoded())
        let answer = mesh.run(.admit(thief, invitation: nil))
        #expect(answer.code == "mesh.join.revoked")
        guard case .refused(_, let message, _) = answer else { return }
        #expect(message.contains("as newt"))
        let knock = Knock(
            name: "bat", identityKey: thief.identityKey, noiseKey: thief.noiseKey, shortID: "x",
            capacity: thief.capacity)
        #expect(mesh.run(.knock(knock)).code == "mesh.join.revoked")
        mesh.run(.removeNode(NodeID(2)))
        #expect(mesh.run(.admit(thief, invitation: nil)).code == "mesh.join.revoked")
        #expect(mesh.run(.admit(StateUnderTest.node("bat", key: 7), invitation: nil)).code == nil)
    }

    @Test("an invitation admits as many as it says and then names whom and when")
    func invitationUses() throws {
        var mesh = StateUnderTest("n1")
        let use = InvitationUse(jti: "7c1e55aa", uses: 2, expires: StateUnderTest.start + Self.hour, issuer: "sam")
        #expect(mesh.run(.admit(StateUnderTest.node("n2", key: 2), invitation: use)) == .node(NodeID(2), name: "n2"))
        #expect(mesh.run(.admit(StateUnderTest.node("n3", key: 3), invitation: use)) == .node(NodeID(3), name: "n3"))
        let refused = mesh.run(.admit(StateUnderTest.node("n4", key: 4), invitation: use))
        #expect(
            refused
                == .refused(
                    code: "mesh.join.token_used", message: "invitation 7c1e is used up: n2 at 14:00, n3 at 14:00 UTC",
                    hint: "if both are yours, make another: swarmlet invite. If not: swarmlet node revoke NAME"))
        #expect(refused.exitCode == 125)
        #expect(mesh.state.members.count == 3)
    }

    @Test("a joiner that missed the answer and asks again gets the same one and spends nothing")
    func sameKeyAgain() throws {
        var mesh = StateUnderTest("n1")
        let use = InvitationUse(jti: "7c1e", uses: 1, expires: .max)
        let node = StateUnderTest.node("n2", key: 2)
        #expect(mesh.run(.admit(node, invitation: use)) == .node(NodeID(2), name: "n2"))
        #expect(mesh.run(.admit(node, invitation: use)) == .node(NodeID(2), name: "n2"))
        #expect(mesh.state.invitation("7c1e")?.admitted.count == 1)
    }

    @Test("an expired invitation admits nobody")
    func invitationExpires() {
        var mesh = StateUnderTest("n1")
        let use = InvitationUse(jti: "7c1e", uses: 1, expires: StateUnderTest.start + 1)
        #expect(mesh.run(.admit(StateUnderTest.node("n2", key: 2), invitation: use)).code == "mesh.join.token_expired")
        #expect(mesh.state.members.count == 1)
    }

    static func knock(_ name: String, key: UInt8, shortID: String) -> Knock {
        let node = StateUnderTest.node(name, key: key)
        return Knock(
            name: name, identityKey: node.identityKey, noiseKey: node.noiseKey, shortID: shortID,
            capacity: node.capacity)
    }

    @Test("a knock waits until it is approved, by name or by id")
    func approval() {
        var mesh = StateUnderTest("owl")
        #expect(mesh.run(.knock(Self.knock("lynx", key: 2, shortID: "Q2mv8RtB"))) == .ok)
        #expect(mesh.state.knocks.count == 1)
        #expect(mesh.run(.approve("crow")).code == "mesh.approve.not_found")
        #expect(mesh.run(.approve("lynx")) == .node(NodeID(2), name: "lynx"))
        #expect(mesh.state.knocks.isEmpty)
        #expect(mesh.run(.knock(Self.knock("lynx", key: 2, shortID: "Q2mv8RtB"))) == .node(NodeID(2), name: "lynx"))
    }

    @Test("two knocks of one name are told apart by their ids")
    func ambiguousApproval() {
        var mesh = StateUnderTest("owl")
        mesh.run(.knock(Self.knock("lynx", key: 2, shortID: "aaaaaaaa")))
        mesh.run(.knock(Self.knock("lynx", key: 3, shortID: "bbbbbbbb")))
        #expect(mesh.run(.approve("lynx")).code == "mesh.approve.ambiguous")
        #expect(mesh.run(.approve("bbbbbbbb")) == .node(NodeID(2), name: "lynx"))
    }

    @Test("knocks are bounded and expire after ten minutes")
    func knocksExpire() {
        var mesh = StateUnderTest("owl")
        for number in 0..<64 { mesh.run(.knock(Self.knock("n", key: UInt8(100 + number), shortID: "\(number)"))) }
        #expect(mesh.run(.knock(Self.knock("n", key: 9, shortID: "x"))).code == "mesh.join.too_many_waiting")
        mesh.passTime(seconds: 601)
        #expect(mesh.state.knocks.count == 1 || mesh.state.knocks.isEmpty)
        mesh.passTime(seconds: 601)
        #expect(mesh.state.knocks.isEmpty)
    }

    @Test("a node that left is no member, its number is never given again, its name is free")
    func departure() {
        var mesh = StateUnderTest("owl", "lynx")
        #expect(mesh.run(.removeNode(NodeID(2))) == .ok)
        #expect(mesh.state.members.map(\.name) == ["owl"])
        #expect(mesh.state.node(NodeID(2))?.presence == .left)
        #expect(
            mesh.run(.admit(StateUnderTest.node("lynx", key: 2), invitation: nil)) == .node(NodeID(3), name: "lynx"))
        #expect(mesh.run(.nodeLost(NodeID(2))).code == "node.not_found")
    }

    @Test("keys of a wrong length are refused")
    func badKeys() {
        var mesh = StateUnderTest("owl")
        var node = StateUnderTest.node("lynx", key: 2)
        node.noiseKey = Bytes([1])
        #expect(mesh.run(.admit(node, invitation: nil)).code == "mesh.join.bad_node")
    }
}
