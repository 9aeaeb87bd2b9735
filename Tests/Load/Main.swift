import Codec
import Glibc
import Simulation

/// `load writes SOCKET CLIENTS SECONDS BYTES`: so many clients on one daemon write settings of so many bytes; writes per
/// second and latencies as one line of JSON.
/// `load failover PID SOCKET...`: connects to the sockets, ends the process with SIGKILL, writes once on each connection,
/// and prints the milliseconds until the first write is acknowledged.
/// `load fill DIRECTORY STATE_BYTES LOG_BYTES`: a stopped mesh of one gets so much state in a snapshot, and so much log.
/// `load compaction DIRECTORY ENTRIES`: a log in an empty directory is written, compacted and written on, and timed.
/// `load echo tcp|session io_uring|epoll SECONDS [PORT]`: one kilobyte there and back; of an echo server at a port, or ours.
/// `load classes control|log bulk|idle SECONDS`: what messages of a class wait while bulk fills their session.
/// `load tokens SECONDS`: how many tokens a core issues and verifies in a second, so long for each.
/// `load soak SECONDS CLIENTS SEED SOCKET...`: clients write and read on all daemons; the history must be linearizable.
@main struct Load {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        do throws(LoadError) {
            switch words.first {
            case "writes" where words.count == 5:
                guard let clients = Int(words[2]), let seconds = Double(words[3]), let bytes = Int(words[4]) else {
                    return usage()
                }
                try writes(words[1], clients, seconds, bytes)
            case "failover" where words.count >= 3:
                guard let process = pid_t(words[1]), process > 1 else { return usage() }
                try failover(process, Array(words[2...]))
            case "soak" where words.count >= 5:
                guard let seconds = Double(words[1]), let clients = Int(words[2]), let seed = UInt64(words[3]) else {
                    return usage()
                }
                exit(try soak(seconds, clients, seed, Array(words[4...])) ? 0 : 1)
            case "fill" where words.count == 4:
                guard let state = UInt64(words[2]), let log = UInt64(words[3]) else { return usage() }
                var filler = try FillLog(words[1])
                try filler.run(stateBytes: state, logBytes: log)
            case "compaction" where words.count == 3:
                guard let entries = UInt64(words[2]) else { return usage() }
                var compaction = try Compaction(words[1])
                try compaction.run(entries: entries)
            case "echo" where words.count >= 4, "classes" where words.count == 4: try wire(words)
            case "tokens" where words.count == 2:
                guard let seconds = Double(words[1]) else { return usage() }
                do { print(try TokenSpeed(seconds: seconds).run().text) } catch {
                    throw LoadError.unreadable("\(error)")
                }
            default: usage()
            }
        } catch {
            print("load: \(error)")
            exit(1)
        }
    }

    private static func wire(_ words: [String]) throws(LoadError) {
        guard let seconds = Int64(words[3]) else { return usage() }
        let result: WireSpeed.Result
        do {
            if words[0] == "echo" {
                let speed = WireSpeed(words[2] == "epoll" ? .epoll : .ioUring, seconds: seconds)
                result = try speed.echo(
                    isEncrypted: words[1] == "session", port: words.count > 4 ? UInt16(words[4]) : nil)
            } else {
                result = try WireSpeed(.automatic, seconds: seconds).classes(
                    log: words[1] == "log", hasBulk: words[2] == "bulk")
            }
        } catch {
            throw .unreadable("\(error)")
        }
        let sorted = result.latencies.sorted()
        func milliseconds(_ part: Double) -> JSON {
            .number(Double(sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]) / 1e6)
        }
        let count = Double(sorted.count)
        let line: JSON = [
            "per_second": .number(count / result.seconds), "p50_ms": milliseconds(0.5), "p99_ms": milliseconds(0.99),
            "max_ms": milliseconds(1), "cpu_us": .number(result.cpuSeconds * 1e6 / count),
            "bulk_mb_per_second": .number(Double(result.bulkBytes) / 1e6 / result.seconds),
            "backend": .string(result.backend), "suite": .string(result.suite),
        ]
        print(line.text)
    }

    private static func usage() {
        print(
            "usage: load writes SOCKET CLIENTS SECONDS BYTES | load failover PID SOCKET... | load echo ... | load tokens SECONDS | "
                + "load fill DIRECTORY STATE_BYTES LOG_BYTES | load compaction DIRECTORY ENTRIES | "
                + "load soak SECONDS CLIENTS SEED SOCKET...")
        exit(2)
    }

    private static func writes(_ socket: String, _ clients: Int, _ seconds: Double, _ bytes: Int) throws(LoadError) {
        var writers = try Writers(sockets: Array(repeating: socket, count: clients), bytes: bytes)
        let elapsed = try writers.run(seconds: seconds)
        let sorted = writers.latencies.sorted()
        func percentile(_ part: Double) -> JSON {
            .number(Double(sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]) / 1e6)
        }
        let line: JSON = [
            "writes": .integer(Int64(sorted.count)), "per_second": .number(Double(sorted.count) / elapsed),
            "p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "max_ms": percentile(1),
        ]
        print(line.text)
    }

    private static func failover(_ process: pid_t, _ sockets: [String]) throws(LoadError) {
        var writers = try Writers(sockets: sockets, bytes: 100)
        guard kill(process, SIGKILL) == 0 else { throw .system("kill \(process)", errno) }
        print(Double(try writers.first(limitSeconds: 30)) / 1e6)
    }

    private static func soak(
        _ seconds: Double, _ clients: Int, _ seed: UInt64, _ sockets: [String]
    ) throws(LoadError) -> Bool {
        var soak = Soak(sockets: sockets, clients: clients, seed: seed)
        try soak.run(seconds: seconds)
        let verdict = Linearizability.verdict(on: soak.operations)
        let counts = soak.counts
        let line: JSON = [
            "operations": .integer(Int64(soak.operations.count)), "writes": .integer(Int64(counts.writes)),
            "reads": .integer(Int64(counts.reads)), "unknown_writes": .integer(Int64(counts.unknown)),
            "repeated": .integer(Int64(counts.repeated)), "refusals": .integer(Int64(counts.failures)),
            "lost_connections": .integer(Int64(counts.lostConnections)), "verdict": .string("\(verdict)"),
        ]
        print(line.text)
        return verdict == .linearizable
    }
}
