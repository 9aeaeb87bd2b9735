import Codec
import Glibc
import Mesh
import Node
import Scheduler

/// `swarmlet cp`: fetches files of a job.
enum CpCommand {
    static let declaration = Command(
        "cp", summary: "Fetch files of a job, or copy files into one that runs",
        operands: .words(placeholder: "job:ID:[/PATH] LOCAL | LOCAL job:ID:/[PATH]", least: 2, most: 2),
        details: [
            "Paths of a job are in its working directory; of one that runs, what is there now. Without a path: the files\n"
                + "that --out named. An existing directory LOCAL receives the file or directory under its own name; else LOCAL\n"
                + "is its new name. Every byte is verified.",
            "Into a job that runs: directories above PATH are made, files of that name replaced, each at once. A PATH that ends\n"
                + "with / keeps the name. Nothing outside of the job's directory is reached, whatever links are there.",
        ],
        examples: [
            .init("swarmlet cp job:17:/result/model.pt again.pt", "one file, under a new name"),
            .init("swarmlet cp job:17: .", "the results of job 17"),
            .init("swarmlet cp more.csv job:17:/in/", "one more file for job 17, which runs"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        if invocation.operands[1].hasPrefix("job:"), !invocation.operands[0].hasPrefix("job:") {
            return try put(invocation, terminal)
        }
        let source = try Source(invocation.operands[0])
        let target = try Target(invocation.operands[1], for: source)
        let fetcher = ResultFetcher(try DataDirectory.chosen(invocation), terminal)
        let request = FetchRequest(job: source.job, task: source.task, path: source.path.map { "/" + $0 })
        let summary = try fetcher.fetch(request, into: target.directory) { manifest throws(CommandError) in
            try target.arrange(manifest, source)
        }
        return try tell(summary, name: source.name, terminal)
    }

    private static func put(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let target = try Source(invocation.operands[1])
        var path = target.path ?? ""
        if invocation.operands[1].hasSuffix("/"), !path.isEmpty { path += "/" }
        let summary = try CopyIn(directory: try DataDirectory.chosen(invocation), terminal: terminal).send(
            invocation.operands[0], to: path, of: target.reference)
        return try tell(summary, name: nil, terminal)
    }

    private static func tell(
        _ summary: ResultFetcher.Summary, name: String?, _ terminal: Terminal
    ) throws(CommandError) -> Int32 {
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("files", .integer(Int64(summary.files))),
                    ("bytes", .count(summary.bytes)), ("seconds", .number(Double(summary.time.nanoseconds) / 1e9)),
                ]))
            return ExitCode.success
        }
        let what = summary.files == 1 ? (name ?? "1 file") : "\(summary.files) files,"
        let speed = ByteSize.speed(summary.bytes, over: Double(summary.time.nanoseconds) / 1e9).map { ", \($0)" } ?? ""
        terminal.note("\(what) \(ByteSize.text(summary.bytes))\(speed), verified")
        return ExitCode.success
    }

    /// `job:ID:/path`.
    struct Source {
        let reference: JobReference
        var job: JobID { reference.job }
        var task: UInt32 { reference.task ?? 0 }
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
            reference = try JobReference(String(parts[1]), for: "cp")
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
