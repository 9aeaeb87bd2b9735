import Codec
import Foundation
import Node
import Scheduler
import Testing

@Suite("Settings of a mesh, typed")
struct ConfigTests {
    @Test("set, get, ls and unset; results on stdout, and nothing on stderr in a pipe")
    func life() throws {
        let node = try RealNode()
        let set = try node.run(["config", "set", "user.motd", "no jobs on sunday"])
        #expect(set.exitCode == 0 && set.stdout == "" && set.stderr == "")
        #expect(try node.run(["config", "get", "user.motd"]).stdout == "no jobs on sunday\n")
        #expect(try node.run(["config", "get", "autopilot.voters"]).stdout == "auto\n")
        let rows = try node.run(["config", "ls"]).stdout.split(separator: "\n").map(String.init)
        #expect(rows.first?.split(separator: " ").map(String.init) == ["KEY", "VALUE", "DEFAULT", "CHANGED", "BY"])
        #expect(rows.last?.hasPrefix("user.motd") == true && rows.last?.contains("no jobs on sunday  -") == true)
        let object = try JSON.parse(try node.run(["config", "ls", "--json"]).stdout.dropLast().description)
        #expect(object["settings"]?[2]?["key"]?.stringValue == "autopilot.voters")
        #expect(object["settings"]?[2]?["changed_by"]?.stringValue == nil)
        #expect(try node.run(["config", "unset", "user.motd"]).exitCode == 0)
        let gone = try node.run(["config", "get", "user.motd"])
        #expect(gone.exitCode == 3)
        #expect(
            gone.stderr
                == "swarmlet: user.motd is not set [config.not_set]\nswarmlet: what there is: swarmlet config ls\n")
    }

    @Test("what is set is there after the daemon was killed, and a bad value is refused with its form")
    func durable() throws {
        let node = try RealNode()
        #expect(try node.run(["config", "set", "autopilot.replace-dead-voter-after", "10m"]).exitCode == 0)
        let bad = try node.run(["config", "set", "autopilot.voters", "4"])
        #expect(bad.exitCode == 2)
        #expect(bad.stderr.contains("[config.bad_value]\nswarmlet: expected auto, 1, 3, 5\n"))
        node.stop(SIGKILL)
        #expect(try node.run(["up"]).exitCode == 0)
        #expect(try node.run(["config", "get", "autopilot.replace-dead-voter-after"]).stdout == "10m\n")
    }

    @Test("a connection carries one call after the other, refused ones as well")
    func manyCalls() throws {
        let node = try RealNode()
        let caller = try LocalCaller(node.directory)
        for number in 0..<50 {
            let request = ConfigureRequest(
                request: RequestID(high: 5, low: UInt64(number)), key: "user.n", value: "\(number)")
            #expect(try caller.call(.configure(request)) == .done)
            guard case .setting(let view) = try caller.call(.setting("user.n")) else {
                Issue.record("no setting")
                return
            }
            #expect(view.value == "\(number)")
        }
        guard case .failure(let failure) = try caller.call(.setting("user.none")) else {
            Issue.record("no failure")
            return
        }
        #expect(failure.code == "config.not_set")
        #expect(try caller.call(.version) == .version(Version.text))
    }
}

/// One connection to a daemon, for several calls.
final class LocalCaller {
    private let connection: Int32

    init(_ directory: String) throws {
        connection = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: (directory + "/socket").utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(connection, $0, size) }
        }
        guard connected == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { close(connection) }

    func call(_ request: APIRequest) throws -> APIReply {
        let message = request.cbor.encoded()
        let bytes = withUnsafeBytes(of: UInt32(message.count).littleEndian) { Array($0) } + message
        guard send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw POSIXError(.EPIPE)
        }
        let length = try read(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        return try APIReply(cbor: try CBOR.decode(try read(length)))
    }

    private func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { recv(connection, $0.baseAddress! + done, count - done, 0) }
            guard got > 0 else { throw POSIXError(.EPIPE) }
            done += got
        }
        return bytes
    }
}
