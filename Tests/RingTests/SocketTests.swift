import Codec
import Glibc
import Ring
import Testing

@Suite("Event loop: sockets", .timeLimit(.minutes(1)))
struct SocketTests {
    @Test("ten thousand round trips over TCP lose nothing", arguments: backends)
    func roundTrips(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let (client, server) = try await socketPair(loop)
            let echo = loop.spawn("echo") {
                _ = await failure { () throws(RingError) in
                    while true {
                        let bytes = try await loop.receive(server, maximum: 4096)
                        if bytes.isEmpty { break }
                        try await loop.send(server, bytes)
                    }
                }
                loop.close(server)
            }
            for round in 0..<10_000 {
                let message = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 1 + round % 200)
                try await loop.send(client, message)
                var answer: [UInt8] = []
                while answer.count < message.count {
                    answer += try await loop.receive(client, maximum: 4096, deadline: loop.after(.seconds(20)))
                }
                guard answer == message else {
                    Issue.record("round \(round) differs")
                    return
                }
            }
            shutdown(client, Int32(SHUT_WR))
            #expect(try await loop.receive(client, maximum: 1).isEmpty)
            await echo.value
            loop.close(client)
        }
    }

    @Test("a message larger than the socket's buffer arrives whole", arguments: backends)
    func largeMessage(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let (client, server) = try await socketPair(loop)
            let pattern = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            let message = (0..<80).reduce(into: [UInt8]()) { bytes, _ in bytes += pattern }
            let sender = loop.spawn("sender") {
                #expect(await failure { () throws(RingError) in try await loop.send(client, message) } == nil)
                loop.close(client)
            }
            var received: [UInt8] = []
            received.reserveCapacity(message.count)
            while true {
                let bytes = try await loop.receive(server, maximum: 1 << 20)
                if bytes.isEmpty { break }
                received += bytes
            }
            await sender.value
            #expect(received == message)
            loop.close(server)
        }
    }

    @Test("many connections wait for data at once and each gets its own", arguments: backends)
    func manyConnections(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let listener = try Listener(.loopback(port: 0))
            let right = Shared(0)
            var servers: [Int32] = []
            var readers: [Task<Void, Never>] = []
            for number in 0..<200 {
                let client = try await loop.connect(listener.address, deadline: nil)
                servers.append(try await loop.accept(listener).socket)
                readers.append(
                    loop.spawn("reader") {
                        _ = await failure { () throws(RingError) in
                            if try await loop.receive(client, maximum: 8) == [UInt8(number)] { right.value += 1 }
                        }
                        loop.close(client)
                    })
            }
            for (number, server) in servers.enumerated() { try await loop.send(server, [UInt8(number)]) }
            for reader in readers { await reader.value }
            #expect(right.value == 200)
            for server in servers { loop.close(server) }
            loop.close(listener.descriptor)
        }
    }

    @Test("every operation ends at its deadline", arguments: backends)
    func deadlines(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let (client, server) = try await socketPair(loop)
            let listener = try Listener(.loopback(port: 0))
            let datagrams = try DatagramSocket(.loopback(port: 0)).descriptor
            let soon = loop.after(.milliseconds(5))
            func expectDeadline(_ body: () async throws(RingError) -> Void) async {
                #expect(await failure(body) == .deadline)
            }
            await expectDeadline { () throws(RingError) in
                _ = try await loop.receive(client, maximum: 8, deadline: soon)
            }
            #expect(loop.now >= soon)
            await expectDeadline { () throws(RingError) in _ = try await loop.accept(listener, deadline: soon) }
            await expectDeadline { () throws(RingError) in try await loop.readable(client, deadline: soon) }
            await expectDeadline { () throws(RingError) in
                _ = try await loop.receiveDatagram(datagrams, maximum: 8, deadline: soon)
            }
            let much = [UInt8](repeating: 1, count: 32_000_000)
            await expectDeadline { () throws(RingError) in
                try await loop.send(client, much, deadline: loop.after(.milliseconds(20)))
            }
            for descriptor in [client, server, listener.descriptor, datagrams] { loop.close(descriptor) }
        }
    }

    @Test("cancelling a task ends its receive, and the connection goes on", arguments: backends)
    func cancellation(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let (client, server) = try await socketPair(loop)
            let outcome = Shared<RingError?>(nil)
            let reader = loop.spawn("reader") {
                outcome.value = await failure { () throws(RingError) in
                    _ = try await loop.receive(server, maximum: 8)
                }
            }
            try await loop.sleep(for: .milliseconds(1))
            reader.cancel()
            await reader.value
            #expect(outcome.value == .cancelled)
            try await loop.send(client, [42])
            #expect(try await loop.receive(server, maximum: 8) == [42])
            loop.close(client)
            loop.close(server)
        }
    }

    @Test("closing a descriptor ends all that waits on it", arguments: backends)
    func closing(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let (client, server) = try await socketPair(loop)
            let listener = try Listener(.loopback(port: 0))
            let outcomes = Shared<[RingError?]>([])
            let much = [UInt8](repeating: 1, count: 32_000_000)
            let tasks = [
                loop.spawn("reader") {
                    outcomes.value.append(
                        await failure { () throws(RingError) in _ = try await loop.receive(server, maximum: 8) })
                },
                loop.spawn("writer") {
                    outcomes.value.append(
                        await failure { () throws(RingError) in try await loop.send(server, much) })
                },
                loop.spawn("acceptor") {
                    outcomes.value.append(
                        await failure { () throws(RingError) in _ = try await loop.accept(listener) })
                },
            ]
            try await loop.sleep(for: .milliseconds(5))
            loop.close(server)
            loop.close(listener.descriptor)
            for task in tasks { await task.value }
            #expect(outcomes.value == [.closed, .closed, .closed])
            // The other side sees the end once it has read what was sent.
            var isOver = false
            while !isOver {
                do throws(RingError) {
                    isOver = try await loop.receive(client, maximum: 65_536).isEmpty
                } catch {
                    #expect(error == .disconnected)
                    isOver = true
                }
            }
            loop.close(client)
        }
    }

    @Test("a refused connection names the address", arguments: backends)
    func refused(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let listener = try Listener(.loopback(port: 0))
            loop.close(listener.descriptor)
            let error = await failure { () throws(RingError) in
                _ = try await loop.connect(listener.address, deadline: loop.after(.seconds(10)))
            }
            #expect(error == .refused(listener.address.description))
        }
    }

    @Test("a listener's address cannot be taken twice")
    func addressInUse() throws {
        let listener = try Listener(.loopback(port: 0))
        #expect(throws: RingError.addressInUse(listener.address.description)) { try Listener(listener.address) }
        Glibc.close(listener.descriptor)
    }

    @Test("a unix socket is private, knows its peer, and replaces only a dead one", arguments: backends)
    func unixSocket(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            var template = Array("/tmp/swarmlet-test-XXXXXX".utf8CString)
            let directory = String(cString: try #require(mkdtemp(&template)))
            let path = directory + "/socket"
            let address = SocketAddress.unix(path)
            let listener = try Listener(address)
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(throws: RingError.addressInUse(path)) { try Listener(address) }
            // The attempt above has connected once to see whether somebody answers.
            let probe = try await loop.accept(listener)
            loop.close(probe.socket)
            let client = try await loop.connect(address, deadline: nil)
            let accepted = try await loop.accept(listener)
            let credentials = try PeerCredentials(of: accepted.socket)
            #expect(credentials.process == getpid() && credentials.user == getuid() && credentials.group == getgid())
            try await loop.send(client, [1, 2, 3])
            #expect(try await loop.receive(accepted.socket, maximum: 8) == [1, 2, 3])
            for descriptor in [client, accepted.socket, listener.descriptor] { loop.close(descriptor) }
            let error = await failure { () throws(RingError) in _ = try await loop.connect(address, deadline: nil) }
            #expect(error == .refused(address.description))
            let second = try Listener(address)
            loop.close(second.descriptor)
            unlink(path)
            rmdir(directory)
        }
    }

    @Test("datagrams carry their sender", arguments: backends)
    func datagrams(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let one = try DatagramSocket(.loopback(port: 0))
            let two = try DatagramSocket(.loopback(port: 0))
            for size in [0, 1, 1400, 60_000] {
                let message = [UInt8](repeating: 7, count: size)
                try await loop.sendDatagram(one.descriptor, message, to: two.address)
                let (bytes, sender) = try await loop.receiveDatagram(two.descriptor, maximum: 65_536)
                #expect(bytes == message)
                #expect(sender == one.address)
            }
            loop.close(one.descriptor)
            loop.close(two.descriptor)
        }
    }

    @Test("a pipe becomes readable when it holds bytes", arguments: backends)
    func pipes(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            let (reading, writing) = (ends[0], ends[1])
            let early = await failure { () throws(RingError) in
                try await loop.readable(reading, deadline: loop.after(.milliseconds(2)))
            }
            #expect(early == .deadline)
            let waiter = loop.spawn("waiter") {
                #expect(await failure { () throws(RingError) in try await loop.readable(reading) } == nil)
            }
            _ = loop.schedule(at: loop.after(.milliseconds(1))) { _ = write(writing, "x", 1) }
            await waiter.value
            try await loop.readable(reading)
            try await loop.writable(writing, deadline: nil)
            loop.close(writing)
            loop.close(reading)
        }
    }
}
