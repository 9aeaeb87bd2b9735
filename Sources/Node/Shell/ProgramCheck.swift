import Codec
import GPUBackend
import Scheduler
import Tokens

/// Which program runs here, and who wanted it: a line of `doctor`, and of the daemon's log at its start. Nothing is refused
/// for it: packages put programs in place, too.
struct ProgramCheck {
    let directory: DataDirectory
    /// nil while it was not read.
    let running: Digest?
    /// The id of the mesh's public key.
    let mesh: String
    /// Those who were members.
    var nodes: [NodeRecord] = []

    var view: CheckView {
        guard let running else {
            return warning(
                "it was not read yet, or cannot be", "where this stays: why is in \(directory.daemonLog)")
        }
        let accepted: AcceptedProgram?
        do { accepted = try AcceptedProgram.read(directory) } catch {
            return warning(
                "\(Version.of(running)); who signed it is not known: \(APIFailure(error).message)", ProgramCheck.toSign)
        }
        guard let accepted else {
            return CheckView(
                check: "program", result: "ok",
                detail: "\(Version.of(running)), \(ProgramCheck.byHand)")
        }
        switch accepted.standing(of: running, takenBack: takenBack, mesh: mesh) {
        case .signed(let signed): return self.signed(signed, Version.of(running))
        case .takenBack(let before):
            let back = "; the upgrade to \(text(accepted.signed)) was taken back"
            guard let before else {
                return CheckView(
                    check: "program", result: "ok", detail: "\(Version.of(running)), \(ProgramCheck.byHand)\(back)")
            }
            return self.signed(before, Version.of(running), back)
        case .another(let than):
            return warning(
                "\(Version.of(running)) runs, and not \(text(than)), which was signed for \(than.statement.actor) "
                    + "at \(RFC3339.format(than.statement.time))",
                "was it you, or your package manager? \(ProgramCheck.toSign). Else look who was on this host")
        case .damaged:
            return warning(
                "\(Version.of(running)); what says who signed it was changed, or is of another mesh",
                ProgramCheck.toSign)
        }
    }

    func say(to log: DaemonLog) {
        let view = view
        if view.result == "ok" {
            log.note("this program is \(view.detail)")
        } else {
            log.warning("the program of this daemon: \(view.detail)")
        }
    }

    private static let byHand = "installed by hand, or before programs were signed"
    private static let toSign = "to sign what runs: sudo swarmlet upgrade"

    private func signed(_ signed: AcceptedProgram.Signed, _ version: String, _ more: String = "") -> CheckView {
        let detail =
            "\(version), signed for \(signed.statement.actor) at \(RFC3339.format(signed.statement.time))\(more)"
        let signer = nodes.first { $0.identityKey == signed.key || $0.formerKeys.contains { $0.key == signed.key } }
        guard let signer, signer.revocation != nil else {
            return CheckView(check: "program", result: "ok", detail: detail)
        }
        return warning(
            "\(detail), and \(signer.name) was revoked since",
            "where that host was in other hands, take a program that you know: sudo swarmlet upgrade BINARY")
    }

    /// `0.1.0+1f3a9c0b`: as versions are shown.
    private func text(_ signed: AcceptedProgram.Signed) -> String {
        "\(signed.statement.version.text)+\(signed.statement.program.hex.prefix(8))"
    }

    /// The program whose upgrade was taken back last.
    private var takenBack: Digest? {
        guard let text = directory.readIfPresent(directory.upgradeFailure) else { return nil }
        return Digest(hex: String(decoding: text.prefix(Digest.byteCount * 2), as: UTF8.self))
    }

    private func warning(_ detail: String, _ hint: String) -> CheckView {
        CheckView(check: "program", result: "warn", detail: detail, hint: hint)
    }
}

extension MeshNode {
    var programCheck: ProgramCheck {
        ProgramCheck(
            directory: directory, running: host.program.digest, mesh: membership.meshKey.id.text, nodes: state.nodes)
    }
}
