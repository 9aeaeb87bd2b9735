import Codec
import Glibc
import Mesh
import Node

/// The swarmlet that hosts are to run, as it travels: a tree of one file, read once.
struct NewProgram {
    let digest: Digest
    let manifest: Manifest
    /// Whether it may take the place of a newer one.
    private let allowsOlder: Bool
    private let sources: ChunkSources
    private let folder: TemporaryDirectory

    /// - Parameter path: nil for the program that runs this command.
    init(_ path: String?, allowsOlder: Bool) throws(CommandError) {
        self.allowsOlder = allowsOlder
        var source = "/proc/self/exe"
        if let path { source = try WorkingDirectory.absolute(path) }
        folder = try TemporaryDirectory(prefix: "/tmp/swarmlet-upgrade-")
        let copy = folder.path + "/swarmlet"
        do {
            // What is checked is what is sent, whatever becomes of the file meanwhile.
            try ProgramFile.copy(source, to: copy)
            digest = try ProgramFile.digest(copy)
        } catch {
            folder.remove()
            throw .unreadableInput(what: path ?? "this program", reason: APIFailure(error).message)
        }
        do throws(TransferError) {
            let found = try DirectoryScanner().scan(folder.path)
            manifest = found.manifest
            sources = found.sources
        } catch {
            folder.remove()
            throw .transfer(error)
        }
    }

    func remove() { folder.remove() }

    /// Brings it to the daemon here, and asks that for a step as well.
    func send(
        _ step: UpgradeRequest.Step, _ directory: DataDirectory, _ terminal: Terminal
    ) throws(CommandError) -> UpgradeView {
        let client = try LocalClient(directory)
        try client.send(
            .upgrade(
                UpgradeRequest(
                    step: step, program: digest, tree: manifest.root, manifest: Bytes(manifest.encoded()),
                    allowsOlder: allowsOlder)))
        guard case .transfer(.need(let digests)) = try client.reply() else {
            throw .badAnswer(reason: "another reply than what it lacks of the program")
        }
        for digest in digests {
            let content: [UInt8]
            do throws(TransferError) { content = try sources.read(digest) } catch { throw .transfer(error) }
            for message in TransferMessage.chunks(of: digest, content: content) { try client.send(.transfer(message)) }
        }
        try client.send(.transfer(.done))
        guard case .upgrade(let view) = try client.reply() else {
            throw .badAnswer(reason: "another reply than about an upgrade")
        }
        return view
    }

    /// Asks a host for a step.
    func ask(
        _ step: UpgradeRequest.Step, of node: String?, _ directory: DataDirectory
    ) throws(CommandError) -> UpgradeView {
        let request = UpgradeRequest(
            node: node, step: step, program: digest, tree: manifest.root, allowsOlder: allowsOlder)
        guard case .upgrade(let view) = try LocalClient.call(.upgrade(request), directory) else {
            throw .badAnswer(reason: "another reply than about an upgrade")
        }
        return view
    }
}
