import Codec
import Ring
import Testing

@testable import Mesh

@Suite("Sessions: messages", .timeLimit(.minutes(1)))
struct SessionMessageTests {
    @Test("a thousand messages arrive in order, in both directions", arguments: sessionBackends)
    func order(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let seen = Cell<[UInt16]>([])
            let done = LoopSignal(loop)
            for session in [pair.near, pair.far] {
                session.onMessage = { kind, bytes in
                    #expect(bytes == [UInt8](repeating: UInt8(truncatingIfNeeded: kind), count: Int(kind)))
                    seen.value.append(kind)
                    if seen.value.count == 2_000 { done.notify() }
                }
            }
            for session in [pair.near, pair.far] {
                for number in 0..<1_000 {
                    let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number)
                    try session.post(UInt16(number), bytes, class: .log)
                }
            }
            while seen.value.count < 2_000 { try await done.wait(until: loop.after(.seconds(20))) }
            // Each number came twice and each sender's numbers rose.
            var next: [UInt16] = [0, 0]
            for kind in seen.value {
                let sender = next[0] == kind ? 0 : 1
                #expect(next[sender] == kind)
                next[sender] += 1
            }
            pair.close()
        }
    }

    @Test("messages of every size come whole, and one too long is refused", arguments: sessionBackends)
    func sizes(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let arrived = LoopQueue<[UInt8]>(loop, capacity: 16)
            pair.far.onMessage = { _, bytes in _ = arrived.offer(bytes) }
            for size in [0, 1, 32_767, 32_768, 32_769, 65_536, 1_000_000, SessionConstants.messageBytesMax] {
                let message = [UInt8](repeating: 0x5A, count: size)
                try pair.near.post(7, message, class: .bulk)
                #expect(try await arrived.next(until: loop.after(.seconds(20))) == message)
            }
            let long = [UInt8](repeating: 0, count: SessionConstants.messageBytesMax + 1)
            #expect(throws: MeshError.messageTooLong(long.count)) { try pair.near.post(7, long) }
            pair.close()
        }
    }

    @Test("a full queue refuses by name and loses nothing", arguments: sessionBackends)
    func fullQueue(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let received = Cell(0)
            let done = LoopSignal(loop)
            pair.far.onMessage = { _, _ in
                received.value += 1
                done.notify()
            }
            var accepted = 0
            do throws(MeshError) {
                while true {
                    try pair.near.post(1, [1, 2, 3], class: .log)
                    accepted += 1
                }
            } catch {
                #expect(error == .queueFull("log"))
            }
            #expect(accepted == SessionConstants.queuedMessagesMax)
            try pair.near.post(1, [4], class: .control)
            while received.value < accepted + 1 { try await done.wait(until: loop.after(.seconds(20))) }
            pair.close()
        }
    }

    @Test("a control message overtakes bulk that was queued before it", arguments: sessionBackends)
    func controlFirst(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let seen = Cell<[UInt16]>([])
            let done = LoopSignal(loop)
            pair.far.onMessage = { kind, _ in
                seen.value.append(kind)
                done.notify()
            }
            let bulk = [UInt8](repeating: 1, count: 1 << 20)
            for _ in 0..<30 { try pair.near.post(2, bulk, class: .bulk) }
            while seen.value.isEmpty { try await done.wait(until: loop.after(.seconds(20))) }
            try pair.near.post(1, [1], class: .control)
            while seen.value.count < 31 { try await done.wait(until: loop.after(.seconds(20))) }
            let place = try #require(seen.value.firstIndex(of: 1))
            #expect(place < 25, "the control message was number \(place)")
            pair.close()
        }
    }

    @Test("pings measure the round trip", arguments: sessionBackends)
    func roundTrip(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop) { $0.keepAliveInterval = .milliseconds(2) }
            while pair.near.roundTrip == nil || pair.far.roundTrip == nil {
                try await loop.sleep(for: .milliseconds(1))
            }
            #expect(try #require(pair.near.roundTrip) > .zero)
            pair.close()
        }
    }

    @Test("a peer that falls silent is given up, and every waiter is told", arguments: sessionBackends)
    func silence(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            let listener = try Listener(.loopback(port: 0))
            // Finishes its handshake and then never answers.
            let mute = loop.spawn("mute") {
                do {
                    let accepted = try await loop.accept(listener)
                    let handshake = SessionHandshake(
                        loop, accepted.socket, server.configuration(), accepted.peer, deadline: loop.after(.seconds(10))
                    )
                    _ = try await handshake.respond(try await handshake.readKnock())
                    try await loop.sleep(until: .distantFuture)
                } catch RingError.cancelled {
                    return
                } catch {
                    Issue.record("\(error)")
                }
            }
            var configuration = TestHost("client").configuration()
            configuration.keepAliveInterval = .milliseconds(5)
            configuration.silenceMax = .milliseconds(40)
            let session = try await Session.connect(
                loop, to: listener.address, remoteKey: server.key.publicKey, configuration)
            let closed = LoopQueue<MeshError>(loop, capacity: 1)
            session.onClosed = { _ = closed.offer($0) }
            let stream = try await session.openStream(1)
            #expect(await meshFailure { () throws(MeshError) in _ = try await stream.receive() } == .silent)
            #expect(try await closed.next(until: loop.after(.seconds(10))) == .silent)
            #expect(session.closeReason == .silent)
            #expect(throws: MeshError.silent) { try session.post(1, []) }
            mute.cancel()
            await mute.value
            loop.close(listener.descriptor)
        }
    }

    @Test("a member that announces too long a message loses its session", arguments: sessionBackends)
    func rogueMember(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let rogues: [([SessionFrame], MeshError)] = [
                (
                    [.post(.control, .init(start: .init(kind: 1, total: .max), isLast: false, content: []))],
                    .messageTooLong(Int(UInt32.max))
                ),
                ([.streamData(1, .init(start: nil, isLast: true, content: [1]))], .protocolViolation("")),
                ([.streamFinish(1)], .protocolViolation("")),
                ([.streamOpen(2, kind: 1, .bulk)], .protocolViolation("")),
                ([.streamOpen(1, kind: 1, .bulk), .streamOpen(1, kind: 1, .bulk)], .protocolViolation("")),
                ([.ready], .protocolViolation("")),
                (
                    [.streamOpen(1, kind: 1, .bulk)]
                        + (0..<9).map { index in
                            .streamData(
                                1,
                                .init(
                                    start: index == 0 ? .init(kind: 0, total: 1 << 20) : nil, isLast: false,
                                    content: [UInt8](repeating: 0, count: 32_768)[...]))
                        },
                    .protocolViolation("")
                ),
            ]
            for (frames, expected) in rogues {
                let server = TestHost("server")
                let closed = LoopQueue<MeshError>(loop, capacity: 1)
                let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { session in
                    session.onClosed = { _ = closed.offer($0) }
                    session.onStream = { _, _ in }
                }
                let socket = try await loop.connect(listener.address, deadline: nil)
                let handshake = SessionHandshake(
                    loop, socket, TestHost("rogue").configuration(), listener.address,
                    deadline: loop.after(.seconds(10)))
                var cookie: [UInt8] = []
                var channel = try await handshake.initiate(remoteKey: server.key.publicKey, cookie: &cookie).channel
                for frame in frames { try await loop.send(socket, channel.seal(frame)) }
                let error = try await closed.next(until: loop.after(.seconds(10)))
                #expect(error?.code == expected.code)
                if case .messageTooLong = expected { #expect(error == expected) }
                loop.close(socket)
                listener.close()
            }
        }
    }

    @Test("a record that was changed on the way ends the session", arguments: sessionBackends)
    func tampering(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            let closed = LoopQueue<MeshError>(loop, capacity: 1)
            let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { session in
                session.onClosed = { _ = closed.offer($0) }
                session.onMessage = { _, _ in Issue.record("a changed message arrived") }
            }
            let socket = try await loop.connect(listener.address, deadline: nil)
            let handshake = SessionHandshake(
                loop, socket, TestHost("client").configuration(), listener.address, deadline: loop.after(.seconds(10)))
            var cookie: [UInt8] = []
            var channel = try await handshake.initiate(remoteKey: server.key.publicKey, cookie: &cookie).channel
            var record = try channel.seal(
                .post(.control, .init(start: .init(kind: 1, total: 3), isLast: true, content: [1, 2, 3])))
            record[record.count - 20] ^= 1
            try await loop.send(socket, record)
            #expect(try await closed.next(until: loop.after(.seconds(10)))?.code == "mesh.session.protocol")
            loop.close(socket)
            listener.close()
        }
    }
}
