import Codec
import Node
import Raft

/// A node of a mesh of three hears whatever the other two say.
enum NodeFuzzing {
    /// Each message as `sender(1) delay(1) CBOR`, the delay in units of 20 ms.
    static func messages(_ bytes: [UInt8]) -> String? {
        var node = FuzzedNode()
        var rest = bytes[...]
        while let sender = rest.popFirst(), let delay = rest.popFirst() {
            node.pass(Interval.milliseconds(Int64(delay) * 20))
            guard let (value, byteCount) = Fuzzer.taken({ () throws(CodecError) in try CBOR.decodeFirst(rest) }) else {
                return nil
            }
            rest = rest.dropFirst(byteCount)
            guard let message = Fuzzer.taken({ () throws(CodecError) in try NodeMessage(cbor: value) }) else {
                continue
            }
            node.take(.message(from: NodeID(2 + UInt64(sender % 3)), message))
        }
        return nil
    }
}

/// A node whose disk is instant.
private struct FuzzedNode {
    private var core: NodeCore
    private var now = Instant.zero

    init() {
        let voters = RaftMembership(voters: [NodeID(1), NodeID(2), NodeID(3)])
        let restored = RaftRestored(
            hardState: RaftHardState(term: 1, vote: nil, commitIndex: 1),
            entries: [RaftEntry(index: 1, term: 1, payload: .membership(voters))])
        core = NodeCore(id: NodeID(1), restored: restored, boot: 1, generation: 1, seal: .none, now: now)
        take(.adopted([]))
        take(.wallClock(1_763_733_600_000_000_000))
    }

    mutating func pass(_ interval: Interval) {
        let end = now + interval
        // Bounded: one message may let five seconds pass, in which some timers come more than once.
        for _ in 0..<100 {
            guard let deadline = core.nextDeadline, deadline <= end else { break }
            now = max(now, deadline)
            take(.timer)
        }
        now = end
    }

    mutating func take(_ input: NodeInput) {
        var inputs = [input]
        while !inputs.isEmpty {
            var effects: [NodeEffect] = []
            core.handle(inputs, at: now, into: &effects)
            inputs = effects.compactMap { effect in
                guard case .persist(let persist) = effect else { return nil }
                return .persisted(persist.token)
            }
        }
    }
}
