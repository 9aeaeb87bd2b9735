import Codec
import Mesh
import Node

/// The directory a command was typed in, as it would travel with a job.
struct WorkingTree {
    let path: String
    let manifest: Manifest
    private let ignored: [DirectoryScanner.Ignored]
    private let sources: ChunkSources

    /// More than this is sent only after a question, or when `--upload-limit` says so.
    static let defaultLimitBytes: UInt64 = 1 << 30

    init() throws(CommandError) {
        path = try WorkingDirectory.path()
        do throws(TransferError) {
            let result = try DirectoryScanner().scan(path)
            manifest = result.manifest
            ignored = result.ignored
            sources = result.sources
        } catch {
            throw .transfer(error)
        }
    }

    /// Asks before more than the limit leaves this host; without a terminal, refuses.
    func checkLimit(_ limitBytes: UInt64, _ terminal: Terminal) throws(CommandError) {
        guard manifest.byteCount > limitBytes else { return }
        let size = "\(filesText), \(ByteSize.text(manifest.byteCount))"
        let question = "\(WorkingDirectory.short(path)) is \(size). Send it?"
        let hint = "name what stays in .swarmletignore, or allow it: --upload-limit \((manifest.byteCount >> 30) + 1)G"
        guard try terminal.confirm(question, hint: hint) else { throw .declined(what: "run") }
    }

    func content(_ digest: Digest) throws(CommandError) -> [UInt8] {
        do throws(TransferError) { return try sources.read(digest) } catch { throw .transfer(error) }
    }

    /// `214 files, 3.1 MiB`.
    var sizeText: String { "\(filesText), \(ByteSize.text(manifest.byteCount))" }

    private var filesText: String { manifest.fileCount == 1 ? "1 file" : "\(manifest.fileCount) files" }

    /// ` (ignored: data 310 GiB, .venv 4.2 GiB; .git is never sent)`: the largest of what stays.
    var ignoredText: String {
        let named = ignored.filter { $0.path != ".git" && $0.byteCount >= 1 << 20 }.prefix(2)
            .map { "\($0.path) \(ByteSize.text($0.byteCount))" }.joined(separator: ", ")
        let git = ignored.contains { $0.path == ".git" } ? ".git is never sent" : ""
        switch (named.isEmpty, git.isEmpty) {
        case (true, true): return ""
        case (true, false): return " (\(git))"
        case (false, true): return " (ignored: \(named))"
        case (false, false): return " (ignored: \(named); \(git))"
        }
    }
}
