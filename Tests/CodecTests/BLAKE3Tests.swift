import Testing

@testable import Codec

@Suite struct BLAKE3Tests {
    static let vectors = "blake3/test_vectors.json"

    static func input(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

    @Test(
        "hash, keyed hash and derived key agree with the published vectors in all 131 bytes",
        .enabled(if: Vectors.exist(vectors), "the BLAKE3 vectors are not here: set SWARMLET_VECTORS"))
    func published() throws {
        let file = try Vectors.json(BLAKE3Tests.vectors)
        let key = Array(try #require(file["key"]?.stringValue).utf8)
        let context = try #require(file["context_string"]?.stringValue)
        let cases = try #require(file["cases"]?.arrayValue)
        #expect(cases.count == 35)
        for vector in cases {
            let input = BLAKE3Tests.input(Int(try #require(vector["input_len"]?.integerValue)))
            for (name, hasher) in [
                ("hash", BLAKE3()), ("keyed_hash", BLAKE3(key: key)), ("derive_key", BLAKE3(deriveKeyContext: context)),
            ] {
                var hasher = hasher
                hasher.update(input)
                let expected = try #require(vector[name]?.stringValue)
                #expect(
                    Hex.encode(hasher.output(byteCount: expected.count / 2)) == expected, "\(name) of \(input.count)")
                #expect(hasher.finalize().hex == expected.prefix(64))
            }
        }
    }

    @Test("known hashes without the vector files")
    func known() {
        #expect(BLAKE3.hash([]).hex == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
        #expect(
            BLAKE3.hash(Array("abc".utf8)).hex == "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85")
    }

    @Test("the hash does not depend on how the input is cut")
    func incremental() {
        let input = BLAKE3Tests.input(70_000)
        let whole = BLAKE3.hash(input)
        var generator = SeededGenerator(seed: 3)
        for longest in [1, 63, 64, 65, 1024, 1025, 16_384, 16_385, 40_000] {
            // Single bytes over a shorter input, to keep the test quick.
            let bytes = longest == 1 ? input.prefix(3000) : input[...]
            var hasher = BLAKE3()
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 1...longest, using: &generator))
                hasher.update(bytes[start..<end])
                start = end
            }
            #expect(hasher.finalize() == (longest == 1 ? BLAKE3.hash(Array(bytes)) : whole))
        }
    }

    @Test("every vector width of this processor gives the same subtree, also where the counter passes 32 bits")
    func widths() {
        let input = BLAKE3Tests.input(16 * 1024)
        let key = BLAKE3Kernel.initialVector
        input.withUnsafeBytes { input in
            guard let start = input.baseAddress else { return }
            for chunks in BLAKE3Kernel.batchSizes {
                for counter: UInt64 in [0, 16, 0xFFFF_FFF0, 0xFFFF_FFFA] {
                    let roots = [1, 4, 8, 16].filter { $0 <= BLAKE3Kernel.laneCount }.map { lanes in
                        BLAKE3Kernel.batch(
                            start, chunks: chunks, key: key, counter: counter, flags: 0, lanes: lanes)
                    }
                    #expect(roots.allSatisfy { $0 == roots[0] }, "\(chunks) chunks from \(counter)")
                }
            }
        }
    }

    @Test("asking for the hash in between does not disturb it")
    func intermediate() {
        var hasher = BLAKE3()
        hasher.update(BLAKE3Tests.input(5000))
        #expect(hasher.finalize() == BLAKE3.hash(BLAKE3Tests.input(5000)))
        hasher.update(BLAKE3Tests.input(1))
        #expect(hasher.finalize() == BLAKE3.hash(BLAKE3Tests.input(5000) + [0]))
    }
}
