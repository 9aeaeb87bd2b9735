import Codec
import Ring
import Testing

@testable import Mesh

@Suite("Ciphers and keys of sessions")
struct SessionKeyTests {
    @Test("two members use AES where both have it, and ChaCha20 where one has not", arguments: sessionBackends)
    func agreement(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let best = SessionConfiguration.preferredSuites
            let cases: [(near: [NoiseSuite], far: [NoiseSuite], agreed: NoiseSuite)] = [
                (best, best, best[0]), ([.chaChaPoly], best, .chaChaPoly), (best, [.chaChaPoly], .chaChaPoly),
            ]
            for (near, far, agreed) in cases {
                let server = TestHost("server")
                let arrived = LoopQueue<Session>(loop, capacity: 1)
                var configuration = server.configuration()
                configuration.suites = far
                let listener = try SessionListener(loop, .loopback(port: 0), configuration) { _ = arrived.offer($0) }
                configuration = TestHost("client").configuration()
                configuration.suites = near
                let session = try await Session.connect(
                    loop, to: listener.address, remoteKey: server.key.publicKey, configuration)
                let other = try #require(try await arrived.next(until: loop.after(.seconds(10))))
                #expect(session.suite == agreed)
                #expect(other.suite == agreed)
                #expect(session.handshakeHash == other.handshakeHash)
                let heard = LoopQueue<[UInt8]>(loop, capacity: 1)
                other.onMessage = { _, bytes in _ = heard.offer(bytes) }
                try session.post(1, [1, 2, 3])
                #expect(try await heard.next(until: loop.after(.seconds(10))) == [1, 2, 3])
                session.close()
                other.close()
                listener.close()
            }
        }
    }

    @Test("an opening whose choice of cipher was changed on the way breaks the handshake", arguments: sessionBackends)
    func downgrade(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            let refused = LoopQueue<MeshError>(loop, capacity: 1)
            let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { _ in
                Issue.record("a session with a changed opening")
            }
            listener.onRefused = { _, error in _ = refused.offer(error) }
            let opening = SessionOpening(.ik, isBound: true, .chaChaPoly).encoded
            let changed = SessionOpening(.ik, isBound: true, .aesGCM).encoded
            var noise = try NoiseHandshake(
                .ik, .chaChaPoly, role: .initiator, prologue: changed + [1, 2, 3],
                staticKey: .generate(), ephemeralKey: .generate(), remoteStatic: server.key.publicKey)
            let message = try noise.write(payload: [])
            var frame: [UInt8] = [1]
            frame.appendLittleEndian(UInt16(message.count))
            let socket = try await loop.connect(listener.address, deadline: nil)
            try await loop.send(socket, opening + frame + message)
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .keysDoNotFit)
            loop.close(socket)
            listener.close()
        }
    }

    @Test("keys are renewed under traffic, by time and by bytes, and no message is lost", arguments: [true, false])
    func renewal(byTime: Bool) async throws {
        try await withSessionLoop(.epoll) { loop in
            let pair = try await SessionPair.make(loop) { configuration in
                configuration.keepAliveInterval = .milliseconds(3)
                configuration.silenceMax = .seconds(30)
                configuration.rekeyInterval = byTime ? .milliseconds(10) : .seconds(3_600)
                configuration.rekeyBytes = byTime ? .max : 100_000
            }
            let count = 3_000
            let heard = LoopQueue<(isFar: Bool, number: Int)>(loop, capacity: 4 * count)
            for (session, isFar) in [(pair.near, false), (pair.far, true)] {
                session.onMessage = { _, bytes in
                    _ = heard.offer((isFar, Int(bytes[0]) | Int(bytes[1]) << 8))
                }
            }
            var next = [0, 0]
            for number in 0..<count {
                let message = [UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 7, count: 300)
                try pair.near.post(1, message)
                try pair.far.post(1, message)
                // No faster than they are heard: what may wait for a session is bounded.
                guard number % 20 == 19 else { continue }
                while next != [number + 1, number + 1] {
                    let message = try #require(try await heard.next(until: loop.after(.seconds(20))))
                    #expect(message.number == next[message.isFar ? 1 : 0])
                    next[message.isFar ? 1 : 0] += 1
                }
            }
            while pair.near.exchanges < 3 || pair.far.exchanges < 3 {
                try pair.near.post(2, [0, 0])
                _ = try #require(try await heard.next(until: loop.after(.seconds(20))))
                guard pair.near.closeReason == nil, byTime || pair.near.exchanges > 2 else { break }
            }
            #expect(pair.near.exchanges >= 3)
            #expect(pair.near.closeReason == nil)
            #expect(pair.far.closeReason == nil)
            pair.close()
        }
    }

    @Test("keys out of turn end the session")
    func outOfTurn() async throws {
        try await withSessionLoop(.epoll) { loop in
            let key = NoiseKeyPair.generate().publicKey
            let rogues: [[SessionFrame]] = [
                [.rekeyAnswer(key)], [.rekeyDone], [.rekey(key), .rekey(key)],
                [.rekey([UInt8](repeating: 0, count: 32))],
            ]
            for frames in rogues {
                let server = TestHost("server")
                let closed = LoopQueue<MeshError>(loop, capacity: 1)
                let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { session in
                    session.onClosed = { _ = closed.offer($0) }
                }
                let socket = try await loop.connect(listener.address, deadline: nil)
                let handshake = SessionHandshake(
                    loop, socket, TestHost("rogue").configuration(), listener.address,
                    deadline: loop.after(.seconds(10)))
                var cookie: [UInt8] = []
                var channel = try await handshake.initiate(remoteKey: server.key.publicKey, cookie: &cookie).channel
                for frame in frames { try await loop.send(socket, channel.seal(frame)) }
                #expect(try await closed.next(until: loop.after(.seconds(10)))?.code == "mesh.session.protocol")
                loop.close(socket)
                listener.close()
            }
        }
    }

    @Test("what a session had not begun to send when it ended can go out with the next one")
    func unsent() async throws {
        try await withSessionLoop(.epoll) { loop in
            let pair = try await SessionPair.make(loop)
            for number in 0..<5 { try pair.near.post(UInt16(number), [UInt8(number)]) }
            pair.near.end(.disconnected, farewell: nil)
            let left = pair.near.takeUnsent()
            #expect(left.map(\.kind) == [0, 1, 2, 3, 4])
            #expect(left.map(\.bytes) == (0..<5).map { [$0] })
            #expect(pair.near.takeUnsent().isEmpty)
            pair.close()
        }
    }
}
