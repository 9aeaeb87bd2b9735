import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler

/// The checks of `swarmlet doctor PEER`: the link to one member in both directions, and how that member is. Confined to
/// its loop.
struct PeerDoctor {
    let node: MeshNode

    private static let patience = Interval.seconds(8)
    private static let pingPatience = Interval.seconds(1)
    private static let clockWarning = Interval.seconds(1)
    /// A leader that is further off hands over.
    private static let clockFailure = Interval.seconds(10)

    // MARK: For who asks

    func checks(of name: String) async throws -> [CheckView] {
        let member = try MemberViews(node: node).member(named: name)
        guard member.nodeID != node.id, let record = node.state.node(member.nodeID) else {
            throw NodeError.isThisNode(member.name)
        }
        let own = node.views.nodeName(node.id)
        let back = "\(member.name) -> \(own) TCP \(PeerDoctor.port(node.membership.addresses.first))"
        var (there, session) = await reach(record)
        defer { session?.close() }
        guard let (report, clockOffset) = await ask(record.id, over: session) else {
            if there.result == "FAIL" { there.hint = hint(FirewallLine(tool: .ufw), on: record, there.hint) }
            return [
                there,
                CheckView(
                    check: back, result: "FAIL", detail: "\(member.name) cannot be asked",
                    hint: "On \(member.name): swarmlet doctor \(own)"),
            ]
        }
        if there.result == "FAIL" { there.hint = hint(report.firewall, on: record, there.hint) }
        var reachBack = report.reachBack
        reachBack.check = back
        if reachBack.result == "FAIL" {
            let port = PeerDoctor.port(node.membership.addresses.first)
            reachBack.hint = "On \(own): \(PeerDoctor.firewall(node).opening(port: port, transport: "tcp"))"
        }
        let datagrams = try await DatagramChecks(node: node).checks(of: [record], firewall: report.firewall)
        return [there, reachBack] + datagrams + [clock(clockOffset, of: member.name)] + report.checks
    }

    /// Dials the member anew, whatever sessions there are.
    private func reach(_ record: NodeRecord) async -> (CheckView, Session?) {
        let own = node.views.nodeName(node.id)
        let check = "\(own) -> \(record.name) TCP \(PeerDoctor.port(record.addresses.first))"
        do {
            let session = try await node.peers.dialAnew(record.id)
            session.ping()
            let deadline = node.loop.after(PeerDoctor.pingPatience)
            while session.roundTrip == nil, node.loop.now < deadline {
                try await node.loop.sleep(for: .milliseconds(2))
            }
            let time = session.roundTrip.map { ", \(PeerDoctor.milliseconds($0)) ms" } ?? ""
            return (CheckView(check: check, result: "ok", detail: "direct\(time)"), session)
        } catch MeshError.connectTimeout(let address) {
            return (
                relayed(CheckView(check: check, result: "FAIL", detail: "no answer from \(address) in 3 s"), record),
                nil
            )
        } catch {
            let failure = APIFailure(error)
            let view = CheckView(check: check, result: "FAIL", detail: failure.message, hint: failure.hint)
            return (relayed(view, record), nil)
        }
    }

    /// What cannot be reached directly may be reached through another member: that is no failure.
    private func relayed(_ failed: CheckView, _ record: NodeRecord) -> CheckView {
        guard let relay = node.peers.relay(to: record.id) else { return failed }
        var view = failed
        view.result = "warn"
        let time = node.peers.roundTrip(to: record.id).map { ", \(PeerDoctor.milliseconds($0)) ms" } ?? ""
        view.detail = "relayed by \(node.views.nodeName(relay))\(time); directly: \(failed.detail)"
        return view
    }

