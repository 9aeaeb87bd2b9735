import Foundation
import Testing

@testable import Mesh

@Suite("Noise against published vectors")
struct NoiseVectorTests {
    struct File: Decodable { var vectors: [Vector] }
    struct Vector: Decodable {
        var protocolName: String
        var initPrologue: String
        var initStatic: String?
        var initEphemeral: String
        var initRemoteStatic: String?
        var respPrologue: String
        var respStatic: String?
        var respEphemeral: String?
        var handshakeHash: String
        var messages: [Message]
    }
    struct Message: Decodable {
        var payload: String
        var ciphertext: String
    }

    static let path = URL(
        fileURLWithPath: ProcessInfo.processInfo.environment["SWARMLET_VECTORS"] ?? "../shared/vectors"
    ).appendingPathComponent("noise/cacophony.txt").path

    @Test(
        "every message, hash and record of cacophony's vectors is reproduced byte for byte",
        .enabled(if: FileManager.default.fileExists(atPath: path), "no vectors at \(path): set SWARMLET_VECTORS"),
        arguments: NoisePattern.allCases, NoiseSuite.allCases.filter(\.isAvailable))
    func vectors(pattern: NoisePattern, suite: NoiseSuite) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = try decoder.decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: Self.path)))
        let vectors = file.vectors.filter { $0.protocolName == pattern.protocolName(suite) }
        #expect(!vectors.isEmpty)
        for vector in vectors { try check(vector, pattern, suite) }
    }

    private func check(_ vector: Vector, _ pattern: NoisePattern, _ suite: NoiseSuite) throws {
        var initiator = try NoiseHandshake(
            pattern, suite, role: .initiator, prologue: bytes(vector.initPrologue),
            staticKey: NoiseKeyPair(secretBytes: bytes(#require(vector.initStatic))),
            ephemeralKey: NoiseKeyPair(secretBytes: bytes(vector.initEphemeral)),
            remoteStatic: vector.initRemoteStatic.map(bytes))
        var responder = try NoiseHandshake(
            pattern, suite, role: .responder, prologue: bytes(vector.respPrologue),
            staticKey: NoiseKeyPair(secretBytes: bytes(#require(vector.respStatic))),
            ephemeralKey: NoiseKeyPair(secretBytes: bytes(#require(vector.respEphemeral))))
        let handshake = vector.messages.prefix(pattern.messages.count)
        for (index, message) in handshake.enumerated() {
            let isFromInitiator = index % 2 == 0
            let written =
                isFromInitiator
                ? try initiator.write(payload: bytes(message.payload))
                : try responder.write(payload: bytes(message.payload))
            #expect(written == bytes(message.ciphertext))
            let read = isFromInitiator ? try responder.read(written) : try initiator.read(written)
            #expect(read == bytes(message.payload))
        }
        #expect(initiator.handshakeHash == bytes(vector.handshakeHash))
        #expect(responder.handshakeHash == bytes(vector.handshakeHash))
        var left = try initiator.split()
        var right = try responder.split()
        for (index, message) in vector.messages.enumerated().dropFirst(handshake.count) {
            let isFromInitiator = index % 2 == 0
            let sent =
                isFromInitiator
                ? try left.send.encrypt(bytes(message.payload)) : try right.send.encrypt(bytes(message.payload))
            #expect(sent == bytes(message.ciphertext))
            let received = isFromInitiator ? try right.receive.decrypt(sent) : try left.receive.decrypt(sent)
            #expect(received == bytes(message.payload))
        }
    }
}

/// The bytes of a hexadecimal string.
func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16)! }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
