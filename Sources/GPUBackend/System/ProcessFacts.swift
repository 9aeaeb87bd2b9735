import Glibc

/// What /proc says about one process.
struct ProcessFacts {
    /// Clock ticks since boot: with the number it names a process for good, as long as the kernel runs.
    let startTicks: UInt64
    /// One letter, as ps shows it.
    let state: Character
    /// 0 for the first process of a namespace.
    let parent: Int32

    /// Nil when there is no such process.
    static func of(_ process: Int32) -> ProcessFacts? {
        let text: String
        do { text = try HostFiles.readText("/proc/\(process)/stat", maximumBytes: 4096) } catch { return nil }
        // The name in parentheses may hold anything, so the fields are counted from the last parenthesis.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let state = fields[0].first, let parent = Int32(fields[1]),
            let ticks = UInt64(fields[19])
        else { return nil }
        return ProcessFacts(startTicks: ticks, state: state, parent: parent)
    }

    /// Resident memory of a process and everything that descends from it, in bytes.
    static func residentBytes(below process: Int32) -> UInt64 {
        let pageBytes = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        return processes(below: process).reduce(0) { total, next in
            total + (number(in: "/proc/\(next)/statm", field: 1) ?? 0) * pageBytes
        }
    }

    /// A process and everything that descends from it. One that ends meanwhile is left out.
    static func processes(below process: Int32) -> [Int32] {
        var pending = [process]
        var found: [Int32] = []
        while let next = pending.popLast() {
            guard let children = text("/proc/\(next)/task/\(next)/children") else { continue }
            found.append(next)
            pending += children.split(separator: " ").compactMap { Int32($0) }
        }
        return found
    }

    /// The words of its command line; none for a process that is gone.
    static func arguments(of process: Int32) -> [String] {
        (text("/proc/\(process)/cmdline") ?? "").split(separator: "\0").map(String.init)
    }

    /// Whose it is, by name or number; nil when there is no such process.
    static func user(of process: Int32) -> String? {
        var facts = stat()
        guard stat("/proc/\(process)", &facts) == 0 else { return nil }
        return AccountEntry(of: facts.st_uid)?.name ?? "user \(facts.st_uid)"
    }

    private static func text(_ path: String) -> String? {
        do { return try HostFiles.readText(path) } catch { return nil }
    }

    private static func number(in path: String, field: Int) -> UInt64? {
        guard let fields = text(path)?.split(separator: " "), fields.count > field else { return nil }
        return UInt64(fields[field])
    }
}
