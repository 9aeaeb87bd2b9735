import Codec

@testable import Mesh

/// Sessions before and after their handshake.
enum SessionFuzzing {
    static func frame(_ bytes: [UInt8]) -> String? {
        guard let frame = Fuzzer.taken({ () throws(MeshError) in try SessionFrame.decode(bytes[...]) }) else {
            return nil
        }
        let written = encoded(frame)
        guard let again = Fuzzer.taken({ () throws(MeshError) in try SessionFrame.decode(written[...]) }) else {
            return "a frame that was taken is refused when written again"
        }
        return encoded(again) == written ? nil : "a frame that was taken does not survive being written"
    }

    private static func encoded(_ frame: SessionFrame) -> [UInt8] {
        var bytes: [UInt8] = []
        frame.encode(into: &bytes)
        return bytes
    }

    /// The first byte says who speaks: an opening, an answer, or a frame of the handshake.
    static func opening(_ bytes: [UInt8]) -> String? {
        let rest = Array(bytes.dropFirst())
        switch bytes.first {
        case 0:
            let first = Array(rest.prefix(SessionConstants.openingBytes))
            guard var opening = Fuzzer.taken({ () throws(MeshError) in try SessionOpening(decoding: first) }) else {
                return nil
            }
            let cookie = Array(rest.dropFirst(first.count).prefix(opening.cookieBytes))
            guard cookie.count == opening.cookieBytes else { return nil }
            opening.take(cookie: cookie)
            guard rest.starts(with: opening.encoded) else {
                return "an opening that was taken is written in other bytes"
            }
            guard opening.version == SessionConstants.version, let pattern = opening.pattern, let suite = opening.suite
            else { return nil }
            let again = SessionOpening(pattern, isBound: opening.isBound, suite, cookie: opening.cookie)
            return again == opening ? nil : "an opening has two meanings"
        case 1:
            guard let answer = Fuzzer.taken({ () throws(MeshError) in try SessionAnswer(decoding: rest) }),
                let answer
            else { return nil }
            return answer.encoded == rest ? nil : "an answer that was taken is written in other bytes"
        case 2:
            let header = Array(rest.prefix(HandshakeFrame.headerBytes))
            guard header.count == HandshakeFrame.headerBytes,
                let (kind, length) = Fuzzer.taken({ () throws(MeshError) in try HandshakeFrame.header(header) })
            else { return nil }
            guard length <= SessionConstants.handshakeFrameBytesMax else { return "a frame of \(length) bytes" }
            let frame = HandshakeFrame(kind, [UInt8](repeating: 0, count: length))
            return frame.encoded.starts(with: header) ? nil : "a header that was taken is written in other bytes"
        default: return nil
        }
    }

    /// Pieces, each as `length(1) frame`: no more is held than was announced and is allowed.
    static func pieces(_ bytes: [UInt8]) -> String? {
        var assembler = MessageAssembler()
        var rest = bytes[...]
        while let length = rest.popFirst() {
            let record = rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
            let frame = Fuzzer.taken { () throws(MeshError) in try SessionFrame.decode(record) }
            guard case .post(_, let fragment) = frame else { continue }
            do throws(MeshError) {
                if let message = try assembler.add(fragment), message.bytes.count > SessionConstants.messageBytesMax {
                    return "a message of \(message.bytes.count) bytes"
                }
            } catch {
                return nil
            }
            if assembler.heldBytes > SessionConstants.messageBytesMax { return "\(assembler.heldBytes) bytes are held" }
        }
        return nil
    }

    /// Messages, each as `length(2) bytes`, to the side and pattern that the first byte names.
    static func handshake(_ bytes: [UInt8]) -> String? {
        guard let choice = bytes.first else { return nil }
        let role: NoiseHandshake.Role = choice & 1 == 0 ? .responder : .initiator
        let pattern: NoisePattern = choice & 2 == 0 ? .xx : .ik
        do throws(NoiseError) {
            var noise = try NoiseHandshake(
                pattern, role: role, prologue: [choice], staticKey: key(1), ephemeralKey: key(2),
                remoteStatic: key(3).publicKey)
            var rest = bytes.dropFirst()
            while !noise.isFinished {
                if noise.isMyTurn {
                    _ = try noise.write(payload: [1, 2, 3])
                    continue
                }
                guard let low = rest.popFirst(), let high = rest.popFirst() else { return nil }
                let length = Int(low) | Int(high) << 8
                let payload = try noise.read(Array(rest.prefix(length)))
                if payload.count > length { return "a payload longer than its message" }
                rest = rest.dropFirst(length)
            }
            // Whoever has none of the three secrets has made a handshake with a key of their own: only xx allows that.
            return role == .initiator && pattern == .ik ? "a stranger answered for a known key" : nil
        } catch {
            return nil
        }
    }

    private static func key(_ number: UInt8) throws(NoiseError) -> NoiseKeyPair {
        try NoiseKeyPair(secretBytes: [UInt8](repeating: number, count: 32))
    }
}
