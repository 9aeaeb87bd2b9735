import Codec
import Fuzzing
import Testing

@testable import Mesh

@Suite("Bytes of peers")
struct UntrustedBytesTests {
    private static func encoded(_ frame: SessionFrame) -> [UInt8] {
        var bytes: [UInt8] = []
        frame.encode(into: &bytes)
        return bytes
    }

    private static func fragment(_ total: UInt32?, _ content: [UInt8], isLast: Bool) -> SessionFrame.Fragment {
        SessionFrame.Fragment(
            start: total.map { SessionFrame.Start(kind: 3, total: $0) }, isLast: isLast, content: content[...])
    }

    private static let posts: [SessionFrame] = [
        .post(.control, fragment(5, [1, 2], isLast: false)), .post(.control, fragment(nil, [3, 4, 5], isLast: true)),
        .post(.bulk, fragment(0, [], isLast: true)), .post(.control, fragment(.max, [1], isLast: false)),
    ]

    @Test("frames of noise, flawed frames and parts of frames are no more than refused")
    func frames() {
        let frames: [SessionFrame] =
            [
                .ready, .ping(7), .pong(.max), .close("it was\u{1B}[2J time"),
                .close(String(repeating: "\u{FFFD}", count: 90)), .streamOpen(2, kind: 3, .bulk),
                .streamData(2, Self.fragment(9, [1], isLast: false)), .streamCredit(2, 65_536), .streamFinish(2),
                .streamReset(2), .rekey([UInt8](repeating: 1, count: 32)),
                .rekeyAnswer([UInt8](repeating: 2, count: 32)), .rekeyDone,
            ] + Self.posts
        #expect(Fuzzer.frame.flaw(from: frames.map(Self.encoded), seed: 1) == nil)
        let pieces = Self.posts.map { [UInt8(Self.encoded($0).count)] + Self.encoded($0) }
        #expect(Fuzzer.pieces.flaw(from: [Array(pieces[0...2].joined()), pieces[3] + pieces[0]], seed: 2) == nil)
    }

    @Test("what is said before a handshake is taken as it is written, or refused")
    func openings() {
        let cookie = [UInt8](repeating: 5, count: SessionConstants.cookieBytes)
        let openings = [
            SessionOpening(.xx, isBound: false, .chaChaPoly),
            SessionOpening(.ik, isBound: true, .aesGCM, cookie: cookie),
        ]
        let seeds =
            openings.map { [0] + $0.encoded }
            + SessionAnswer.Status.allCases.map { [1] + SessionAnswer($0).encoded }
            + HandshakeFrame.Kind.allCases.map { [2] + HandshakeFrame($0, [1, 2, 3]).encoded }
        #expect(Fuzzer.opening.flaw(from: seeds, seed: 5) == nil)
    }

    @Test("a message of multicast DNS means what it is written as, or nothing")
    func discovery() throws {
        let lab = MeshAnnouncement(
            mesh: "lab", fingerprint: "k7qd-2mxp", node: "owl", addresses: ["192.168.1.11:7717", "[fd77::1]:7717"])
        let seeds = [MeshAnnouncement.question(id: 1), try #require(lab.answer(to: 1))]
        #expect(Fuzzer.discovery.flaw(from: seeds, seed: 6) == nil)
    }

    @Test("a stranger's handshake in any bytes gives no session with a known key")
    func handshakes() throws {
        func key(_ number: UInt8) throws -> NoiseKeyPair {
            try NoiseKeyPair(secretBytes: [UInt8](repeating: number, count: 32))
        }
        // The first byte of a seed is the responder's prologue, and its bit 1 the pattern.
        let seeds = try [(UInt8(0), NoisePattern.xx), (2, .ik)].map { choice, pattern in
            var noise = try NoiseHandshake(
                pattern, role: .initiator, prologue: [choice], staticKey: key(4), ephemeralKey: key(5),
                remoteStatic: key(1).publicKey)
            let first = try noise.write(payload: [9])
            return [choice, UInt8(first.count & 0xFF), UInt8(first.count >> 8)] + first
        }
        #expect(Fuzzer.handshake.flaw(from: seeds, rounds: 100, seed: 3) == nil)
    }

    @Test("a stranger at the UDP port is never believed, and answered with no more than it sent")
    func datagrams() {
        let nonce = DatagramPacket.Nonce(salt: [UInt8](repeating: 3, count: 16), epoch: 1)
        let packets: [DatagramPacket] = [
            .hello(sender: NodeID(2), receiver: NodeID(1), index: 9, nonce), .welcome(to: 8, index: 9, nonce),
            .sealed(.gossip, index: 8, counter: 0), .sealed(.path, index: .max, counter: .max),
        ]
        let seeds = packets.map { packet in
            let bytes = packet.encoded + [UInt8](repeating: 5, count: 30)
            let whole = Array(bytes.prefix(packet.encoded.count + 16))
            return [UInt8(whole.count), 0] + whole
        }
        #expect(Fuzzer.datagram.flaw(from: seeds, rounds: 1_000, seed: 6) == nil)
    }

    @Test("small texts of any bytes are read in one way or refused")
    func texts() {
        let seeds: [(UInt8, String)] = [
            (0, "src/**/*.[ch]\0src/a/b.c"), (0, "[!a-z]?*\0Ab"), (1, "*.o\n!keep.o\n/build/\n\\#x \0build/a.o"),
            (2, "10.0.0.1:7717"), (2, "[fe80::1]:80"), (3, "2026-11-21T14:00:00.5+01:00"), (4, "1h30m"),
            (4, "2-03:04:05"), (5, "a/../b"), (6, "00ff"), (7, "AP8"),
        ]
        #expect(Fuzzer.texts.flaw(from: seeds.map { [$0.0] + Array($0.1.utf8) }, rounds: 2_000, seed: 4) == nil)
        #expect(
            Fuzzer.json.flaw(
                from: [Array(#"{"a":[1,-2.5e3,true,null,"\u00e4\ud83d\ude00\n"],"b":{}}"#.utf8)], rounds: 2_000, seed: 5
            )
                == nil)
    }
}
