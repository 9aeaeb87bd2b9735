import Codec
import Foundation
import Raft
import Scheduler
import Testing

@testable import Node

@Suite("A snapshot of the state as a file")
struct StateFileTests {
    private func file(_ bytes: [UInt8], in scratch: ScratchDirectory) throws -> String {
        let path = scratch.path + "/snapshot"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func bytes() throws -> [UInt8] {
        let core = NodeCore(
            id: NodeID(1), restored: .founding(id: NodeID(1)), boot: 1, generation: 1, seal: .none, now: .zero)
        var bytes = StateFile.beginning(StateFile.Header(core))
        for chunk in StateChunks(core.state) { bytes += chunk }
        return bytes + BLAKE3.hash(bytes).bytes
    }

    @Test("what was written is read back")
    func roundTrip() throws {
        let scratch = try ScratchDirectory()
        let (header, state) = try StateFile.read(try file(try bytes(), in: scratch))
        #expect(header.version == Version.text)
        #expect(header.membership.voters == [NodeID(1)] || header.membership.voters.isEmpty)
        #expect(state.members.isEmpty)
    }

    @Test("a file with any byte changed, and one that is cut anywhere, is refused with its name")
    func damage() throws {
        let scratch = try ScratchDirectory()
        let whole = try bytes()
        for index in whole.indices {
            var changed = whole
            changed[index] ^= 0x40
            try expectRefused(changed, scratch)
            try expectRefused(Array(whole[..<index]), scratch)
        }
        try expectRefused(whole + [0], scratch)
    }

    private func expectRefused(_ bytes: [UInt8], _ scratch: ScratchDirectory) throws {
        let path = try file(bytes, in: scratch)
        #expect {
            try StateFile.read(path)
        } throws: { error in
            guard case NodeError.recoverFile(path, _) = error else { return false }
            return true
        }
    }
}
