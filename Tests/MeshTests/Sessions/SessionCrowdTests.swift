import Codec
import Ring
import Testing

@testable import Mesh

/// Somebody who begins a first contact and never goes on. Confined to its loop.
struct Staller {
    let socket: Int32
    let sentBytes: Int

    init(
        _ loop: any EventLoop, _ address: SocketAddress, meshID: [UInt8]? = [1, 2, 3],
        padding: Int = SessionConstants.firstContactPaddingBytes
    ) async throws {
        let opening = SessionOpening(.xx, isBound: meshID != nil, .chaChaPoly).encoded
        var noise = try NoiseHandshake(
            .xx, role: .initiator, prologue: opening + (meshID ?? []), staticKey: .generate(), ephemeralKey: .generate()
        )
        let message = try noise.write(payload: [UInt8](repeating: 0, count: padding))
        let bytes = opening + HandshakeFrame(.noise, message).encoded
        socket = try await loop.connect(address, deadline: nil)
        sentBytes = bytes.count
        try await loop.send(socket, bytes)
    }

    /// What comes until the other side hangs up or says nothing more.
    func received(_ loop: any EventLoop, until deadline: Instant) async -> [UInt8] {
        var all: [UInt8] = []
        do {
            while true {
                let bytes = try await loop.receive(socket, maximum: 65_536, deadline: deadline)
                guard !bytes.isEmpty else { return all }
                all += bytes
            }
        } catch {
            return all
        }
    }
}

@Suite("Sessions: where many knock", .timeLimit(.minutes(1)))
struct SessionCrowdTests {
    private func waitUntil(_ loop: any EventLoop, _ holds: () -> Bool) async throws {
        let deadline = loop.after(.seconds(10))
        while !holds(), loop.now < deadline { try await loop.sleep(for: .milliseconds(1)) }
        #expect(holds())
    }

    @Test("near the limit only those get in who come again with a cookie", arguments: sessionBackends)
    func cookies(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            var configuration = server.configuration()
            configuration.halfOpenMax = 8
            let listener = try SessionListener(loop, .loopback(port: 0), configuration) { $0.onMessage = nil }
            let refused = Cell<[MeshError]>([])
            listener.onRefused = { _, error in refused.value.append(error) }
            var crowd: [Staller] = []
            for _ in 0..<6 { crowd.append(try await Staller(loop, listener.address)) }
            try await waitUntil(loop) { listener.halfOpen == 6 }
            // Without a cookie it is sent away, with fewer bytes than it sent.
            let late = try await Staller(loop, listener.address)
            let answer = await late.received(loop, until: loop.after(.seconds(10)))
            #expect(answer.prefix(10) == SessionAnswer(.cookie).encoded[...])
            #expect(answer.count == 26 && answer.count < late.sentBytes)
            #expect(listener.halfOpen == 6)
            for remoteKey in [server.key.publicKey, nil] {
                let session = try await Session.connect(
                    loop, to: listener.address, remoteKey: remoteKey, TestHost("client").configuration())
                session.close()
            }
            #expect(refused.value == [.busy, .busy, .busy])
            for staller in crowd + [late] { loop.close(staller.socket) }
            listener.close()
        }
    }

    @Test("hosts that connect and are silent keep nobody out", arguments: sessionBackends)
    func silentCrowd(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            let listener = try SessionListener(loop, .loopback(port: 0), server.configuration()) { $0.onMessage = nil }
            var silent: [Int32] = []
            for _ in 0..<700 { silent.append(try await loop.connect(listener.address, deadline: nil)) }
            let session = try await Session.connect(
                loop, to: listener.address, remoteKey: server.key.publicKey, TestHost("client").configuration(),
                deadline: loop.after(.seconds(5)))
            session.close()
            for socket in silent { loop.close(socket) }
            listener.close()
        }
    }

    @Test("a stranger gets no more bytes than it sends", arguments: sessionBackends)
    func amplification(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let server = TestHost("server")
            var configuration = server.configuration { _ in .reject(String(repeating: "no ", count: 100)) }
            configuration.payload = [UInt8](repeating: 1, count: 5_000)
            configuration.handshakeTimeout = .milliseconds(200)
            let listener = try SessionListener(loop, .loopback(port: 0), configuration) { _ in
                Issue.record("a session was made")
            }
            for padding in [0, 16, 4_000, 5_000, SessionConstants.firstContactPaddingBytes] {
                let staller = try await Staller(loop, listener.address, padding: padding)
                let answer = await staller.received(loop, until: loop.after(.seconds(5)))
                #expect(answer.count <= staller.sentBytes, "\(padding)")
                loop.close(staller.socket)
            }
            for bytes in [[0x47], Array("swarmlet".utf8) + [9, 1, 1], Array("swarmlet".utf8) + [1, 1, 0x47]] {
                let socket = try await loop.connect(listener.address, deadline: nil)
                try await loop.send(socket, bytes)
                let answer = try await loop.receive(socket, maximum: 64, deadline: loop.after(.seconds(5)))
                #expect(answer.count <= bytes.count)
                loop.close(socket)
            }
            listener.close()
        }
    }

    @Test("a cookie is one address's and lasts two to four minutes")
    func validity() {
        let count = Cell<UInt8>(0)
        var cookies = SessionCookies {
            count.value += 1
            return NoiseSecret(copying: [UInt8](repeating: count.value, count: SessionConstants.cookieSecretBytes))
        }
        let (one, two) = (SocketAddress.ipv4(0x0A00_0001, port: 9), SocketAddress.ipv4(0x0A00_0002, port: 9))
        let start = Instant(nanoseconds: 1_000_000_000)
        let cookie = cookies.cookie(for: one, at: start)
        #expect(cookies.isValid(cookie, for: one.with(port: 10), at: start))
        #expect(!cookies.isValid(cookie, for: two, at: start))
        #expect(!cookies.isValid(Array(cookie.dropLast()), for: one, at: start))
        #expect(!cookies.isValid([], for: one, at: start))
        #expect(cookies.isValid(cookie, for: one, at: start + .seconds(125)))
        let later = cookies.cookie(for: one, at: start + .seconds(126))
        #expect(later != cookie)
        #expect(!cookies.isValid(cookie, for: one, at: start + .seconds(250)))
        let idle = cookies.cookie(for: two, at: start + .seconds(251))
        #expect(!cookies.isValid(idle, for: two, at: start + .seconds(1_000)))
    }
}
