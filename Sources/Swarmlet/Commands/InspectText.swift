import Codec
import Node
import Scheduler

/// One job or one node, as facts under each other, tables and JSON.
enum InspectText {
    static let attemptColumns = [
        "TASK", "TRY", "NODE", "GPUS", "STATE", "STARTED", "TIME", "CPU", "MEMORY", "READ", "WRITTEN", "FROM",
        "OUTCOME",
    ]
    static let gpuColumns = ["BUSY", "GPU MEMORY", "ENERGY"]
    static let checkpointColumns = ["TASK", "CHECKPOINT", "TRY", "SIZE", "SAVED", "ON"]

    /// Aligned names and values, those without a value left out.
    static func lines(_ facts: [(name: String, value: String?)]) -> String {
        let width = facts.map(\.name.count).max() ?? 0
        return facts.map { fact in
            guard let value = fact.value else { return "" }
            return fact.name + String(repeating: " ", count: width - fact.name.count + 2) + value + "\n"
        }.joined()
    }

    static func text(_ member: MemberView, width: Int?) -> String {
        let facts = lines(facts(member))
        return member.gpus.isEmpty ? facts : facts + "\n" + devices(member.gpus).text(width: width)
    }

    private static func devices(_ gpus: [GPU]) -> Table {
        var table = Table(["GPU", "MODEL", "STATE", "PCI", "NUMA", "LINKS", "DETAIL"])
        for gpu in gpus {
            let links = gpu.links.map { "\($0.path) to \($0.peer)" }.joined(separator: ", ")
            table.add([
                "\(gpu.index)", StatusText.gpus([gpu]).map { String($0.dropFirst(3)) }, StatusText.state(gpu),
                gpu.pciAddress, gpu.numaNode.map { "\($0)" }, links, gpu.obstacle?.text,
            ])
        }
        return table
    }

    private static func facts(_ member: MemberView) -> [(name: String, value: String?)] {
        [
            ("name", member.name),
            ("id", "\(member.shortID) (\(member.keyID))"),
            ("state", member.state),
            ("raft", member.raft),
            ("role", "\(member.role)"),
            (
                "takes work",
                member.drain.map { drain in
                    let since = Timestamp.rfc3339(Instant(nanoseconds: drain.since))
                    let end = drain.deadline.map { ", until \(Timestamp.rfc3339(Instant(nanoseconds: $0)))" } ?? ""
                    return "no: \(drain.kind) by \(drain.by) since \(since)\(end)"
                        + (drain.reason.isEmpty ? "" : ": \(drain.reason)")
                } ?? member.closed.map { "no: \($0)" }
            ),
            (member.state == "away" ? "absence" : "inactive", member.notice),
            ("hardware", StatusText.hardware(member.cpus, member.memoryBytes, member.gpus)),
            ("free GPUs", member.gpus.isEmpty ? nil : "\(member.freeGPUs)"),
            ("address", member.address),
            (
                "labels",
                member.labels.isEmpty ? nil : member.labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
            ),
            ("version", member.version),
        ]
    }

    static func text(_ detail: JobDetail, width: Int?) -> String {
        var text = lines(facts(detail))
        if !detail.attempts.isEmpty { text += "\n" + attempts(detail.attempts).text(width: width) }
        if !detail.checkpoints.isEmpty { text += "\n" + checkpoints(detail.checkpoints).text(width: width) }
        return text
    }

