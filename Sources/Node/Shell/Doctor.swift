import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler

/// The checks of `swarmlet doctor`, each with what to do where it fails.
struct Doctor {
    let daemon: Daemon

    func checks() async throws -> [CheckView] {
        let host = HostChecks(loop: daemon.loop, host: daemon.host)
        var checks = [host.eventLoop] + host.isolation + host.devices + [keys]
        if let failure = daemon.discoveryFailure {
            checks.append(
                CheckView(
                    check: "discovery", result: "warn", detail: failure,
                    hint: "everything else works; to join, name a member or use an invitation"))
        }
        guard let node = daemon.node else {
            return checks + [
                CheckView(check: "mesh", result: "warn", detail: "in no mesh", hint: NodeError.notInMesh.hint)
            ]
        }
        checks.append(node.programCheck.view)
        checks.append(log(node))
        if node.failure != nil { return checks }
        if !DiskReserve.isKept(in: node.directory.path) {
            checks.append(
                CheckView(
                    check: "room", result: "warn", detail: "the disk has too little room to keep some for the log",
                    hint: "make room on the file system of \(node.directory.path)"))
        }
        checks.append(leader(node))
        checks += clock(node)
        let others = node.state.members.filter { $0.id != node.id }
        checks += others.map { session(node, $0) }
        checks += try await DatagramChecks(node: node).checks(of: others)
        checks += relays(node)
        checks += twins(node)
        checks.append(history(node))
        checks.append(audit(node))
        checks += endings(node)
        checks += inactive(node)
        return checks
    }

    /// Whether a passphrase locks the keys of this host. Both is well; a part of them is what a lock that was cut short leaves.
    private var keys: CheckView {
        let name = "keys"
        do {
            let standing = try KeysAtRest.standing(daemon.directory)
            guard standing.locked > 0 else {
                return CheckView(check: name, result: "ok", detail: "not locked by a passphrase")
            }
            guard standing.open > 0 else {
                return CheckView(check: name, result: "ok", detail: "locked by a passphrase")
            }
            return CheckView(
                check: name, result: "warn",
                detail: "\(standing.locked) of \(standing.locked + standing.open) files are locked by a passphrase",
                hint: "stop the daemon, then lock the rest: swarmlet key lock")
        } catch {
            let failure = APIFailure(error)
            return CheckView(check: name, result: "FAIL", detail: failure.message, hint: failure.hint)
        }
    }

    private func log(_ node: MeshNode) -> CheckView {
        let name = "raft log"
        if let failure = node.reasonOfFailure.map(APIFailure.init) {
            return CheckView(check: name, result: "FAIL", detail: failure.message, hint: failure.hint)
        }
        if let damage = node.driver.damage {
            return CheckView(check: name, result: "FAIL", detail: "damaged: \(damage.message)", hint: damage.hint)
        }
        guard let remark = node.driver.logRemark else {
            let raft = node.driver.core.raft
            return CheckView(
                check: name, result: "ok", detail: "whole up to entry \(raft.lastIndex) of term \(raft.term)")
        }
        return CheckView(
            check: name, result: "warn", detail: "whole again; at the start of this daemon: \(remark)",
            hint: "look into the kernel's log for errors of the disk")
    }

    /// Nothing of the mesh depends on it, so it is a warning at most.
    private func history(_ node: MeshNode) -> CheckView {
        if let failure = node.history.failure {
            return CheckView(
                check: "history", result: "warn", detail: "finished jobs are kept no more: \(failure)",
                hint: "make room or mend the disk, then restart the daemon: it gets what it missed from other members")
        }
        let missing = node.state.archivedCount - min(node.state.archivedCount, node.history.completeThrough)
        guard missing > 0, node.history.isIdle else {
            return CheckView(check: "history", result: "ok", detail: "\(node.history.completeThrough) finished jobs")
        }
        return CheckView(
            check: "history", result: "warn", detail: "\(missing) finished jobs are not here yet",
            hint: "they come from other members while these can be reached")
    }

    /// That two logs were shown is somebody's doing, and fails; all else mends itself.
    private func audit(_ node: MeshNode) -> CheckView {
        let name = "audit log"
        guard node.state.isAudited else {
            return CheckView(
                check: name, result: "ok", detail: "none at level \(node.state.level) of the mesh's protocol")
        }
        if let failure = node.audit.failure {
            return CheckView(
                check: name, result: "warn", detail: "it is kept no more on this host: \(failure)",
                hint: "make room or mend the disk, then restart the daemon: it gets what it missed from other members")
        }
        if let first = node.audit.contradictions.first {
            return CheckView(
                check: name, result: "FAIL", detail: "two logs of \(first.size) events were signed",
                hint: "both notes: swarmlet audit verify. A node in wrong hands: swarmlet node revoke NAME")
        }
        if let failure = node.auditKeeper.own.failure {
            return CheckView(
                check: name, result: "warn", detail: "whom this host turns away is written down no more: \(failure)",
                hint: "make room or mend the disk, then restart the daemon")
        }
        let size = node.state.auditSize
        return AuditExchange(node: node).isFarBehind
            ? CheckView(
                check: name, result: "warn", detail: "\(size - min(size, node.audit.size)) events are not here yet",
                hint: "they come from other members while these can be reached")
            : CheckView(check: name, result: "ok", detail: "\(size) events")
    }

