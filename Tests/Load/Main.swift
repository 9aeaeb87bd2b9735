import Codec
import Glibc
import Ring
import Simulation
import Tokens

/// `load writes SOCKET CLIENTS SECONDS BYTES`: so many clients on one daemon write settings of so many bytes; writes per
/// second and latencies as one line of JSON.
/// `load failover PID SOCKET...`: connects to the sockets, ends the process with SIGKILL, writes once on each connection,
/// and prints the milliseconds until the first write is acknowledged.
/// `load fill DIRECTORY STATE_BYTES LOG_BYTES`: a stopped mesh of one gets so much state in a snapshot, and so much log.
/// `load compaction DIRECTORY ENTRIES`: a log in an empty directory is written, compacted and written on, and timed.
/// `load echo tcp|session io_uring|epoll SECONDS [PORT]`: one kilobyte there and back; of an echo server at a port, or ours.
/// `load classes control|log bulk|idle SECONDS`: what messages of a class wait while bulk fills their session.
/// `load tokens SECONDS`: how many tokens a core issues and verifies in a second, so long for each.
/// `load key`: a new key of an issuer: its seed, and its public half.
/// `load mint SEEDS MODEL USES`: a token like that in the file MODEL, signed with such a key and without a mesh.
/// `load flood TOKEN CLIENTS COUNT`: one token, in a file, asks for so many jobs; how often it was told what.
/// `load consume SEEDS MODEL CLIENTS SECONDS`: clients start a job with a token of one use after the other; how many, how fast.
/// `load once SEEDS MODEL CLIENTS TOKENS`: the same through whatever dies, so many each; what each was told.
/// `load withdraw SOCKET SEEDS MODEL ROUNDS`: how long a token that is withdrawn there still works, at each member.
/// `load issue SOCKET CLIENTS SECONDS`: clients of one daemon have tokens made; how many, how fast.
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
            case "key" where words.count == 1: print(GuestIssuer.key())
            case "issue" where words.count == 4:
                guard let clients = Int(words[2]), let seconds = Double(words[3]) else { return usage() }
                var issues = try TokenIssues(socket: words[1], clients: clients)
                let elapsed = try issues.run(seconds: seconds)
                print(GuestClients.summary(of: issues.latencies, seconds: elapsed).text)
            case "withdraw" where words.count == 5, "mint" where words.count == 4, "flood" where words.count == 4,
                "consume" where words.count == 5,
                "once" where words.count == 5:
                do { print(try guests(words)) } catch { throw LoadError.unreadable("\(error)") }
            default: usage()
            }
        } catch {
            print("load: \(error)")
            exit(1)
        }
    }

    /// - Returns: one line.
    private static func guests(_ words: [String]) throws -> String {
        guard let last = Double(words[words.count - 1]), last > 0 || words[0] == "mint",
            let clients = ["mint", "withdraw"].contains(words[0]) ? 1 : Int(words[words.count - 2]), clients > 0
        else { throw LoadError.unreadable("a number of \(words)") }
        let guests = try GuestClients()
        if words[0] == "flood" {
            let token = try AccessToken(text: GuestIssuer.line(of: words[1]))
            return try guests.flood(token, clients: clients, count: Int(last)).text
        }
        if words[0] == "withdraw" {
            let issuer = try GuestIssuer(seeds: words[2], model: words[3])
            return try guests.withdrawals(issuer, socket: words[1], rounds: Int(last)).text
        }
        let issuer = try GuestIssuer(seeds: words[1], model: words[2])
        switch words[0] {
        case "mint":
            return try issuer.token(
                number: 0, uses: Int64(last), now: EventLoops.wallClock.nanoseconds / 1_000_000_000
            ).text
        case "consume": return try guests.consume(issuer, clients: clients, seconds: last).text
        default: return try guests.once(issuer, clients: clients, tokens: Int(last)).text
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
                + "load soak SECONDS CLIENTS SEED SOCKET... | load key | load mint SEEDS MODEL USES | "
                + "load flood TOKEN CLIENTS COUNT | load consume|once SEEDS MODEL CLIENTS SECONDS|TOKENS | "
                + "load withdraw SOCKET SEEDS MODEL ROUNDS | load issue SOCKET CLIENTS SECONDS")
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
