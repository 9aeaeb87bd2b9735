import Codec
import Testing

@testable import Scheduler

struct StateChunksTests {
    /// A mesh with some of everything.
    private static func busy(seed: UInt64, steps: Int = 80) -> SchedulerState {
        var history = RandomHistory(seed: seed)
        for _ in 0..<steps { history.step() }
        return history.mesh.state
    }

    @Test("a state cut into chunks of any size is restored from them", arguments: UInt64(1)...4)
    func anySize(seed: UInt64) throws {
        let state = Self.busy(seed: seed)
        let whole = state.encoded()
        for chunkBytes in [7, 100, 1 << 20] {
            var bytes: [UInt8] = []
            var restorer = StateRestorer()
            for chunk in StateChunks(state, chunkBytes: chunkBytes) {
                #expect(chunk.count <= chunkBytes)
                bytes += chunk
                try restorer.take(chunk)
            }
            let isSame = bytes == whole
            #expect(isSame)
            let restored = try restorer.finish()
            #expect(restored.brokenInvariants().isEmpty)
            let isRestored = restored.encoded() == whole
            #expect(isRestored)
        }
    }

    @Test("every chunk but the last is full")
    func fullChunks() {
        let chunks = Array(StateChunks(Self.busy(seed: 3), chunkBytes: 512))
        #expect(chunks.count > 4)
        #expect(chunks.dropLast().allSatisfy { $0.count == 512 })
    }

    @Test("a stream that is cut, repeated or damaged gives no state", arguments: UInt64(1)...4)
    func damaged(seed: UInt64) {
        let whole = Self.busy(seed: seed, steps: 40).encoded()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let cut = Int.random(in: 0..<whole.count, using: &random)
            #expect(throws: CodecError.self) { try SchedulerState(encoded: Array(whole[..<cut])) }
        }
        #expect(throws: CodecError.self) { try SchedulerState(encoded: whole + whole) }
        #expect(throws: CodecError.self) { try SchedulerState(encoded: whole + [0, 0, 0, 1, 0]) }
        for _ in 0..<500 {
            var bytes = whole
            bytes[Int.random(in: 0..<whole.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            // A flipped bit in a number may still be a state: then it is a whole one.
            guard let state = try? SchedulerState(encoded: bytes) else { continue }
            let again = state.encoded()
            let isWhole = (try? SchedulerState(encoded: again))?.encoded() == again
            #expect(isWhole)
        }
    }

    @Test("while a state is being written it goes on, and what is written is what it was")
    func whileItGoesOn() {
        var history = RandomHistory(seed: 11)
        for _ in 0..<100 { history.step() }
        let before = history.mesh.state.encoded()
        var chunks = StateChunks(history.mesh.state, chunkBytes: 256)
        var written: [UInt8] = []
        while let chunk = chunks.next() {
            written += chunk
            history.step()
        }
        let isSame = written == before
        #expect(isSame)
        let hasGoneOn = history.mesh.state.encoded() != before
        #expect(hasGoneOn)
    }

    @Test("a million waiting tasks are written in one short chunk")
    func waitingArray() {
        var mesh = StateUnderTest("owl")
        _ = mesh.submit(tasks: 1_000_000)
        #expect(Array(StateChunks(mesh.state)).map(\.count).reduce(0, +) < 2_000)
    }
}
