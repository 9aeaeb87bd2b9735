import Codec
import Node
import Scheduler
import Tokens

/// `swarmlet run --dry-run`: what would be sent and where it would run. Nothing is sent but what is asked for.
struct DryRun {
    private let spec: JobSpec
    private let tree: WorkingTree?
    private let invocation: Invocation
    private let terminal: Terminal

    init(_ spec: JobSpec, _ tree: WorkingTree?, _ invocation: Invocation, _ terminal: Terminal) {
        self.spec = spec
        self.tree = tree
        self.invocation = invocation
        self.terminal = terminal
    }

    func run() throws(CommandError) -> Int32 {
        guard !invocation.has("here") else {
            throw .conflict(
                message: "--here has no mesh that could say where it would run", hint: "leave out --dry-run or --here")
        }
        let token = try GuestDoor.token(invocation)
        if let token { try GuestDoor.check(spec, token) }
        let request = SubmitRequest(request: RunSession.randomRequest(), spec: spec)
        guard case .planned(let view) = try LocalClient.call(.plan(request), try DataDirectory.chosen(invocation))
        else { throw .badAnswer(reason: "another reply than to a dry run") }
        if terminal.format == .json {
            try terminal.result(json(view))
        } else {
            var lines = [("send", sent), ("place", place(view)), ("limit", limit(of: view.spec))]
            if let token { lines.append(("token", use(of: token, view))) }
            try terminal.result(
                lines.map { name, text in name + String(repeating: " ", count: 7 - name.utf8.count) + text + "\n" }
                    .joined())
        }
        return ExitCode.success
    }

    private var sent: String {
        guard let tree else { return "nothing" }
        return "\(tree.sizeText) from \(WorkingDirectory.short(tree.path))\(tree.ignoredText)"
    }

    private func place(_ view: PlanView) -> String {
        guard let first = view.places.first else {
            return "later: " + (view.reason ?? "it waits") + (view.startsWhen.map { "; starts when: \($0)" } ?? "")
        }
        let nodes = view.places.map(\.node).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        var text = "now, on " + nodes.prefix(4).joined(separator: ", ") + (nodes.count > 4 ? " and others" : "")
        if view.places.count == 1, !first.gpus.isEmpty { text += ": " + first.gpus.joined(separator: ", ") }
        if spec.tasks > 1 { text += "; \(view.places.count) of \(spec.tasks) tasks at once" }
        return text
    }

    private func limit(of spec: JobSpec) -> String {
        var parts: [String] = []
        if spec.resources.gpus > 0 { parts.append(spec.resources.gpus == 1 ? "1 GPU" : "\(spec.resources.gpus) GPUs") }
        parts.append(AccessLimit.cpu.text(Int64(clamping: spec.resources.cpuMillis)))
        if let bytes = spec.resources.memoryBytes { parts.append(ByteSize.text(bytes)) }
        if let limit = spec.timeLimitMilliseconds {
            parts.append(AccessLimit.wall.text(Int64(clamping: (limit + 999) / 1_000)))
        }
        let network =
            switch spec.sandbox?.network {
            case .off: "no network"
            case .setupOnly: "network on in setup, off in the run"
            case .on, nil: "network on, by a proxy"
            }
        return parts.joined(separator: ", ") + "; " + network
    }

    private func use(of token: AccessToken, _ view: PlanView) -> String {
        guard let left = view.left else { return "would start one more job" }
        let uses = max(token.grant.uses, 1)
        return "would use 1 of \(uses) jobs" + (uses == 1 ? "" : "; \(left) are left")
    }

    private func json(_ view: PlanView) -> JSON {
        .object([
            ("schema_version", .integer(1)),
            ("files", .integer(Int64(clamping: tree?.manifest.fileCount ?? 0))),
            ("bytes", .integer(Int64(clamping: tree?.manifest.byteCount ?? 0))),
            (
                "places",
                .array(
                    view.places.map { place in
                        .object([("node", .string(place.node)), ("gpus", .array(place.gpus.map { .string($0) }))])
                    })
            ),
            ("waiting_tasks", .integer(Int64(view.waiting))), ("reason", .optional(view.reason)),
            ("starts_when", .optional(view.startsWhen)),
            ("token_jobs_left", view.left.map { .integer(Int64(clamping: $0)) } ?? .null),
        ])
    }
}
