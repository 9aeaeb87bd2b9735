import Codec
import Foundation
import Testing

@testable import Tokens

/// Tokens that programs read and write which share no code with this one.
@Suite struct AccessInteropTests {
    /// A Python that has pyseto: `$SWARMLET_PYTHON`, or what `scripts/setup --interop` makes.
    private static let python: URL? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let environment = ProcessInfo.processInfo.environment
        let scratch = environment["SWARMLET_SCRATCH"].map { URL(fileURLWithPath: $0, relativeTo: root) }
        let url =
            environment["SWARMLET_PYTHON"].map { URL(fileURLWithPath: $0) }
            ?? (scratch ?? root.appendingPathComponent(".build")).appendingPathComponent("interop/bin/python")
        return FileManager.default.isExecutableFile(atPath: url.path) ? url : nil
    }()

    /// The answers of pyseto to all requests, in their order.
    private func ask(_ requests: [[String: String]]) throws -> [JSON] {
        let process = Process()
        process.executableURL = AccessInteropTests.python
        process.arguments = [
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("Interop/pyseto_peer.py").path
        ]
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("interop-\(UUID().uuidString)")
        defer { _ = try? FileManager.default.removeItem(at: file) }
        let lines = requests.map { request in
            JSON.object(request.sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value)) }).text
        }
        // From a file, so that neither side waits for the other with its pipe full.
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: file)
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        try process.run()
        let answers = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return try answers.split(separator: 10).map { try JSON.parse([UInt8]($0)) }
    }

    private static let tokens = 1_000

    @Test(
        "pyseto verifies thousands of random chains of ours, link by link, with nothing but the holders' keys in them",
        .enabled(if: python != nil, "pyseto is not here: scripts/setup --interop"))
    func ours() throws {
        var generator = SeededGenerator(seed: 21)
        var requests: [[String: String]] = []
        var payloads: [[UInt8]] = []
        while requests.count < AccessInteropTests.tokens {
            var world = AccessWorld()
            world.offer.uses = Int64.random(in: 0...9, using: &generator)
            world.offer.limits = AccessLimits([
                .gpu: Int64.random(in: 0...8, using: &generator),
                .memory: Int64.random(in: 0...AccessConstants.limitMax, using: &generator),
            ])
            world.offer.root.madeBy = ["ana on owl", "\"q\" \\ on b\u{FC}ro", "\u{1F989}", ""].randomElement(
                using: &generator)
            var token = try world.token()
            for number in 0..<UInt8.random(in: 0...3, using: &generator) {
                token = try world.narrowed(token, to: 5 + number)
            }
            let implicit = AccessLink.implicit(AccessLink.purpose, mesh: world.mesh)
            var key = world.issuer.publicKey
            for (text, link) in zip(token.chain.links, token.grant.links) {
                requests.append([
                    "do": "verify", "key": key.text, "token": text, "implicit": Hex.encode(implicit),
                ])
                payloads.append(try Paseto.Unverified(text).payload)
                key = link.holder
            }
        }
        // One for another mesh among them.
        requests[7]["implicit"] = "00"
        let answers = try ask(requests)
        #expect(answers.count == requests.count)
        for (index, answer) in answers.enumerated() {
            if index == 7 {
                #expect(answer["refused"] != nil)
            } else {
                #expect(answer["payload"]?.stringValue == Hex.encode(payloads[index]), "\(index)")
            }
        }
    }

    @Test(
        "roots that pyseto signed are taken as our own are",
        .enabled(if: python != nil, "pyseto is not here: scripts/setup --interop"))
    func theirs() throws {
        var requests: [[String: String]] = []
        var world = AccessWorld()
        for number in 0..<AccessInteropTests.tokens {
            world.offer.uses = Int64(number % 10)
            requests.append([
                "do": "sign", "key": Hex.encode([UInt8](repeating: 2, count: 32)),
                "payload": Hex.encode(Array(try world.payload().utf8)),
                "footer": Hex.encode(KeyFooter.encode(world.issuer.publicKey.id)),
                "implicit": Hex.encode(AccessLink.implicit(AccessLink.purpose, mesh: world.mesh)),
            ])
        }
        let answers = try ask(requests)
        #expect(answers.count == requests.count)
        for (number, answer) in answers.enumerated() {
            let chain = try AccessChain([try #require(answer["token"]?.stringValue)])
            let grant = try chain.grant(issuer: world.issuer.publicKey, mesh: world.mesh)
            #expect(grant.uses == Int64(number % 10))
        }
        // Ed25519 has one signature for each message and key: theirs is ours.
        #expect(answers.last?["token"]?.stringValue == (try world.chain().links[0]))
    }
}
