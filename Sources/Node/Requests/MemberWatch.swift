import Codec
import Mesh
import Ring
import Scheduler

/// Measures round trips, and tells what happens to the members. Confined to its loop.
struct MemberWatch {
    let node: MeshNode

    private static let eventsPerReply = 100

    func ping(_ request: PingRequest, tell: (PongView) async throws -> Void) async throws {
        let member = try MemberViews(node: node).member(named: request.node)
        guard member.nodeID != node.id else { throw NodeError.isThisNode(member.name) }
        for number in 0..<request.count {
            if number > 0 { try await node.loop.sleep(for: .milliseconds(Int64(clamping: request.pauseMilliseconds))) }
            guard node.isRunning else { throw NodeError.stopping }
            var time: Interval?
            do { time = try await node.peers.echo(member.nodeID) } catch is MeshError {
                // The session went away under it: nothing came back.
            }
            try await tell(
                PongView(
                    node: member.name, shortID: member.shortID, address: node.peers.address(of: member.nodeID),
                    path: "\(path(to: member.nodeID)), TCP session",
                    microseconds: time.map { UInt64(max(0, $0.nanoseconds / 1_000)) }))
        }
    }

    private func path(to id: NodeID) -> String {
        node.peers.relay(to: id).map { "relayed by \(node.views.nodeName($0))" } ?? "direct"
    }

    func events(_ request: EventsRequest, tell: (EventsView) async throws -> Void) async throws {
        var last: UInt64 = 0
        while true {
            let reading = node.driver.core.membership.read(after: last, countMax: MemberWatch.eventsPerReply)
            // Before this question nothing was missed that anybody had asked for.
            let missed = last == 0 ? 0 : reading.missed
            last = reading.last
            if !reading.events.isEmpty {
                try await tell(EventsView(missed: missed, events: reading.events.map(view)))
            } else {
                guard request.follow else { return }
                guard node.isRunning else { throw NodeError.stopping }
                try await node.driver.changes.wait()
            }
        }
    }

    private func view(_ event: MembershipEvent) -> EventView {
        let wallClock = EventLoops.wallClock.nanoseconds - (node.loop.now - event.instant).nanoseconds
        var view = EventView(at: wallClock, node: node.views.nodeName(event.member), event: "")
        switch event.kind {
        case .joined: view.event = "join"
        case .suspected(let accuser):
            view.event = "suspect"
            view.detail = "did not answer \(accuser == node.id ? "this node" : node.views.nodeName(accuser))"
        case .alive:
            view.event = "alive"
            view.detail = "the suspicion was wrong"
        case .died:
            view.event = "dead"
            view.detail = "did not object in time"
        case .left: view.event = "left"
        case .facts(let bytes):
            view.event = "facts"
            do { view.detail = try MemberReport(encoded: bytes).text } catch {
                view.detail = "\(bytes.count) bytes that this version cannot read"
            }
        case .removed: view.event = "removed"
        case .alarm(let text):
            view.event = "alarm"
            view.detail = text
        }
        return view
    }
}
