/// Which counters of a key have been received: a ring of bits over the newest ones (RFC 6479).
///
/// Invariants: a counter is accepted at most once; one that is `DatagramConstants.windowPackets` or more below the highest
/// accepted is never accepted.
struct ReplayWindow: Hashable, Sendable {
    private static let blocks = UInt64(DatagramConstants.windowBlocks)

    /// Empty until the first packet.
    private var bits: [UInt64] = []
    /// The highest counter accepted; nil before the first.
    private(set) var highest: UInt64?

    /// Whether a packet with this counter may still be accepted. Asked before the packet is opened.
    func isFresh(_ counter: UInt64) -> Bool {
        guard let highest else { return true }
        if counter > highest { return true }
        guard highest - counter < DatagramConstants.windowPackets else { return false }
        return bits[Self.block(counter)] & Self.bit(counter) == 0
    }

    /// Notes a counter whose packet is proven. False: it was noted before or is too old.
    mutating func accept(_ counter: UInt64) -> Bool {
        guard isFresh(counter) else { return false }
        if bits.isEmpty { bits = [UInt64](repeating: 0, count: DatagramConstants.windowBlocks) }
        if let highest, counter > highest {
            // Blocks that come into the window hold bits of counters that have left it.
            let steps = min(counter / 64 - highest / 64, Self.blocks)
            for step in 0..<steps { bits[Int((highest / 64 + 1 + step) % Self.blocks)] = 0 }
        }
        bits[Self.block(counter)] |= Self.bit(counter)
        highest = max(highest ?? 0, counter)
        return true
    }

    private static func block(_ counter: UInt64) -> Int { Int(counter / 64 % blocks) }
    private static func bit(_ counter: UInt64) -> UInt64 { 1 << (counter % 64) }
}