    /// The word of the member, and how far its clock is ahead of ours; nil where it cannot be asked.
    private func ask(_ id: NodeID, over session: Session?) async -> (DoctorReport, Interval)? {
        guard let session = session ?? node.peers.session(with: id) else { return nil }
        do {
            let stream = try await session.openStream(StreamKind.doctor.rawValue, class: .control)
            let patience = node.loop.schedule(at: node.loop.after(PeerDoctor.patience)) { stream.cancel() }
            defer { node.loop.cancel(patience) }
            // Half of a round trip ago is when its clock was read, but it dials us first: the answer's time is what counts.
            try await stream.send(APIRequest.doctorReport.encoded())
            guard let bytes = try await stream.receive(),
                case .doctorReport(let report) = try APIReply(encoded: bytes)
            else { return nil }
            let travelled = (session.roundTrip ?? .zero).nanoseconds / 2
            let offset = report.wallClock + travelled - EventLoops.wallClock.nanoseconds
            return (report, Interval(nanoseconds: offset))
        } catch {
            return nil
        }
    }

    private func clock(_ offset: Interval, of name: String) -> CheckView {
        let distance = Interval(nanoseconds: abs(offset.nanoseconds))
        let hundredths = (distance.nanoseconds + 5_000_000) / 10_000_000
        let size = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
        let detail = "\(name) is \(size) \(offset.nanoseconds < 0 ? "behind" : "ahead")"
        guard distance > PeerDoctor.clockWarning else { return CheckView(check: "clock", result: "ok", detail: detail) }
        return CheckView(
            check: "clock", result: distance > PeerDoctor.clockFailure ? "FAIL" : "warn", detail: detail,
            hint: "On the host that is wrong: sudo timedatectl set-ntp true")
    }

    private func hint(_ firewall: FirewallLine, on record: NodeRecord, _ otherwise: String?) -> String {
        "On \(record.name): "
            + firewall.opening(port: PeerDoctor.port(record.addresses.first), transport: "tcp")
    }

    // MARK: For who is asked

    func serve(_ stream: any MessageStream, for asker: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return }
        guard case .doctorReport = try APIRequest(encoded: bytes), let record = node.state.node(asker) else {
            throw NodeError.malformedRequest("expected a question about the link")
        }
        let (reachBack, session) = await reach(record)
        session?.close()
        let host = HostChecks(loop: node.loop, host: node.host)
        let report = DoctorReport(
            wallClock: EventLoops.wallClock.nanoseconds,
            checks: host.isolation + [host.eventLoop, node.programCheck.view],
            reachBack: reachBack, firewall: PeerDoctor.firewall(node))
        try await stream.send(APIReply.doctorReport(report).encoded())
        await stream.finish()
    }

    // MARK: Words

    static func port(_ address: String?) -> String { address?.split(separator: ":").last.map(String.init) ?? "-" }

    private static func milliseconds(_ time: Interval) -> String {
        let tenths = (time.nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// How this host would let a port in.
    static func firewall(_ node: MeshNode) -> FirewallLine {
        FirewallLine(tool: tool(), interface: interface(node.membership.addresses))
    }

    /// The interface of all these addresses, if it is one.
    private static func interface(_ addresses: [String]) -> String? {
        let hosts = addresses.map { String($0[..<($0.lastIndex(of: ":") ?? $0.endIndex)]) }
        do throws(RingError) {
            var names: [String] = []
            for interface in try NetworkInterface.all() where hosts.contains(interface.address.host) {
                if !names.contains(interface.name) { names.append(interface.name) }
            }
            return names.count == 1 ? names[0] : nil
        } catch {
            return nil
        }
    }

    private static func tool() -> FirewallLine.Tool {
        do throws(HostError) {
            let lines = try HostFiles.readText("/etc/ufw/ufw.conf").split(separator: "\n")
            if lines.contains("ENABLED=yes") { return .ufw }
        } catch {
            // It is not installed.
        }
        if HostFiles.exists("/run/firewalld") { return .firewalld }
        if HostFiles.exists("/usr/sbin/nft") { return .nftables }
        return HostFiles.exists("/usr/sbin/iptables") ? .iptables : .ufw
    }
}
