import Codec
import Glibc
import Mesh
import Node
import Scheduler

/// Brings files of a job to this host, each verified before it gets its name.
struct ResultFetcher {
    private let directory: DataDirectory
    private let terminal: Terminal

    init(_ directory: DataDirectory, _ terminal: Terminal) {
        self.directory = directory
        self.terminal = terminal
    }

    /// What has arrived.
    struct Summary {
        var files: Int
        var bytes: UInt64
        var time: Interval
    }

    /// Fetches the results of a job into a directory; returns where they are, in words.
    func fetch(_ job: JobID, into path: String) throws(CommandError) -> String {
        var patience = ReconnectPatience(isSubmitted: true)
        while true {
            do throws(CommandError) {
                var names: [String] = []
                let summary = try fetch(FetchRequest(job: job, task: 0, path: nil), into: path) { manifest in
                    names = manifest.entries.compactMap { entry in
                        if case .file = entry.content { entry.path } else { nil }
                    }
                    return manifest
                }
                let what = names.count == 1 ? names[0] : "\(summary.files) files,"
                let verb = names.count == 1 ? "is" : "are"
                return "\(what) \(ByteSize.text(summary.bytes)) \(verb) in \(WorkingDirectory.short(path))"
            } catch {
                try patience.wait(after: error, signals: nil, terminal)
            }
        }
    }

    /// Fetches what is asked for into the directory at `path`, laid out as `arrange` says.
    func fetch(
        _ request: FetchRequest, into path: String, arrange: (Manifest) throws(CommandError) -> Manifest
    ) throws(CommandError) -> Summary {
        let started = Clock.sinceBoot()
        let client = try LocalClient(directory)
        try client.send(.fetch(request))
        guard case .transfer(.manifest(let encoded)) = try client.reply() else {
            throw .badAnswer(reason: "another reply than a list of files")
        }
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
            throw .localFile(path: path, reason: SystemError.text(errno))
        }
        // Beside the target, so that files can be linked into place, and out of the way of `ls`.
        let temporary = try TemporaryDirectory(prefix: path + "/.swarmlet-")
        defer { temporary.remove() }
        do {
            let manifest = try arrange(try Manifest.decode(encoded))
            let store = try BlobStore(path: temporary.path)
            try receive(manifest, client, into: store)
            try store.commit()
            try Materializer(store: store).write(manifest, into: path, durability: .synced)
            return Summary(files: manifest.fileCount, bytes: manifest.byteCount, time: Clock.sinceBoot() - started)
        } catch let error as TransferError {
            throw .transfer(error)
        } catch let error as CommandError {
            throw error
        } catch {
            throw .badAnswer(reason: "\(error)")
        }
    }

    /// Takes everything the manifest needs; the daemon sends it unasked.
    private func receive(_ manifest: Manifest, _ client: LocalClient, into store: BlobStore) throws {
        var assembler = ChunkAssembler(missing: manifest.chunks)
        var receivedBytes: UInt64 = 0
        while true {
            switch try client.reply() {
            case .transfer(.chunk(let digest, let offset, let bytes, let isLast)):
                receivedBytes += UInt64(bytes.count)
                if let chunk = try assembler.accept(digest, offset: offset, bytes: bytes, isLast: isLast) {
                    try store.put(chunk.content, as: chunk.digest)
                }
                terminal.progress("fetching: \(ByteSize.text(receivedBytes)) of \(ByteSize.text(manifest.byteCount))")
            case .transfer(.done), .done:
                guard assembler.isComplete else { throw CommandError.badAnswer(reason: "some content did not come") }
                return terminal.clearProgress()
            case .transfer(.failed(let code, let message)):
                throw CommandError.refused(
                    APIFailure(code: code, message: message, hint: "try again: swarmlet cp job:ID:/PATH LOCAL"))
            default: throw CommandError.badAnswer(reason: "another reply than content")
            }
        }
    }
}
