import CLinux
import Codec
import Node
import Scheduler

/// `swarmlet join`: makes this host a member of a mesh, by an invitation or by a peer whose operator approves.
enum JoinCommand {
    static let declaration = Command(
        "join", summary: "Make this host a member of a mesh",
        operands: .words(placeholder: "-|file:PATH|env:VARIABLE|PEER", least: 0, most: 1),
        flags: [
            Flag(
                "role", .choice(["auto", "worker", "client"]),
                "worker: never votes, never admits others; client: nor runs jobs, it only submits"),
            Flag("trust-first-use", "with PEER: take the fingerprint it shows as true"),
        ] + HostFlags.node,
        details: [
            "An invitation is read from stdin (-), a file or a variable, so that it is in no list of processes.\n"
                + "With PEER (HOST or HOST:PORT) the node waits until an operator of the mesh types swarmlet approve.\n"
                + "Without either it lists the meshes that answer on this network, and asks."
        ],
        examples: [
            .init("swarmlet invite | ssh lynx swarmlet join -", "from a member: add lynx"),
            .init("swarmlet join - < lab.inv", "use an invitation that was kept in a file"),
            .init("swarmlet join - --role client < lab.inv", "a laptop that only submits"),
            .init("swarmlet join 192.168.1.11", "knock there and wait for approve"),
            .init("swarmlet join", "see what meshes there are"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let source: Source
        if let operand = invocation.operands.first {
            source = try Source(operand)
        } else {
            source = Source(peer: try nearby(terminal).peer)
        }
        guard source.invitation != nil || invocation.has("trust-first-use") || terminal.stderrIsInteractive else {
            throw .conflict(
                message: "join PEER shows a fingerprint to compare, and nobody is there to compare it",
                hint: "use an invitation: swarmlet join -, or take it as it comes: --trust-first-use")
        }
        let directory = try DataDirectory.chosen(invocation)
        try DaemonStarter(directory).ensureRunning(
            try HostFlags.forwarded(invocation), terminal,
            keys: .passphrase { () throws(CommandError) in
                try PassphraseSource.forStart(invocation, directory, command: "join", terminal)
            })
        let client = try LocalClient(directory)
        var request = JoinRequest(
            invitation: source.invitation, peer: source.peer, trustFirstUse: invocation.has("trust-first-use"),
            nodeName: invocation.text("name"), role: role(invocation),
            labels: Labels.sorted(invocation.pairs("labels")))
        try client.send(.join(request))
        while true {
            switch try client.reply() {
            case .joining(let progress):
                if !request.trustFirstUse {
                    try confirm(progress, terminal)
                    request.trustFirstUse = true
                    try client.send(.join(request))
                }
                terminal.warn(
                    "this is \(progress.nodeName) (\(progress.nodeFingerprint)). Waiting for this on a member: "
                        + "swarmlet approve \(progress.nodeName)")
            case .status(let status): return try finish(status, terminal)
            default: throw .badAnswer(reason: "another reply than progress or a status")
            }
        }
    }

    /// One of the meshes that answer on this network.
    private static func nearby(_ terminal: Terminal) throws(CommandError) -> NearbyMeshes.Nearby {
        let nearby = NearbyMeshes.look(terminal)
        guard let first = nearby.meshes.first else {
            let message =
                nearby.reason.map { "this host cannot ask for meshes: \($0)" } ?? "no mesh answers on this network"
            throw .refused(
                APIFailure(
                    code: "mesh.join.none_nearby", message: message,
                    hint: "name a member: swarmlet join HOST. Or bring an invitation of one: swarmlet join -"))
        }
        terminal.warn("meshes on this network:")
        for (number, mesh) in nearby.meshes.enumerated() {
            terminal.warn("\(number + 1)  \(mesh.name)  \(mesh.fingerprint)  \(mesh.who), \(mesh.peer)")
        }
        let hint = "knock at one: swarmlet join \(first.peer)"
        if nearby.meshes.count == 1 {
            guard try terminal.confirm("join mesh \(first.name)?", hint: hint) else { throw .declined(what: "join") }
            return first
        }
        guard let choice = try terminal.choose("join which one?", among: nearby.meshes.count, hint: hint) else {
            throw .declined(what: "join")
        }
        return nearby.meshes[choice]
    }

    private static func role(_ invocation: Invocation) -> NodeRole {
        switch invocation.text("role") {
        case "worker": .worker
        case "client": .client
        default: .auto
        }
    }

    private static func confirm(_ progress: JoinProgress, _ terminal: Terminal) throws(CommandError) {
        let question = "first contact with the mesh \(progress.meshFingerprint). Does swarmlet members show this there?"
        guard try terminal.confirm(question, hint: "take it as it comes: --trust-first-use") else {
            throw .declined(what: "join")
        }
    }

    private static func finish(_ status: StatusView, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard terminal.format == .text else {
            try terminal.result(StatusText.json(status))
            return ExitCode.success
        }
        // Said in a pipe as well: over ssh this line is how the inviting person learns that it worked.
        terminal.warn(StatusText.joined(status))
        if let taken = status.nameTaken, let name = status.nodeName {
            terminal.warn("the name \(taken) is taken in this mesh: this node is \(name)")
        }
        for sentence in status.weaker { terminal.note("\(sentence). See: swarmlet doctor") }
        return ExitCode.success
    }

    /// What was typed after `join`.
    struct Source {
        var invitation: String?
        var peer: String?

        init(peer: String) { self.peer = peer }

        init(_ operand: String) throws(CommandError) {
            invitation = try SecretLine.read(operand, what: "an invitation", beginsWith: "swm1")
            if invitation == nil { peer = operand }
        }
    }
}
