import Codec
import Node
import Scheduler

/// Members as a table and as JSON.
enum MembersText {
    static let columns = ["NAME", "ID", "STATE", "RAFT", "CPUS", "MEMORY", "GPUS", "FREE", "ADDRESS", "RTT"]

    static func table(_ view: MembersView) -> Table {
        // Where all run the same there is nothing to tell.
        let versions = view.members.map(\.version)
        let isMixed = versions.contains { $0 != versions[0] }
        var table = Table(isMixed ? columns + ["VERSION"] : columns)
        for member in view.members {
            var row: [String?] = [
                member.name, member.shortID, member.state, member.raft, "\(member.cpus)",
                ByteSize.capacity(member.memoryBytes), StatusText.gpus(member.gpus),
                member.gpus.isEmpty ? nil : "\(member.freeGPUs)", member.address,
                member.roundTripMicroseconds.map(roundTrip),
            ]
            if isMixed { row.append(member.version) }
            table.add(row)
        }
        return table
    }

    /// `0.3 ms`.
    static func roundTrip(_ microseconds: UInt64) -> String {
        let tenths = (microseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) ms"
    }

    static func json(_ view: MembersView) -> JSON {
        .object([
            ("schema_version", .integer(1)),
            ("mesh", .string(view.meshName)),
            ("fingerprint", .string(view.meshFingerprint)),
            ("stale_seconds", view.staleMilliseconds.map { .number(Double($0) / 1000) } ?? .null),
            ("members", .array(view.members.map(json))),
            (
                "waiting",
                .array(
                    view.waiting.map {
                        .object([
                            ("name", .string($0.name)), ("id", .string($0.shortID)), ("address", .string($0.address)),
                            ("since", .time($0.since)),
                        ])
                    })
            ),
            (
                "endings",
                .array(
                    view.endings.map {
                        .object([
                            ("what", .string($0.what)), ("ends", .time($0.ends)), ("detail", .string($0.detail)),
                            ("hint", .string($0.hint)),
                        ])
                    })
            ),
        ])
    }

    static func json(_ member: MemberView) -> JSON {
        .object([
            ("name", .string(member.name)),
            ("id", .string(member.shortID)),
            ("key_id", .string(member.keyID)),
            ("state", .string(member.state)),
            ("raft", .optional(member.raft)),
            ("role", .string("\(member.role)")),
            ("cpus", .integer(Int64(member.cpus))),
            ("memory_bytes", .count(member.memoryBytes)),
            ("gpus", .array(member.gpus.map(StatusText.json))),
            ("free_gpus", .integer(Int64(member.freeGPUs))),
            ("address", .string(member.address)),
            ("round_trip_seconds", member.roundTripMicroseconds.map { .number(Double($0) / 1_000_000) } ?? .null),
            ("labels", .object(member.labels.map { ($0.name, .string($0.value)) })),
            ("version", .string(member.version)),
            ("load", member.loadHundredths.map { .number(Double($0) / 100) } ?? .null),
            (
                "drain",
                member.drain.map { drain in
                    .object([
                        ("kind", .string("\(drain.kind)")), ("since", .time(drain.since)),
                        ("deadline", .time(drain.deadline)), ("by", .string(drain.by)),
                        ("reason", .string(drain.reason)),
                    ])
                } ?? .null
            ),
            ("closed", .optional(member.closed)),
        ])
    }
}
