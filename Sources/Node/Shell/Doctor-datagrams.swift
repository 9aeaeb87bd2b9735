import Mesh
import Ring
import Scheduler

// What `swarmlet doctor` says about UDP: each direction by itself, and what to open where one is blocked.
extension Doctor {
    /// Two lines for each member with a session: from here to there, and back.
    func datagrams(_ node: MeshNode, _ members: [NodeRecord]) async throws -> [CheckView] {
        guard let port = daemon.datagramPort else {
            return [
                CheckView(
                    check: "UDP port", result: "FAIL",
                    detail: "taken by another program; gossip goes over TCP meanwhile",
                    hint: "free the port, then start swarmlet again: ss -ulpn")
            ]
        }
        let reachable = members.filter { node.peers.isConnected($0.id) }
        let paths = try await node.peers.probeDatagrams(to: reachable.map(\.id))
        let own = node.views.nodeName(node.id)
        return reachable.flatMap { member -> [CheckView] in
            guard let path = paths[member.id] else { return [] }
            let there = Self.port(of: member.addresses.first)
            return [
                direction(
                    "\(own) -> \(member.name) UDP \(there)", path.outbound, path, to: member.name, port: String(there)),
                direction(
                    "\(member.name) -> \(own) UDP \(port.address.port)", path.inbound, path, to: own,
                    port: "\(port.address.port)"),
            ]
        }
    }

    private func direction(
        _ check: String, _ direction: DatagramPath.Direction, _ path: DatagramPath, to receiver: String, port: String
    ) -> CheckView {
        guard path.hasKeys else {
            return CheckView(
                check: check, result: "warn", detail: "no answer in 2 s; gossip goes over TCP meanwhile",
                hint: "its version may know no datagrams (swarmlet version), or UDP is blocked both ways")
        }
        switch direction {
        case .open:
            guard let time = path.roundTrip else { return CheckView(check: check, result: "ok", detail: "direct") }
            return CheckView(check: check, result: "ok", detail: "direct, \(Self.text(time))")
        case .unknown, .doubtful, .blocked:
            return CheckView(
                check: check, result: "FAIL", detail: "no answer in 2 s; probes go over TCP meanwhile",
                hint: "on \(receiver), let port \(port) proto udp in through its firewall")
        }
    }

    static func port(of address: String?) -> Substring { address?.split(separator: ":").last ?? "-" }
}
