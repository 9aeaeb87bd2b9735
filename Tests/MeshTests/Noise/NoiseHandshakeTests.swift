import Testing

@testable import Mesh

@Suite("Noise handshakes and records")
struct NoiseHandshakeTests {
    static func key(_ number: UInt8) throws -> NoiseKeyPair {
        try NoiseKeyPair(secretBytes: [UInt8](repeating: number, count: 32))
    }

    static func sides(_ pattern: NoisePattern, prologue: [UInt8] = [1], other: [UInt8] = [1]) throws
        -> (NoiseHandshake, NoiseHandshake)
    {
        (
            try NoiseHandshake(
                pattern, role: .initiator, prologue: prologue, staticKey: key(1), ephemeralKey: key(2),
                remoteStatic: pattern.needsResponderStatic ? key(3).publicKey : nil),
            try NoiseHandshake(
                pattern, role: .responder, prologue: other, staticKey: key(3), ephemeralKey: key(4))
        )
    }

    /// Plays the handshake; `change` may alter each message on its way.
    static func play(
        _ pattern: NoisePattern, change: (Int, inout [UInt8]) -> Void = { _, _ in }
    ) throws -> (NoiseHandshake, NoiseHandshake) {
        var (initiator, responder) = try sides(pattern)
        for index in 0..<pattern.messages.count {
            var message =
                index % 2 == 0
                ? try initiator.write(payload: [UInt8(index)]) : try responder.write(payload: [UInt8(index)])
            change(index, &message)
            let payload = index % 2 == 0 ? try responder.read(message) : try initiator.read(message)
            // The first payload of XX goes in clear, so a change in it shows only in the next message.
            if index > 0 { #expect(payload == [UInt8(index)]) }
        }
        return (initiator, responder)
    }

    static func ciphers() throws -> (CipherState, CipherState) {
        let (initiator, responder) = try play(.ik)
        return (try initiator.split().send, try responder.split().receive)
    }

    @Test("after a handshake each side knows the other's static key", arguments: NoisePattern.allCases)
    func remoteStatic(pattern: NoisePattern) throws {
        let (initiator, responder) = try Self.play(pattern)
        #expect(initiator.remoteStatic == (try Self.key(3).publicKey))
        #expect(responder.remoteStatic == (try Self.key(1).publicKey))
        #expect(initiator.handshakeHash == responder.handshakeHash)
    }

    @Test("a changed byte anywhere in any handshake message is noticed", arguments: NoisePattern.allCases)
    func tampering(pattern: NoisePattern) throws {
        var lengths: [Int] = []
        _ = try Self.play(pattern) { _, message in lengths.append(message.count) }
        for (target, length) in lengths.enumerated() {
            for offset in 0..<length {
                #expect(throws: (any Error).self) {
                    let (initiator, responder) = try Self.play(pattern) { index, message in
                        // Not the top bit of a key, which X25519 ignores; the transcript hash still sees it.
                        if index == target { message[offset] ^= 0x01 }
                    }
                    // A clear first message is caught by the next message or, at the latest, by the first record.
                    var send = try initiator.split().send
                    var receive = try responder.split().receive
                    _ = try receive.decrypt(send.encrypt([7]))
                }
            }
        }
    }

    @Test("a message cut short is refused at every length", arguments: NoisePattern.allCases)
    func truncation(pattern: NoisePattern) throws {
        var (initiator, _) = try Self.sides(pattern)
        let message = try initiator.write()
        for count in 0..<min(message.count, 32) {
            var (_, responder) = try Self.sides(pattern)
            #expect(throws: NoiseError.messageTooShort) { try responder.read(Array(message.prefix(count))) }
            #expect(throws: NoiseError.outOfTurn) { try responder.read(message) }
        }
    }