    private static func facts(_ detail: JobDetail) -> [(name: String, value: String?)] {
        let view = detail.view
        return [
            ("job", "\(view.id)"),
            ("name", view.name),
            ("user", view.user),
            ("state", JobsText.state(view)),
            ("reason", view.reason),
            ("exit code", view.exitCode.map { "\($0)" }),
            ("command", ShellWords.text(detail.command)),
            ("asks for", resources(detail.resources)),
            (
                "gang",
                detail.gang.map { gang in
                    let meeting = gang.masterAddress.map { ", meets at \($0) port \(gang.masterPort ?? 0)" } ?? ""
                    let nodes = gang.nodes == 1 ? "1 node" : "\(gang.nodes) nodes"
                    return
                        "\(nodes), \(gang.tasksPerNode == 1 ? "1 task" : "\(gang.tasksPerNode) tasks") on each\(meeting)"
                }
            ),
            ("tasks", view.tasks == 1 ? nil : "\(view.tasksEnded) of \(view.tasks) ended"),
            ("submitted", Timestamp.rfc3339(Instant(nanoseconds: view.submittedAt))),
            ("started", view.startedAt.map { Timestamp.rfc3339(Instant(nanoseconds: $0)) }),
            ("ended", view.endedAt.map { Timestamp.rfc3339(Instant(nanoseconds: $0)) }),
            (
                "results",
                detail.results.map {
                    "\($0.files == 1 ? "1 file" : "\($0.files) files"), \(ByteSize.text($0.bytes)), "
                        + "on \($0.holders.joined(separator: ", "))"
                }
            ),
        ]
    }

    static func resources(_ resources: ResourcesView) -> String {
        var parts: [String] = []
        if resources.gpus > 0 {
            let size = resources.gpuMemoryBytes.map { " with \(ByteSize.text($0))" } ?? ""
            parts.append((resources.gpus == 1 ? "1 GPU" : "\(resources.gpus) GPUs") + size)
        }
        let thousandths = resources.cpuMillis % 1000
        let whole = resources.cpuMillis / 1000
        if thousandths == 0 {
            parts.append(whole == 1 ? "1 CPU" : "\(whole) CPUs")
        } else {
            let digits = String(String(1000 + thousandths).dropFirst().reversed().drop { $0 == "0" }.reversed())
            parts.append("\(whole).\(digits) CPUs")
        }
        if let memory = resources.memoryBytes { parts.append("\(ByteSize.text(memory)) memory") }
        return parts.joined(separator: ", ")
    }

    private static func attempts(_ attempts: [AttemptView]) -> Table {
        // Only where somebody had devices: the table is wide enough.
        let hasGPUs = attempts.contains { !$0.gpus.isEmpty }
        var table = Table(attemptColumns.dropLast(2) + (hasGPUs ? gpuColumns : []) + attemptColumns.suffix(2))
        for attempt in attempts {
            let time = attempt.startedAt.map { start in
                TimeSpan.text(Interval(nanoseconds: max(0, (attempt.endedAt ?? Clock.wall().nanoseconds) - start)))
            }
            let cells: [String?] = [
                "\(attempt.task)", "\(attempt.number)", attempt.node, attempt.gpus.joined(separator: ", "),
                attempt.state.name, attempt.startedAt.map { Timestamp.rfc3339(Instant(nanoseconds: $0)) }, time,
                attempt.usage.map { TimeSpan.text(Interval(nanoseconds: Int64(clamping: $0.cpuMicroseconds) * 1_000)) },
                attempt.usage.map { ByteSize.text($0.peakMemoryBytes) },
                attempt.usage.map { ByteSize.text($0.readBytes) }, attempt.usage.map { ByteSize.text($0.writtenBytes) },
            ]
            table.add(
                cells + (hasGPUs ? gpuCells(attempt.usage?.gpu) : [])
                    + [attempt.resumedFrom.map { "checkpoint \($0)" }, attempt.outcome])
        }
        return table
    }

    private static func gpuCells(_ usage: GPUUsage?) -> [String?] {
        [
            usage?.utilisation.map { "\($0)%" }, usage?.peakMemoryBytes.map { ByteSize.text($0) },
            usage?.millijoules.map { $0 < 3_600_000 ? "\($0 / 1_000) J" : "\($0 / 3_600_000) Wh" },
        ]
    }

    private static func checkpoints(_ checkpoints: [CheckpointView]) -> Table {
        var table = Table(checkpointColumns)
        for checkpoint in checkpoints {
            table.add([
                "\(checkpoint.task)", "\(checkpoint.number)", "\(checkpoint.attempt)", ByteSize.text(checkpoint.bytes),
                Timestamp.rfc3339(Instant(nanoseconds: checkpoint.recordedAt)),
                checkpoint.holders.joined(separator: ", "),
            ])
        }
        return table
    }

