import GPUBackend
import Glibc
import Node

/// `/run/swarmlet/agent HOST COMMAND...`, in a rank of a gang: starts a command on another host of the gang, as `ssh` would be
/// called for it. `mpirun` and the like start their daemons so.
///
/// The command runs in the sandbox of the gang's first rank there, as the same user and within its limits. Its output and exit
/// code come back; when this program goes, it is hung up on. As of `ssh`, 255 is a failure that is not the command's.
enum RankAgent {
    /// Whether this program was started as the agent of a rank.
    static func isMeant(_ program: String) -> Bool {
        guard program.split(separator: "/").last == "agent" else { return false }
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return false }
        return buffer[..<count].elementsEqual(GangDoor.programPath.utf8.map(CChar.init(bitPattern:)))
    }

    static func run(_ words: [String]) -> Int32 {
        let terminal = Terminal(format: .text, volume: .normal)
        do throws(CommandError) {
            let (host, line) = try read(words)
            signal(SIGPIPE, SIG_IGN)
            let signals = try Signals([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
            let client = try RankDoor.connect()
            let command = "unset \(ownNames.joined(separator: " ")); \(line)"
            try client.send(.gang(.start(host: host, arguments: ["/bin/sh", "-c", command])))
            return try ExecCommand.follow(client, signals, terminal, passesInput: true, hasTerminal: false)
        } catch {
            terminal.report(error)
            return failed
        }
    }

    private static let failed: Int32 = 255

    /// The place of the first rank there, which is not that of what is started beside it.
    static let ownNames = [
        "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "PET_NNODES", "PET_NODE_RANK",
        "PET_NPROC_PER_NODE", "PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_RDZV_BACKEND", "PET_RDZV_ENDPOINT",
        "PET_RDZV_ID",
    ]

    /// Flags of `ssh` that have a value after them (ssh(1)).
    private static let valued = "BbcDEeFIiJLlmOopQRSWw"

    /// The host and the line for its shell. Options of `ssh` mean nothing here.
    private static func read(_ words: [String]) throws(CommandError) -> (host: String, line: String) {
        var rest = words[...]
        while let option = rest.first, option.hasPrefix("-") {
            let hasValue = option.utf8.count == 2 && option.last.map { valued.contains($0) } ?? false
            rest = rest.dropFirst(hasValue ? 2 : 1)
        }
        guard let name = rest.popFirst(), !rest.isEmpty else {
            throw .missingOperand(
                what: "HOST and COMMAND", command: "agent", example: "\(GangDoor.agentPath) 10.0.0.2 hostname")
        }
        let host = name.lastIndex(of: "@").map { String(name[name.index(after: $0)...]) } ?? name
        return (host, rest.joined(separator: " "))
    }
}
