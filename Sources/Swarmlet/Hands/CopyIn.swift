import Codec
import Glibc
import Mesh
import Node
import Scheduler

/// Files of this host on their way into the working directory of a job that runs.
struct CopyIn {
    let directory: DataDirectory
    let terminal: Terminal

    /// Sends a file or a directory to `path` below the job's directory; one that ends with a slash, or none, keeps its name.
    func send(_ local: String, to path: String, of reference: JobReference) throws(CommandError)
        -> ResultFetcher.Summary
    {
        let started = Clock.sinceBoot()
        let folder = try TemporaryDirectory(prefix: "/tmp/swarmlet-cp-")
        defer { folder.remove() }
        let source = try WorkingDirectory.absolute(local)
        guard let own = source.split(separator: "/").last(where: { $0 != "." }), own != ".." else {
            throw .badOperand(
                value: local, expectation: "a file or directory with a name",
                example: "swarmlet cp model.pt job:17:/model.pt")
        }
        let target = path.isEmpty || path.hasSuffix("/") ? path + String(own) : path
        do {
            let store = try BlobStore(path: folder.path)
            let manifest = try CopyIn.manifest(of: source, named: target, into: store)
            try store.commit()
            try send(manifest, from: store, to: reference)
            return ResultFetcher.Summary(
                files: manifest.fileCount, bytes: manifest.byteCount, time: Clock.sinceBoot() - started)
        } catch let error as TransferError {
            throw .transfer(error)
        } catch let error as CommandError {
            throw error
        } catch { throw .localFile(path: local, reason: "\(error)") }
    }

    /// What is there under its new name, with the directories above it.
    private static func manifest(of source: String, named target: String, into store: BlobStore) throws -> Manifest {
        let names = target.split(separator: "/").filter { $0 != "." }
        guard !names.isEmpty, !names.contains("..") else {
            throw CommandError.badOperand(
                value: target, expectation: "a path inside of the job's directory",
                example: "swarmlet cp model.pt job:17:/in/model.pt")
        }
        var entries: [Manifest.Entry] = []
        for count in 1..<names.count {
            entries.append(Manifest.Entry(path: names[..<count].joined(separator: "/"), content: .directory))
        }
        let root = names.joined(separator: "/")
        var information = stat()
        guard stat(source, &information) == 0 else {
            throw CommandError.localFile(path: source, reason: SystemError.text(errno))
        }
        if information.st_mode & S_IFMT == S_IFDIR {
            entries.append(Manifest.Entry(path: root, content: .directory))
            for entry in try TreeCollector().collect(source, into: store).manifest.entries {
                entries.append(Manifest.Entry(path: "\(root)/\(entry.path)", content: entry.content))
            }
        } else {
            entries.append(Manifest.Entry(path: root, content: .file(try file(source, information, into: store))))
        }
        return try Manifest(
            entries: entries.sorted { Array($0.path.utf8).lexicographicallyPrecedes(Array($1.path.utf8)) })
    }

    private static func file(_ path: String, _ information: stat, into store: BlobStore) throws -> Manifest.File {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0, information.st_mode & S_IFMT == S_IFREG else {
            let reason = descriptor < 0 ? SystemError.text(errno) : "it is no file"
            if descriptor >= 0 { close(descriptor) }
            throw CommandError.localFile(path: path, reason: reason)
        }
        defer { close(descriptor) }
        var file = Manifest.File(byteCount: 0, isExecutable: information.st_mode & 0o100 != 0, chunks: [])
        while true {
            var chunk = [UInt8](repeating: 0, count: TransferConstants.chunkBytes)
            var length = 0
            while length < chunk.count {
                let count = chunk.withUnsafeMutableBytes {
                    read(descriptor, $0.baseAddress! + length, $0.count - length)
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw CommandError.localFile(path: path, reason: SystemError.text(errno)) }
                if count == 0 { break }
                length += count
            }
            guard length > 0 else { return file }
            file.chunks.append(try store.put(Array(chunk[..<length])))
            file.byteCount += UInt64(length)
            if length < chunk.count { return file }
        }
    }

    private func send(_ manifest: Manifest, from store: BlobStore, to reference: JobReference) throws {
        let client = try LocalClient(directory)
        let request = PutRequest(job: reference.job, task: reference.task ?? 0, manifest: Bytes(manifest.encoded()))
        try client.send(.put(request))
        guard case .transfer(.need(let digests)) = try client.reply() else {
            throw CommandError.badAnswer(reason: "another reply than what it lacks")
        }
        var sent: UInt64 = 0
        for digest in digests {
            let content = try store.read(digest, byteCountMax: TransferConstants.chunkBytes)
            for message in TransferMessage.chunks(of: digest, content: content) { try client.send(.transfer(message)) }
            sent += UInt64(content.count)
            terminal.progress("sending: \(ByteSize.text(sent)) of \(ByteSize.text(manifest.byteCount))")
        }
        try client.send(.transfer(.done))
        guard case .done = try client.reply() else { throw CommandError.badAnswer(reason: "another reply than done") }
        terminal.clearProgress()
    }
}
