import Foundation
import GPUBackend
import Glibc
import Testing
import Tokens

@testable import Node

@Suite("The data directory")
struct DataDirectoryTests {
    private let scratch: ScratchDirectory
    private let directory: DataDirectory

    init() throws {
        scratch = try ScratchDirectory()
        directory = DataDirectory(path: scratch.path + "/data")
    }

    private func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let error as NodeError {
            return error.code
        } catch {
            return "\(error)"
        }
    }

    private func mode(_ path: String) -> mode_t? {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & 0o7777 : nil
    }

    @Test("it is made where it is missing, and others read nothing of it")
    func made() throws {
        try directory.prepare()
        try directory.take()
        #expect(mode(directory.path) == 0o711)
        for path in [directory.keys, directory.blobs, directory.supervisors, directory.logs] {
            #expect(mode(path) == 0o700)
        }
        #expect(mode(directory.work) == 0o711)
        #expect(directory.runningProcess == getpid())
    }

    @Test("one that others can read or write is refused", arguments: [0o755, 0o740, 0o704, 0o720, 0o702] as [mode_t])
    func readable(mode: mode_t) throws {
        try directory.prepare()
        try #require(chmod(directory.path, mode) == 0)
        #expect(code { try directory.prepare() } == "node.data_directory.readable")
    }

    @Test("one of another user is refused", .enabled(if: geteuid() == 0, "only root can give a directory away"))
    func foreign() throws {
        try directory.prepare()
        try #require(chown(directory.path, 65_534, 65_534) == 0)
        #expect(code { try directory.prepare() } == "node.data_directory.foreign")
    }

    @Test("one that a daemon holds cannot be taken by a second")
    func inUse() throws {
        try directory.prepare()
        try directory.take()
        // A lock belongs to the open file, so a second one in this process stands for a second process.
        #expect(code { try directory.take() } == "node.data_directory.in_use")
    }

    @Test("forgetting a mesh deletes what belongs to it, and who the node was only where that is asked")
    func forget() throws {
        try directory.prepare()
        try directory.take()
        let identity = try NodeIdentity(directory, KeyLock()).publicKey
        for file in [directory.mesh, directory.peers, directory.raftLog, directory.blobs + "/one"] {
            try HostFiles.replace(file, with: [1])
        }
        try directory.forgetMesh(keys: false)
        for file in [directory.mesh, directory.peers, directory.raftLog, directory.blobs + "/one"] {
            #expect(!HostFiles.exists(file))
        }
        #expect(try NodeIdentity(directory, KeyLock()).publicKey == identity, "it is the same node")
        try directory.forgetMesh(keys: true)
        #expect(try NodeIdentity(directory, KeyLock()).publicKey != identity)
    }

    @Test("where it lies follows the environment")
    func standard() {
        let named = DataDirectory.standard { $0 == "SWARMLET_DATA_DIR" ? "/srv/swarm" : nil }
        #expect(named.path == "/srv/swarm")
        let plain = DataDirectory.standard { ["HOME": "/home/ana", "XDG_STATE_HOME": "relative"][$0] }
        #expect(plain.path == (geteuid() == 0 ? "/var/lib/swarmlet" : "/home/ana/.local/state/swarmlet"))
    }

    @Test("settings are kept, and what is asked for now takes the place of what was")
    func settings() throws {
        try directory.prepare()
        var options = DaemonOptions(directory: directory, listen: "127.0.0.1:7000", simulatedGPUs: "2:A100")
        let first = try DaemonSettings.read(directory, options: options)
        try HostFiles.replace(directory.settings, with: first.encoded())
        options = DaemonOptions(directory: directory, port: 7_001)
        let second = try DaemonSettings.read(directory, options: options)
        #expect(second.listen == "127.0.0.1:7000" && second.simulatedGPUs == "2:A100" && second.port == 7_001)
    }

    @Test("damaged settings are named, not taken for none")
    func damagedSettings() throws {
        try directory.prepare()
        try HostFiles.replace(directory.settings, with: [0xFF, 0x00])
        let options = DaemonOptions(directory: directory)
        #expect(code { _ = try DaemonSettings.read(directory, options: options) } == "node.data_directory.damaged")
    }
}
