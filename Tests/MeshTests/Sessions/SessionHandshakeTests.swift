import Codec
import Ring
import Testing

@testable import Mesh

@Suite("Sessions: who gets in", .timeLimit(.minutes(1)))
struct SessionHandshakeTests {
    @Test("both patterns give both sides the other's key, payload and the same hash", arguments: sessionBackends)
    func patterns(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            for isMember in [true, false] {
                let (client, server) = (TestHost("client"), TestHost("server"))
                let claims = Cell<[SessionClaim]>([])
                let arrived = LoopQueue<Session>(loop, capacity: 1)
                let listener = try SessionListener(
                    loop, .loopback(port: 0),
                    server.configuration { claim in
                        claims.value.append(claim)
                        return .accept
                    }
                ) { _ = arrived.offer($0) }
                let near = try await Session.connect(
                    loop, to: listener.address, remoteKey: isMember ? server.key.publicKey : nil,
                    client.configuration { claim in
                        claims.value.append(claim)
                        return .accept
                    })
                let far = try #require(try await arrived.next(until: loop.after(.seconds(10))))
                #expect(near.remoteKey == server.key.publicKey && far.remoteKey == client.key.publicKey)
                #expect(near.remotePayload == Array("server".utf8) && far.remotePayload == Array("client".utf8))
                #expect(near.handshakeHash == far.handshakeHash && near.handshakeHash.count == 64)
                #expect(near.pattern == (isMember ? .ik : .xx) && far.pattern == near.pattern)
                #expect(near.role == .initiator && far.role == .responder)
                #expect(claims.value.count == 2)
                #expect(claims.value.allSatisfy { $0.isBoundToMesh && $0.pattern == near.pattern })
                near.close()
                listener.close()
            }
        }
    }

    @Test("a first contact need not know the mesh, and the listener sees that", arguments: sessionBackends)
    func unboundContact(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let arrived = LoopQueue<Session>(loop, capacity: 1)
            let listener = try SessionListener(loop, .loopback(port: 0), TestHost("server").configuration()) {
                _ = arrived.offer($0)
            }
            let stranger = TestHost("stranger", meshID: nil)
            let near = try await Session.connect(loop, to: listener.address, stranger.configuration())
            let far = try #require(try await arrived.next(until: loop.after(.seconds(10))))
            #expect(!near.isBoundToMesh && !far.isBoundToMesh)
            near.close()
            listener.close()
        }
    }

    @Test("a wrong key or another mesh is refused on both sides", arguments: sessionBackends)
    func wrongKey(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let refused = LoopQueue<MeshError>(loop, capacity: 8)
            let listener = try SessionListener(loop, .loopback(port: 0), TestHost("server").configuration()) { _ in
                Issue.record("a session was made")
            }
            listener.onRefused = { _, error in _ = refused.offer(error) }
            let wrongKey = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(
                    loop, to: listener.address, remoteKey: TestHost("else").key.publicKey,
                    TestHost("client").configuration())
            }
            #expect(wrongKey == .keysDoNotFit)
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .keysDoNotFit)
            let otherMesh = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(
                    loop, to: listener.address, TestHost("client", meshID: [9]).configuration())
            }
            #expect(otherMesh == .keysDoNotFit)
            listener.configuration.meshID = nil
            let noMesh = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(loop, to: listener.address, TestHost("client").configuration())
            }
            #expect(noMesh == .keysDoNotFit)
            #expect(listener.halfOpen == 0 && listener.sessions == 0)
            listener.close()
        }
    }

    @Test("a claim that is rejected ends the handshake with its reason", arguments: sessionBackends)
    func rejection(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            let listener = try SessionListener(
                loop, .loopback(port: 0), server.configuration { _ in .reject("not a member") }
            ) { _ in Issue.record("a session was made") }
            for remoteKey in [server.key.publicKey, nil] {
                let error = await meshFailure { () throws(MeshError) in
                    _ = try await Session.connect(
                        loop, to: listener.address, remoteKey: remoteKey, TestHost("client").configuration())
                }
                #expect(error == .refusedByPeer("not a member"))
            }
            listener.close()
        }
    }

    @Test("at first contact the initiator judges the responder before it shows itself", arguments: sessionBackends)
    func initiatorJudgesFirst(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let refused = LoopQueue<MeshError>(loop, capacity: 1)
            let asked = Cell(0)
            let listener = try SessionListener(
                loop, .loopback(port: 0),
                TestHost("server").configuration { _ in
                    asked.value += 1
                    return .accept
                }
            ) { _ in Issue.record("a session was made") }
            listener.onRefused = { _, error in _ = refused.offer(error) }
            let error = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(
                    loop, to: listener.address, TestHost("client").configuration { _ in .reject("wrong mesh key") })
            }
            #expect(error == .peerRejected("wrong mesh key"))
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .refusedByPeer("wrong mesh key"))
            #expect(asked.value == 0)
            listener.close()
        }
    }

    @Test("a client that connects and says nothing is closed", arguments: sessionBackends)
    func silentClient(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            var configuration = TestHost("server").configuration()
            configuration.handshakeTimeout = .milliseconds(30)
            let listener = try SessionListener(loop, .loopback(port: 0), configuration) { _ in
                Issue.record("a session was made")
            }
            let refused = LoopQueue<MeshError>(loop, capacity: 1)
            listener.onRefused = { _, error in _ = refused.offer(error) }
            let socket = try await loop.connect(listener.address, deadline: nil)
            #expect(try await loop.receive(socket, maximum: 64, deadline: loop.after(.seconds(10))).isEmpty)
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .handshakeTimeout)
            #expect(listener.halfOpen == 0)
            loop.close(socket)
            listener.close()
        }
    }

    @Test("a server that says nothing costs the initiator its timeout", arguments: sessionBackends)
    func silentServer(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let listener = try Listener(.loopback(port: 0))
            var configuration = TestHost("client").configuration()
            configuration.handshakeTimeout = .milliseconds(30)
            let mine = configuration
            let error = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(loop, to: listener.address, mine)
            }
            #expect(error == .handshakeTimeout)
            loop.close(listener.descriptor)
        }
    }

    @Test("an address without a listener or with another protocol says so", arguments: sessionBackends)
    func notSwarmlet(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let listener = try Listener(.loopback(port: 0))
            let closed = LoopQueue<Bool>(loop, capacity: 1)
            loop.spawn("another protocol") {
                do throws(RingError) {
                    let first = try await loop.accept(listener)
                    _ = try await loop.receive(first.socket, maximum: 1024)
                    try await loop.send(first.socket, Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
                    loop.close(first.socket)
                    loop.close(try await loop.accept(listener).socket)
                } catch {
                    Issue.record("\(error)")
                }
                loop.close(listener.descriptor)
                closed.finish()
            }
            for _ in 0..<2 {
                let error = await meshFailure { () throws(MeshError) in
                    _ = try await Session.connect(loop, to: listener.address, TestHost("client").configuration())
                }
                #expect(error == .notSwarmlet(listener.address.description))
            }
            _ = try await closed.next(until: loop.after(.seconds(10)))
            // Held without listening, so that no other test gets the port meanwhile.
            let held = try #require(HeldPort(0))
            let nobody = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(loop, to: .loopback(port: held.port), TestHost("client").configuration())
            }
            #expect(nobody == .connectRefused("127.0.0.1:\(held.port)"))
        }
    }

    @Test("a stranger cannot make a listener hold a large frame", arguments: sessionBackends)
    func oversizeHandshake(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let listener = try SessionListener(loop, .loopback(port: 0), TestHost("server").configuration()) { _ in }
            let refused = LoopQueue<MeshError>(loop, capacity: 8)
            listener.onRefused = { _, error in _ = refused.offer(error) }
            let socket = try await loop.connect(listener.address, deadline: nil)
            try await loop.send(socket, Array("swarmlet".utf8) + [1, 1, 1] + [1, 0xFF, 0xFF])
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .frameTooLong(65_535))
            loop.close(socket)
            let other = try await loop.connect(listener.address, deadline: nil)
            try await loop.send(other, Array("GET / HTTP/1.1\r\n\r\n".utf8))
            let error = try await refused.next(until: loop.after(.seconds(10)))
            #expect(error?.code == "mesh.session.protocol")
            loop.close(other)
            let future = try await loop.connect(listener.address, deadline: nil)
            try await loop.send(future, Array("swarmlet".utf8) + [9, 1, 1])
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .versionUnknown(9))
            #expect(try await loop.receive(future, maximum: 64) == Array("swarmlet".utf8) + [1, 2])
            loop.close(future)
            listener.close()
        }
    }

    @Test("beyond the limit of half-open handshakes a newcomer is told to come again", arguments: sessionBackends)
    func halfOpenLimit(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            var configuration = server.configuration()
            configuration.halfOpenMax = 3
            let arrived = LoopQueue<Session>(loop, capacity: 1)
            let refused = LoopQueue<MeshError>(loop, capacity: 8)
            let listener = try SessionListener(loop, .loopback(port: 0), configuration) { _ = arrived.offer($0) }
            listener.onRefused = { _, error in _ = refused.offer(error) }
            var silent: [Int32] = []
            for _ in 0..<3 { silent.append(try await Staller(loop, listener.address).socket) }
            let turnedAway = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(loop, to: listener.address, TestHost("client").configuration())
            }
            #expect(turnedAway == .busy)
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .busy)
            #expect(listener.halfOpen == 3)
            loop.close(silent.removeLast())
            #expect(try await refused.next(until: loop.after(.seconds(10))) == .disconnected)
            let near = try await Session.connect(loop, to: listener.address, TestHost("client").configuration())
            let far = try #require(try await arrived.next(until: loop.after(.seconds(10))))
            #expect(listener.sessions == 1)
            let closed = LoopQueue<MeshError>(loop, capacity: 1)
            far.onClosed = { _ = closed.offer($0) }
            near.close("done")
            #expect(try await closed.next(until: loop.after(.seconds(10))) == .closedByPeer("done"))
            #expect(listener.sessions == 0)
            for socket in silent { loop.close(socket) }
            listener.close()
        }
    }

    @Test("one address cannot take all handshakes of a listener", arguments: sessionBackends)
    func halfOpenPerAddress(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            var configuration = server.configuration()
            configuration.halfOpenPerAddressMax = 2
            let listener = try SessionListener(loop, .any(port: 0), configuration) { $0.close() }
            let flooded = SocketAddress.loopback(port: listener.address.port)
            var silent: [Int32] = []
            for _ in 0..<2 { silent.append(try await Staller(loop, flooded).socket) }
            let turnedAway = await meshFailure { () throws(MeshError) in
                _ = try await Session.connect(loop, to: flooded, TestHost("client").configuration())
            }
            #expect(turnedAway == .busy)
            for socket in silent { loop.close(socket) }
            let deadline = loop.after(.seconds(10))
            while listener.halfOpen > 0, loop.now < deadline { try await loop.sleep(for: .milliseconds(1)) }
            #expect(listener.halfOpen == 0)
            let session = try await Session.connect(loop, to: flooded, TestHost("client").configuration())
            session.close()
            listener.close()
        }
    }

    @Test("a thousand hosts that connect at once all get their session")
    func thousand() async throws {
        try await withSessionLoop(.epoll) { loop in
            let server = TestHost("server")
            let far = Cell<[Session]>([])
            let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { session in
                session.onMessage = { kind, bytes in
                    do { try session.post(kind, bytes) } catch { Issue.record("\(error)") }
                }
                far.value.append(session)
            }
            let echoed = LoopQueue<Int>(loop, capacity: 1_000)
            let near = Cell<[Session]>([])
            for number in 0..<1_000 {
                loop.spawn("client \(number)") {
                    var configuration = TestHost("client").configuration()
                    configuration.handshakeTimeout = .seconds(60)
                    while true {
                        do throws(MeshError) {
                            let session = try await Session.connect(
                                loop, to: listener.address, remoteKey: server.key.publicKey, configuration)
                            session.onMessage = { kind, _ in _ = echoed.offer(Int(kind)) }
                            near.value.append(session)
                            try session.post(UInt16(number), [1])
                            return
                        } catch {
                            switch error {
                            // The refusal may be overtaken by the reset of the connection.
                            case .busy, .disconnected, .notSwarmlet: break
                            default:
                                Issue.record("\(error)")
                                return
                            }
                            do { try await loop.sleep(for: .milliseconds(20)) } catch { return }
                        }
                    }
                }
            }
            var heard: Set<Int> = []
            while heard.count < 1_000, let number = try await echoed.next(until: loop.after(.seconds(60))) {
                heard.insert(number)
            }
            #expect(heard.count == 1_000)
            #expect(listener.sessions == 1_000)
            for session in near.value + far.value { session.close() }
            listener.close()
        }
    }
}
