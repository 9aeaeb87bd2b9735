import Codec
import Glibc
import Mesh
import Node
import Scheduler

/// `swarmlet cp`: fetches files of a job.
enum CpCommand {
    static let declaration = Command(
        "cp", summary: "Fetch files of a job",
        operands: .words(placeholder: "job:ID:[/PATH] LOCAL", least: 2, most: 2),
        details: [
            "Without a path: the files that --out named. An existing directory LOCAL receives the file or directory under\n"
                + "its own name; else LOCAL is its new name. Every byte is verified."
        ],
        examples: [
            .init("swarmlet cp job:17:/result/model.pt again.pt", "one file, under a new name"),
            .init("swarmlet cp job:17: .", "the results of job 17"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let source = try Source(invocation.operands[0])
        let target = try Target(invocation.operands[1], for: source)
        let fetcher = ResultFetcher(try DataDirectory.chosen(invocation), terminal)
        let request = FetchRequest(job: source.job, task: source.task, path: source.path.map { "/" + $0 })
        let summary = try fetcher.fetch(request, into: target.directory) { manifest throws(CommandError) in
            try target.arrange(manifest, source)
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("files", .integer(Int64(summary.files))),
                    ("bytes", .count(summary.bytes)), ("seconds", .number(Double(summary.time.nanoseconds) / 1e9)),
                ]))
            return ExitCode.success
        }
        let what = summary.files == 1 ? (source.name ?? "1 file") : "\(summary.files) files,"
        let speed = ByteSize.speed(summary.bytes, over: Double(summary.time.nanoseconds) / 1e9).map { ", \($0)" } ?? ""
        terminal.note("\(what) \(ByteSize.text(summary.bytes))\(speed), verified")
        return ExitCode.success
    }

    /// `job:ID:/path`.
    struct Source {
        let job: JobID
        let task: UInt32
        /// Below the working directory of the job, without a slash at either end; nil: its results.
        let path: String?

        /// The last part of the path.
        var name: String? { path?.split(separator: "/").last.map(String.init) }

        init(_ text: String) throws(CommandError) {
            let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "job" else {
                throw .badOperand(
                    value: text, expectation: "files of a job, written job:ID:/PATH",
                    example: "swarmlet cp job:17:/result/model.pt .")
            }
            let reference = try JobReference(String(parts[1]), for: "cp")
            job = reference.job
            task = reference.task ?? 0
            let inner = parts[2].split(separator: "/").joined(separator: "/")
            path = inner.isEmpty ? nil : inner
        }
    }

    /// Where the files go.
    struct Target {
        /// Made where it is missing, once there is something to put into it.
        let directory: String
        /// The name they get there; nil: their own.
        private let name: String?

        init(_ text: String, for source: Source) throws(CommandError) {
            guard !text.isEmpty else {
                throw .badOperand(value: text, expectation: "a path on this host", example: "swarmlet cp job:17: .")
            }
            let path = try WorkingDirectory.absolute(text)
            var information = stat()
            if stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR {
                directory = path
                name = source.name
                return
            }
            let last = path.lastIndex { $0 == "/" } ?? path.startIndex
            let isNewDirectory = path.hasSuffix("/") || source.path == nil
            guard isNewDirectory else {
                directory = last == path.startIndex ? "/" : String(path[..<last])
                name = String(path[path.index(after: last)...])
                return
            }
            directory = path
            name = source.name
        }

        /// The tree with the wanted file or directory under its new name, and nothing around it.
        func arrange(_ manifest: Manifest, _ source: Source) throws(CommandError) -> Manifest {
            guard let wanted = source.path, let name, let own = source.name else { return manifest }
            let root = manifest.entry(at: wanted) != nil ? wanted : own
            var entries: [Manifest.Entry] = []
            for entry in manifest.entries {
                if entry.path == root {
                    entries.append(Manifest.Entry(path: name, content: entry.content))
                } else if entry.path.hasPrefix(root + "/") {
                    entries.append(
                        Manifest.Entry(path: name + entry.path.dropFirst(root.count), content: entry.content))
                }
            }
            do throws(TransferError) { return try Manifest(entries: entries) } catch { throw .transfer(error) }
        }
    }
}