    /// What this host shows to outsiders, and what else ends soon.
    private func endings(_ node: MeshNode) -> [CheckView] {
        let endings = MemberViews(node: node).endings().map { ending in
            CheckView(
                check: ending.what, result: ending.ends > EventLoops.wallClock.nanoseconds ? "warn" : "FAIL",
                detail: ending.detail, hint: ending.hint)
        }
        return [node.certificates.check].compactMap { $0 } + endings
    }

    private func leader(_ node: MeshNode) -> CheckView {
        if let leader = node.driver.core.raft.leader {
            return CheckView(check: "leader", result: "ok", detail: node.views.nodeName(leader))
        }
        let seconds = Int(node.staleness?.seconds ?? 0)
        return CheckView(
            check: "leader", result: "FAIL", detail: "none for \(seconds) s", hint: NodeError.noLeader(seconds: 0).hint)
    }

    /// A key that two hosts use at once: a data directory was copied.
    private func twins(_ node: MeshNode) -> [CheckView] {
        node.twins.map { twin in
            let name = node.views.nodeName(twin.member)
            let place = twin.addresses.isEmpty ? "" : ", at \(twin.addresses.joined(separator: " and "))"
            let witnesses = twin.seenBy.map { node.views.nodeName($0) }.joined(separator: ", ")
            return CheckView(
                check: "key of \(name)", result: "FAIL",
                detail: "two hosts use it\(place); heard by \(witnesses)",
                hint: "take one of them away; if a copy is in other hands: swarmlet rotate node, on \(name) itself")
        }
    }

    /// Of two clocks nobody knows which is wrong.
    private func clock(_ node: MeshNode) -> [CheckView] {
        guard let ahead = node.clockAhead else { return [] }
        guard let seconds = node.clockUnfit else {
            let tenths = (abs(ahead) + 50_000_000) / 100_000_000
            let side = ahead < 0 ? "behind" : "ahead of"
            return [
                CheckView(
                    check: "clock", result: "ok",
                    detail: "\(tenths / 10).\(tenths % 10) s \(side) the middle of the voters'")
            ]
        }
        let detail = "\(MeshNode.clockText(seconds)) the middle of the voters': this host issues and verifies no tokens"
        return [CheckView(check: "clock", result: "FAIL", detail: detail, hint: "sudo timedatectl set-ntp true")]
    }

    /// What this host carries for others that cannot reach each other.
    private func relays(_ node: MeshNode) -> [CheckView] {
        let meters = node.relays.meters
        return meters.keys.sorted().compactMap { pair in
            guard let meter = meters[pair], meter.sessions > 0 else { return nil }
            return CheckView(
                check: "relay \(node.views.nodeName(pair.lower)) - \(node.views.nodeName(pair.higher))", result: "ok",
                detail: "\(ByteSize.text(meter.byteCount)) carried, \(meter.sessions) sessions now")
        }
    }

    /// Hosts that have been dead for so long that somebody should look.
    private func inactive(_ node: MeshNode) -> [CheckView] {
        node.state.members.compactMap { member in
            guard let notice = MemberViews(node: node).notice(member) else { return nil }
            return CheckView(
                check: "\(member.name) inactive", result: "warn", detail: notice,
                hint: "if it will not come back: swarmlet node remove \(member.name)")
        }
    }

    private func session(_ node: MeshNode, _ member: NodeRecord) -> CheckView {
        let own = node.views.nodeName(node.id)
        let address = member.addresses.first ?? "-"
        let check = "\(own) -> \(member.name) TCP \(address.split(separator: ":").last ?? "")"
        guard node.peers.isConnected(member.id) else {
            return CheckView(
                check: check, result: "FAIL", detail: "no answer from \(address)",
                hint: "on \(member.name): is the daemon up, and does the firewall let TCP in?")
        }
        let path = node.peers.relay(to: member.id).map { "relayed by \(node.views.nodeName($0))" } ?? "direct"
        guard let time = node.peers.roundTrip(to: member.id) else {
            return CheckView(check: check, result: "ok", detail: path)
        }
        return CheckView(check: check, result: "ok", detail: "\(path), \(Self.text(time))")
    }

    /// Milliseconds with a tenth.
    static func text(_ time: Interval) -> String {
        let tenths = (time.nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