    static func json(_ detail: JobDetail) -> JSON {
        var fields = JobsText.fields(detail.view)
        fields += [
            ("command", .array(detail.command.map { .string($0) })),
            ("cpus", .number(Double(detail.resources.cpuMillis) / 1000)),
            ("memory_bytes", detail.resources.memoryBytes.map { .count($0) } ?? .null),
            ("gpu_memory_bytes", detail.resources.gpuMemoryBytes.map { .count($0) } ?? .null),
            (
                "gang",
                detail.gang.map { gang in
                    .object([
                        ("nodes", .integer(Int64(gang.nodes))), ("tasks_per_node", .integer(Int64(gang.tasksPerNode))),
                        ("master_addr", .optional(gang.masterAddress)),
                        ("master_port", gang.masterPort.map { .integer(Int64($0)) } ?? .null),
                    ])
                } ?? .null
            ),
            ("working_tree", .optional(detail.workingTree?.hex)),
            ("attempts_list", .array(detail.attempts.map(json))),
            ("checkpoints", .array(detail.checkpoints.map(json))),
            (
                "results",
                detail.results.map {
                    .object([
                        ("files", .integer(Int64($0.files))), ("bytes", .count($0.bytes)),
                        ("tree", .string($0.tree.hex)), ("holders", .array($0.holders.map { .string($0) })),
                    ])
                } ?? .null
            ),
        ]
        return .object([("schema_version", .integer(1)), ("job", .object(fields))])
    }

    private static func json(_ attempt: AttemptView) -> JSON {
        .object([
            ("task", .integer(Int64(attempt.task))), ("number", .integer(Int64(attempt.number))),
            ("node", .string(attempt.node)), ("gpus", .array(attempt.gpus.map { .string($0) })),
            ("state", .string(attempt.state.name)), ("placed_at", .time(attempt.placedAt)),
            ("started_at", .time(attempt.startedAt)), ("ended_at", .time(attempt.endedAt)),
            ("outcome", .optional(attempt.outcome)), ("exit_code", .optional(attempt.exitCode)),
            ("resumed_from", attempt.resumedFrom.map { .count($0) } ?? .null),
            ("usage", attempt.usage.map(json) ?? .null), ("setup", attempt.setup.map(json) ?? .null),
        ])
    }

    private static func json(_ setup: AttemptSetup) -> JSON {
        .object([
            ("seconds", .number(Double(setup.milliseconds) / 1_000)), ("use", .string(setup.use.name)),
            ("from_job", setup.from.map { .string("\($0)") } ?? .null), ("not_kept_because", .optional(setup.reason)),
        ])
    }

    private static func json(_ usage: AttemptUsage) -> JSON {
        .object([
            ("cpu_seconds", .number(Double(usage.cpuMicroseconds) / 1e6)),
            ("peak_memory_bytes", .count(usage.peakMemoryBytes)), ("read_bytes", .count(usage.readBytes)),
            ("written_bytes", .count(usage.writtenBytes)), ("counted_by", .string(usage.source.text)),
            (
                "gpu",
                usage.gpu.map { gpu in
                    .object([
                        ("utilisation_percent", gpu.utilisation.map { .integer(Int64($0)) } ?? .null),
                        ("peak_memory_bytes", gpu.peakMemoryBytes.map { .count($0) } ?? .null),
                        ("joules", gpu.millijoules.map { .number(Double($0) / 1_000) } ?? .null),
                    ])
                } ?? .null
            ),
        ])
    }

    private static func json(_ checkpoint: CheckpointView) -> JSON {
        .object([
            ("task", .integer(Int64(checkpoint.task))), ("number", .count(checkpoint.number)),
            ("attempt", .integer(Int64(checkpoint.attempt))), ("bytes", .count(checkpoint.bytes)),
            ("holders", .array(checkpoint.holders.map { .string($0) })), ("recorded_at", .time(checkpoint.recordedAt)),
            ("tree", .string(checkpoint.tree.hex)),
        ])
    }
}
