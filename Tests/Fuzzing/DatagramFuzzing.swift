import Codec

@testable import Mesh

/// What comes in at the UDP port, from whoever.
enum DatagramFuzzing {
    /// Packets, each as `length(2) bytes`, to a node that knows two members: none of their keys is in the bytes.
    static func packets(_ bytes: [UInt8]) -> String? {
        var core: DatagramCore
        do throws(NoiseError) {
            core = try node(1, salt: 7)
        } catch {
            return "the node's own key is refused"
        }
        var now = Instant(nanoseconds: 1_000_000_000)
        var rest = bytes[...]
        while let low = rest.popFirst(), let high = rest.popFirst() {
            let packet = Array(rest.prefix(Int(low) | Int(high) << 8))
            rest = rest.dropFirst(packet.count)
            now = now + .milliseconds(10)
            if let flaw = take(packet, into: &core, at: now) { return flaw }
        }
        return nil
    }

    private static func take(_ packet: [UInt8], into core: inout DatagramCore, at now: Instant) -> String? {
        if let read = DatagramPacket(decoding: packet) {
            guard packet.starts(with: read.encoded) else { return "a packet that was taken is written in other bytes" }
        }
        var effects: [DatagramEffect] = []
        core.handle(.received(packet, .socket), at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .answer(let answer) where answer.count <= packet.count: continue
            case .answer: return "an answer longer than its question"
            case .deliver, .located, .transmit, .post, .fallback: return "a stranger was believed"
            case .mislaid, .changed: continue
            }
        }
        return nil
    }

    /// A node with two members that it knows; with another salt it is another start of the same node.
    static func node(_ number: UInt64, salt: UInt8) throws(NoiseError) -> DatagramCore {
        var keys: [NoiseKeyPair] = []
        for secret in 1...3 as ClosedRange<UInt8> {
            keys.append(try NoiseKeyPair(secretBytes: [UInt8](repeating: secret, count: 32)))
        }
        var core = DatagramCore(
            id: NodeID(number), key: keys[Int(number) - 1], binding: [1], salt: [UInt8](repeating: salt, count: 16))
        var effects: [DatagramEffect] = []
        for member in 1...3 as ClosedRange<UInt64> where member != number {
            core.handle(
                .member(NodeID(member), key: keys[Int(member) - 1].publicKey, allowed: Set(DatagramPurpose.allCases)),
                at: .zero, into: &effects)
        }
        return core
    }
}
