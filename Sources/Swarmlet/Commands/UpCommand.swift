import Codec
import Node
import Scheduler

/// `swarmlet up`: starts the daemon of this host and, where it is in no mesh, founds one.
enum UpCommand {
    static let declaration = Command(
        "up", summary: "Start a mesh on this host, or wake this host's node",
        flags: [Flag("mesh", .text(placeholder: "NAME"), "name of the new mesh (default: the node's name)")]
            + HostFlags.node,
        details: [
            "Starts the daemon in the background and returns when it is ready. May be repeated: a node that is up\n"
                + "stays as it is, with the flags it was started with; a node that was in a mesh goes back to it.\n"
                + "In a terminal it asks before it starts a mesh beside one that answers on this network, and for the\n"
                + "passphrase where the keys of this host are locked. Keys that it makes under a passphrase are locked."
        ],
        examples: [
            .init("swarmlet up --mesh lab", "start a mesh named lab"),
            .init("swarmlet up --listen 192.168.1.11", "listen on one address only"),
            .init("swarmlet up --simulate-gpus 2", "try it without GPUs"),
            .init("swarmlet up --passphrase file:/run/user/1000/secret", "where swarmlet key lock has locked its keys"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        try DaemonStarter(directory).ensureRunning(
            try HostFlags.forwarded(invocation), terminal,
            keys: .passphrase { () throws(CommandError) in
                try PassphraseSource.forStart(invocation, directory, command: "up", terminal)
            })
        if terminal.canAsk, try isInNoMesh(directory) { try askWhereOthersAre(terminal) }
        let request = UpRequest(
            meshName: invocation.text("mesh"), nodeName: invocation.text("name"),
            labels: Labels.sorted(invocation.pairs("labels")), listen: invocation.text("listen"),
            port: invocation.count("port").map { UInt16($0) }, simulatedGPUs: invocation.text("simulate-gpus"),
            leastProfile: HostFlags.leastProfile(invocation), allowedMounts: try HostFlags.allowedMounts(invocation),
            owner: try HostFlags.owner(invocation))
        guard case .status(let status) = try LocalClient.call(.up(request), directory) else {
            throw .badAnswer(reason: "another reply than a status")
        }
        if !status.notApplied.isEmpty {
            let stop = status.process.map { "kill \($0)" } ?? "end its process"
            terminal.warn(
                "the daemon was running already, without \(status.notApplied.joined(separator: " ")). Stop it, then up "
                    + "again (jobs go on): \(stop)")
        }
        return try finish(status, terminal)
    }

    private static func isInNoMesh(_ directory: DataDirectory) throws(CommandError) -> Bool {
        guard case .status(let status) = try LocalClient.call(.status, directory) else { return false }
        return !status.inMesh
    }

    /// A mesh beside another one is seldom what was meant.
    private static func askWhereOthersAre(_ terminal: Terminal) throws(CommandError) {
        let meshes = NearbyMeshes.look(terminal).meshes
        guard let first = meshes.first else { return }
        for mesh in meshes { terminal.note("on this network: mesh \(mesh.name) (\(mesh.fingerprint)), \(mesh.who)") }
        let join = "swarmlet join \(first.peer)"
        guard try terminal.confirm("start another mesh here? To join mesh \(first.name) instead: \(join)", hint: join)
        else { throw .declined(what: "up") }
    }

    private static func finish(_ status: StatusView, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard terminal.format == .text else {
            try terminal.result(StatusText.json(status))
            return ExitCode.success
        }
        let mesh = status.meshName ?? "-"
        terminal.note(
            status.founded
                ? "mesh \(mesh) started; fingerprint \(status.meshFingerprint ?? "-")"
                : "mesh \(mesh) is up; fingerprint \(status.meshFingerprint ?? "-")")
        terminal.note("node " + StatusText.node(status) + StatusText.addresses(status))
        for sentence in status.weaker { terminal.note("\(sentence). See: swarmlet doctor") }
        if status.founded {
            terminal.note("keep a copy of the mesh key off this host: swarmlet key export > \(mesh).key")
        }
        return ExitCode.success
    }
}