    @Test("different prologues never agree", arguments: NoisePattern.allCases)
    func prologue(pattern: NoisePattern) throws {
        var (initiator, responder) = try Self.sides(pattern, prologue: [1], other: [2])
        #expect(throws: NoiseError.authenticationFailed) {
            _ = try responder.read(initiator.write())
            _ = try initiator.read(responder.write())
        }
    }

    @Test("a public key that gives an all-zero secret is refused")
    func weakKey() throws {
        var (_, responder) = try Self.sides(.xx)
        _ = try responder.read([UInt8](repeating: 0, count: 32))
        #expect(throws: NoiseError.weakKey) { try responder.write() }
        #expect(throws: NoiseError.outOfTurn) { try responder.write() }
    }

    @Test("IK needs the responder's key, and the right one")
    func wrongResponder() throws {
        #expect(throws: NoiseError.remoteStaticMissing) {
            try NoiseHandshake(.ik, role: .initiator, prologue: [], staticKey: Self.key(1), ephemeralKey: Self.key(2))
        }
        var initiator = try NoiseHandshake(
            .ik, role: .initiator, prologue: [1], staticKey: Self.key(1), ephemeralKey: Self.key(2),
            remoteStatic: Self.key(9).publicKey)
        var (_, responder) = try Self.sides(.ik)
        #expect(throws: NoiseError.authenticationFailed) { try responder.read(initiator.write()) }
    }

    @Test("messages out of turn and early keys are refused")
    func turns() throws {
        var (initiator, responder) = try Self.sides(.xx)
        #expect(throws: NoiseError.outOfTurn) { try initiator.read([]) }
        #expect(throws: NoiseError.outOfTurn) { try responder.write() }
        #expect(throws: NoiseError.notFinished) { _ = try initiator.split() }
        #expect(initiator.handshakeHash == nil)
    }

    @Test("a payload that would pass 65,535 bytes is refused")
    func length() throws {
        var (initiator, _) = try Self.sides(.xx)
        #expect(throws: NoiseError.messageTooLong(65_568)) {
            try initiator.write(payload: [UInt8](repeating: 0, count: 65_536))
        }
    }

    @Test("a full record is encrypted in place behind its length and read in place")
    func inPlace() throws {
        var (send, receive) = try Self.ciphers()
        let payload = (0..<NoiseConstants.recordPayloadBytesMax).map { UInt8(truncatingIfNeeded: $0) }
        var record: [UInt8] = [0xFF, 0xFF] + payload
        try send.encrypt(&record, from: 2, with: [5])
        #expect(record.count == 2 + NoiseConstants.messageBytesMax)
        #expect(record.prefix(2) == [0xFF, 0xFF])
        #expect(Array(record[2..<20]) != Array(payload[0..<18]))
        let range = try receive.decrypt(&record, in: 2..<record.count, with: [5])
        #expect(Array(record[range]) == payload)
    }

    @Test("a record that was changed, replayed, re-ordered or given other associated data is refused")
    func records() throws {
        var (send, receive) = try Self.ciphers()
        let first = try send.encrypt([1, 2, 3], with: [9])
        let second = try send.encrypt([4])
        #expect(throws: NoiseError.authenticationFailed) { try receive.decrypt(second) }
        #expect(throws: NoiseError.authenticationFailed) { try receive.decrypt(first, with: [8]) }
        for offset in first.indices {
            var changed = first
            changed[offset] ^= 0x80
            #expect(throws: NoiseError.authenticationFailed) { try receive.decrypt(changed, with: [9]) }
        }
        #expect(throws: NoiseError.messageTooShort) { try receive.decrypt(Array(first.prefix(15)), with: [9]) }
        #expect(try receive.decrypt(first, with: [9]) == [1, 2, 3])
        #expect(throws: NoiseError.authenticationFailed) { try receive.decrypt(first, with: [9]) }
        #expect(try receive.decrypt(second) == [4])
    }

    @Test("the last nonce is never used")
    func nonceOverflow() throws {
        let key = NoiseSecret(copying: [UInt8](repeating: 7, count: 32))
        var send = CipherState(key: key, nonce: .max - 1)
        var receive = CipherState(key: key, nonce: .max - 1)
        let record = try send.encrypt([1])
        #expect(try receive.decrypt(record) == [1])
        #expect(throws: NoiseError.nonceExhausted) { try send.encrypt([1]) }
        #expect(throws: NoiseError.nonceExhausted) { try receive.decrypt(record) }
    }

    @Test("after both sides rekey, records flow and the old key is useless")
    func rekey() throws {
        var (send, receive) = try Self.ciphers()
        var old = receive
        send.rekey()
        receive.rekey()
        let record = try send.encrypt([1, 2])
        #expect(throws: NoiseError.authenticationFailed) { try old.decrypt(record) }
        #expect(try receive.decrypt(record) == [1, 2])
    }

    @Test("generated keys differ and are usable")
    func generate() throws {
        let first = NoiseKeyPair.generate()
        let second = NoiseKeyPair.generate()
        #expect(first.publicKey != second.publicKey)
        let agreed = try first.shared(with: second.publicKey).withBytes {
            Array(UnsafeBufferPointer(start: $0, count: 32))
        }
        let other = try second.shared(with: first.publicKey).withBytes {
            Array(UnsafeBufferPointer(start: $0, count: 32))
        }
        #expect(agreed == other)
    }
}
