import Codec
import Mesh
import Scheduler

/// What doctor says about UDP: each direction by itself, and what to open where one is blocked. Confined to its loop.
struct DatagramChecks {
    let node: MeshNode

    /// Two lines for each member with a session: from here to there, and back. It takes two seconds at most.
    ///
    /// - Parameter firewall: how the member's host would let a port in, where it is known.
    func checks(of members: [NodeRecord], firewall: FirewallLine? = nil) async throws -> [CheckView] {
        guard node.peers.datagrams != nil else {
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
        let here = PeerDoctor.port(node.membership.addresses.first)
        var checks: [CheckView] = []
        for member in reachable {
            guard let path = paths[member.id] else { continue }
            let there = PeerDoctor.port(member.addresses.first)
            if node.peers.relay(to: member.id) != nil, path.outbound != .open, path.inbound != .open {
                for check in ["\(own) -> \(member.name) UDP \(there)", "\(member.name) -> \(own) UDP \(here)"] {
                    checks.append(
                        CheckView(check: check, result: "warn", detail: "no direct way; probes go through the relay"))
                }
                continue
            }
            let opening = firewall?.opening(port: there, transport: "udp")
            let openingHere = PeerDoctor.firewall(node).opening(port: here, transport: "udp")
            checks.append(
                direction(
                    "\(own) -> \(member.name) UDP \(there)", path.outbound, path,
                    hint: "On \(member.name): \(opening ?? "let port \(there), proto udp, in through its firewall")"))
            checks.append(
                direction(
                    "\(member.name) -> \(own) UDP \(here)", path.inbound, path, hint: "On \(own): \(openingHere)"))
        }
        return checks
    }

    private func direction(
        _ check: String, _ direction: DatagramPath.Direction, _ path: DatagramPath, hint: String
    ) -> CheckView {
        guard path.hasKeys else {
            return CheckView(
                check: check, result: "warn", detail: "no answer in 2 s; gossip goes over TCP meanwhile",
                hint: "its version may know no datagrams (swarmlet version), or UDP is blocked both ways")
        }
        switch direction {
        case .open:
            guard let time = path.roundTrip else { return CheckView(check: check, result: "ok", detail: "direct") }
            return CheckView(check: check, result: "ok", detail: Doctor.text(time))
        case .unknown, .doubtful, .blocked:
            return CheckView(
                check: check, result: "FAIL", detail: "no answer in 2 s; probes go over TCP meanwhile", hint: hint)
        }
    }
}
