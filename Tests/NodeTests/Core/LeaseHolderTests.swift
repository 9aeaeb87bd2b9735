import Codec
import Testing

@testable import Node

@Suite("A node's own lease")
struct LeaseHolderTests {
    private let start = Instant.zero + .seconds(100)

    @Test("the deadline counts from the moment the renewal was sent, however late its grant comes")
    func countsFromSending() {
        var lease = LeaseHolder(now: start)
        let sequence = lease.renew(now: start)
        lease.granted(sequence: sequence, index: 0, now: start + .seconds(2))
        #expect(lease.applied(upTo: 0) == start + NodeConstants.lease)
        #expect(lease.deadline == start + NodeConstants.lease)
    }

    @Test("the deadline moves only when the index of the grant is applied")
    func waitsForTheIndex() {
        var lease = LeaseHolder(now: start)
        lease.granted(sequence: lease.renew(now: start), index: 7, now: start)
        #expect(lease.applied(upTo: 6) == nil)
        #expect(!lease.hasCaughtUp)
        #expect(lease.deadline < start)
        #expect(lease.applied(upTo: 7) == start + NodeConstants.lease)
        #expect(lease.hasCaughtUp)
        #expect(lease.applied(upTo: 8) == nil, "a grant moves it once")
    }

    @Test("the deadline never moves back when grants come in another order than their renewals")
    func neverBack() {
        var lease = LeaseHolder(now: start)
        let first = lease.renew(now: start)
        let second = lease.renew(now: start + .milliseconds(500))
        lease.granted(sequence: second, index: 1, now: start + .milliseconds(600))
        lease.granted(sequence: first, index: 1, now: start + .milliseconds(700))
        let later = start + .milliseconds(500) + NodeConstants.lease
        #expect(lease.applied(upTo: 1) == later)
        lease.granted(sequence: first, index: 1, now: start + .milliseconds(800))
        #expect(lease.applied(upTo: 1) == nil)
        #expect(lease.deadline == later)
    }

    @Test("a node that always lags behind by a renewal still moves on")
    func lagging() {
        var lease = LeaseHolder(now: start)
        for round in 0..<20 {
            let now = start + .milliseconds(Int64(round) * 500)
            lease.granted(sequence: lease.renew(now: now), index: UInt64(round), now: now)
            guard round > 0 else { continue }
            #expect(lease.applied(upTo: UInt64(round - 1)) == now - .milliseconds(500) + NodeConstants.lease)
        }
    }

    @Test("a grant for a renewal older than a lease, or for none, gives nothing")
    func lateGrant() {
        var lease = LeaseHolder(now: start)
        let old = lease.renew(now: start)
        let late = start + NodeConstants.lease + .milliseconds(1)
        _ = lease.renew(now: late)
        lease.granted(sequence: old, index: 0, now: late)
        lease.granted(sequence: 99, index: 0, now: late)
        #expect(lease.applied(upTo: 10) == nil)
        #expect(!lease.hasCaughtUp)
    }

    @Test("a grant that an earlier start of the daemon asked for answers nothing")
    func earlierStart() {
        var earlier = LeaseHolder(now: start, boot: 1 << 40)
        let old = earlier.renew(now: start)
        var lease = LeaseHolder(now: start + .milliseconds(800), boot: 1 << 50)
        _ = lease.renew(now: start + .milliseconds(800))
        lease.granted(sequence: old, index: 0, now: start + .milliseconds(900))
        #expect(lease.applied(upTo: 10) == nil)
    }

    @Test("where grants stay away renewals come faster, until the lease is long over")
    func inDoubt() {
        var lease = LeaseHolder(now: start)
        lease.granted(sequence: lease.renew(now: start), index: 0, now: start)
        var renewals = 0
        var now = start
        while now < start + NodeConstants.lease {
            now = max(lease.nextRenewal, now)
            _ = lease.renew(now: now)
            renewals += 1
        }
        #expect((9...14).contains(renewals))
        let late = start + .seconds(60)
        _ = lease.renew(now: late)
        #expect(lease.nextRenewal == late + NodeConstants.leaseRenewal)
    }

    @Test("renewals are due twice a second, and at once when there is somebody new to ask")
    func renewals() {
        var lease = LeaseHolder(now: start)
        #expect(lease.nextRenewal == start)
        _ = lease.renew(now: start)
        #expect(lease.nextRenewal == start + NodeConstants.leaseRenewal)
        lease.hasten(now: start + .milliseconds(3))
        #expect(lease.nextRenewal == start + .milliseconds(3))
    }
}
