import Codec

extension Fuzzer {
    /// Takes each seed as it is, in part and damaged, and noise; what is wrong with how they were taken, nil where
    /// nothing is. Repeats from `seed`. The seeds become those of `scripts/fuzz` too.
    public func flaw(from seeds: [[UInt8]], rounds: Int = 300, seed: UInt64) -> String? {
        SeedCorpus.add(seeds, for: self)
        for bytes in seeds { if let flaw = take(bytes) { return report(flaw, bytes) } }
        var generator = SeededGenerator(seed: seed)
        for round in 0..<rounds {
            let bytes = damaged(seeds[round % seeds.count], &generator)
            if let flaw = take(bytes) { return report(flaw, bytes) }
        }
        return nil
    }

    private func report(_ flaw: String, _ bytes: [UInt8]) -> String { "\(rawValue): \(flaw): \(Hex.encode(bytes))" }

    /// Noise is seldom a message at all: a true one with a few wrong bytes gets further.
    private func damaged(_ seed: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        func byte() -> UInt8 { UInt8.random(in: .min ... .max, using: &generator) }
        if Int.random(in: 0..<8, using: &generator) == 0 {
            return (0..<Int.random(in: 0..<200, using: &generator)).map { _ in byte() }
        }
        var bytes = seed
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: bytes.remove(at: index)
            case 1: bytes.insert(byte(), at: index)
            case 2: bytes.removeLast(bytes.count - index)
            case 3: bytes += bytes[index...].prefix(64)
            default: bytes[index] = byte()
            }
        }
        return bytes
    }
}
