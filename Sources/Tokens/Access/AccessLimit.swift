/// Something that a token bounds from above by a whole number.
public enum AccessLimit: String, Hashable, Sendable, CaseIterable {
    /// Milliseconds of processor time in a second: 1000 is one CPU.
    case cpu = "cpu_ms"
    /// Bytes of memory.
    case memory = "mem"
    /// Bytes of disk.
    case disk
    /// Seconds that a job may run.
    case wall = "wall_s"
    /// Bytes of files that may be fetched.
    case output = "out_bytes"
    /// GPUs.
    case gpu
    /// Processes and threads.
    case processes = "procs"
    /// 0 none, 1 during setup only, 2 always.
    case network = "net"
    /// Seconds after the end of a job for which its log and files stay the holder's.
    case keep = "keep_s"
    /// Tasks of a job: elements of an array, or ranks of a gang.
    case tasks

    /// The last part of the code of an error.
    public var code: String {
        switch self {
        case .gpu: "gpu"
        case .cpu: "cpu"
        default: word
        }
    }

    /// Spelled as the flag of `run` where there is one.
    public var word: String {
        switch self {
        case .cpu: "cpus"
        case .memory: "mem"
        case .wall: "time"
        case .output: "out"
        case .gpu: "gpus"
        case .processes: "processes"
        case .network: "network"
        case .keep: "keep"
        case .disk, .tasks: rawValue
        }
    }

    /// `1 GPU`, `32 GiB`, `4h`; short: as the flag of `run` takes it.
    public func text(_ value: Int64, isShort: Bool = false) -> String {
        switch self {
        case .cpu:
            let thousandths = value % 1000
            let digits = thousandths == 0 ? "" : "." + String(String(1000 + thousandths).dropFirst())
            return "\(value / 1000)\(digits)" + (isShort ? "" : value == 1000 ? " CPU" : " CPUs")
        case .gpu: return isShort ? "\(value)" : value == 1 ? "1 GPU" : "\(value) GPUs"
        case .memory, .disk, .output: return isShort ? AccessLimit.flag(value) : AccessLimit.size(value)
        case .wall, .keep: return AccessLimit.time(value)
        case .processes: return isShort ? "\(value)" : value == 1 ? "1 process" : "\(value) processes"
        case .tasks: return isShort ? "\(value)" : value == 1 ? "1 task" : "\(value) tasks"
        case .network:
            let word = value == 0 ? "off" : value == 1 ? "setup-only" : "on"
            return isShort ? word : "network \(word)"
        }
    }

    /// `4h`, `1h30m`: without the parts that are zero.
    private static func time(_ seconds: Int64) -> String {
        var text = ""
        var rest = seconds
        for (unit, length) in [("d", Int64(86_400)), ("h", 3600), ("m", 60), ("s", 1)] where rest >= length {
            // `24h` rather than `1d`: that is how people write a day.
            if unit == "d", rest < 2 * 86_400 { continue }
            text += "\(rest / length)\(unit)"
            rest %= length
        }
        return text.isEmpty ? "0s" : text
    }

    private static let units = ["", "K", "M", "G", "T", "P"]

    /// The largest unit that leaves a whole number.
    private static func whole(_ bytes: Int64) -> (number: Int64, unit: String) {
        var (number, unit) = (bytes, 0)
        while number >= 1024, number % 1024 == 0, unit < units.count - 1 {
            number /= 1024
            unit += 1
        }
        return (number, units[unit])
    }

    private static func flag(_ bytes: Int64) -> String { "\(whole(bytes).number)\(whole(bytes).unit)" }

    private static func size(_ bytes: Int64) -> String {
        let (number, unit) = whole(bytes)
        return "\(number) \(unit.isEmpty ? "B" : unit + "iB")"
    }
}
