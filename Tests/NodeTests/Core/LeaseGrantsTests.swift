import Codec
import Testing

@testable import Node

@Suite("The leases a leader grants")
struct LeaseGrantsTests {
    private typealias Renewal = LeaseGrants.Renewal
    private let start = Instant.zero + .seconds(100)
    private let node = NodeID(2)
    private let patience = NodeConstants.lease + NodeConstants.leaseMargin

    @Test("a grant is given only when the round begun after its renewal is confirmed")
    func confirmation() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        #expect(!grants.needsConfirmation)
        #expect(grants.confirm(id: 1) == false, "nothing waits")
        grants.renew(Renewal(node: node, sequence: 4), now: start)
        #expect(grants.confirm(id: 1) == true)
        grants.renew(Renewal(node: NodeID(3), sequence: 9), now: start)
        #expect(grants.confirm(id: 2) == false, "one round at a time")
        #expect(grants.confirmed(id: 2).isEmpty)
        #expect(grants.confirmed(id: 1) == [Renewal(node: node, sequence: 4)])
        #expect(grants.confirmed(id: 1).isEmpty, "a round is confirmed once")
        #expect(grants.needsConfirmation)
        #expect(grants.confirm(id: 3) == true)
        #expect(grants.confirmed(id: 3) == [Renewal(node: NodeID(3), sequence: 9)])
    }

    @Test("a first grant is urgent, also after a loss; those that follow wait for a heartbeat")
    func urgency() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.renew(Renewal(node: node, sequence: 1), now: start)
        #expect(grants.isUrgent)
        #expect(grants.confirm(id: 1) == true)
        #expect(!grants.isUrgent)
        _ = grants.confirmed(id: 1)
        grants.renew(Renewal(node: node, sequence: 2), now: start)
        #expect(grants.needsConfirmation && !grants.isUrgent)
        grants.renew(Renewal(node: NodeID(3), sequence: 7), now: start)
        #expect(grants.isUrgent)
        #expect(grants.confirm(id: 2) == true)
        _ = grants.confirmed(id: 2)
        grants.condemn(node)
        grants.pardon(node)
        grants.welcome(node, now: start + .seconds(1))
        grants.renew(Renewal(node: node, sequence: 3), now: start + .seconds(1))
        #expect(grants.isUrgent)
    }

    @Test("only the newest renewal of a node waits")
    func newestRenewal() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.renew(Renewal(node: node, sequence: 1), now: start)
        grants.renew(Renewal(node: node, sequence: 2), now: start)
        #expect(grants.confirm(id: 1) == true)
        #expect(grants.confirmed(id: 1) == [Renewal(node: node, sequence: 2)])
    }

    @Test("a round that cannot be confirmed grants nothing, and the next one can begin")
    func refused() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.renew(Renewal(node: node, sequence: 1), now: start)
        #expect(grants.confirm(id: 1) == true)
        grants.refused(id: 1)
        #expect(grants.confirmed(id: 1).isEmpty)
        grants.renew(Renewal(node: node, sequence: 2), now: start)
        #expect(grants.confirm(id: 2) == true)
    }

    @Test("a condemned node gets no grant, not even for a renewal under way, and its time stands still")
    func condemned() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.renew(Renewal(node: node, sequence: 1), now: start)
        #expect(grants.confirm(id: 1) == true)
        grants.renew(Renewal(node: node, sequence: 2), now: start)
        grants.condemn(node)
        #expect(grants.confirmed(id: 1).isEmpty)
        #expect(!grants.needsConfirmation)
        grants.renew(Renewal(node: node, sequence: 3), now: start + .seconds(1))
        #expect(!grants.needsConfirmation)
        #expect(grants.silence(of: node, now: start + .seconds(1)) == .seconds(1))
    }

    @Test("welcoming a condemned node does not pardon it")
    func welcome() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.condemn(node)
        grants.welcome(node, now: start + .seconds(2))
        #expect(grants.isCondemned(node))
        #expect(grants.deadline(of: node) == start + patience)
        grants.pardon(node)
        grants.welcome(node, now: start + .seconds(2))
        #expect(grants.deadline(of: node) == start + .seconds(2) + patience)
    }

    @Test("a new leader counts everybody's silence from its election and keeps nothing of an earlier term")
    func newLeader() {
        var grants = LeaseGrants()
        grants.lead(from: start)
        grants.renew(Renewal(node: node, sequence: 1), now: start)
        grants.condemn(NodeID(3))
        #expect(grants.confirm(id: 1) == true)
        let election = start + .seconds(60)
        grants.stopLeading()
        grants.lead(from: election)
        #expect(grants.confirmed(id: 1).isEmpty)
        #expect(!grants.isCondemned(NodeID(3)))
        #expect(grants.silence(of: node, now: election + .seconds(1)) == .seconds(1))
        #expect(grants.deadline(of: node) == election + patience)
    }

    @Test("the margin lies between the end of a lease and the loss")
    func margin() {
        var holder = LeaseHolder(now: start)
        var grants = LeaseGrants()
        grants.lead(from: start)
        let sequence = holder.renew(now: start)
        // It takes no time at all to arrive, which is the worst case.
        grants.renew(Renewal(node: node, sequence: sequence), now: start)
        holder.granted(sequence: sequence, index: 0, now: start)
        _ = holder.applied(upTo: 0)
        #expect(grants.deadline(of: node) - holder.deadline == NodeConstants.leaseMargin)
    }
}
