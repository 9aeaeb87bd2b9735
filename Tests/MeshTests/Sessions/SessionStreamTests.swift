import Codec
import Ring
import Testing

@testable import Mesh

@Suite("Sessions: streams", .timeLimit(.minutes(1)))
struct SessionStreamTests {
    /// A stream with both its ends.
    private func open(
        _ loop: any EventLoop, _ pair: SessionPair
    ) async throws -> (near: any MessageStream, far: any MessageStream) {
        let arrived = LoopQueue<any MessageStream>(loop, capacity: 1)
        pair.far.onStream = { kind, stream in
            #expect(kind == 42)
            _ = arrived.offer(stream)
        }
        let near = try await pair.near.openStream(42)
        return (near, try #require(try await arrived.next(until: loop.after(.seconds(10)))))
    }

    @Test("messages of a stream come whole and in order until it is finished", arguments: sessionBackends)
    func conversation(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let (near, far) = try await open(loop, pair)
            let echo = loop.spawn("echo") {
                let error = await meshFailure { () throws(MeshError) in
                    while let message = try await far.receive() { try await far.send(message) }
                }
                #expect(error == nil)
                await far.finish()
            }
            let pattern = (0..<997).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            for size in [0, 1, 100, 32_768, 262_144, 1_000_000, 3_000_000] {
                let message = Array(
                    (0...size / 997).reduce(into: [UInt8]()) { bytes, _ in bytes += pattern }.prefix(size))
                try await near.send(message)
                #expect(try await near.receive() == message)
            }
            await near.finish()
            #expect(try await near.receive() == nil)
            await echo.value
            #expect(await meshFailure { () throws(MeshError) in try await near.send([1]) } == .closed)
            #expect(pair.near.streams.isEmpty && pair.far.streams.isEmpty)
            pair.close()
        }
    }

    @Test("a receiver that takes nothing stops the sender within the window", arguments: sessionBackends)
    func backPressure(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop) { $0.keepAliveInterval = .milliseconds(2) }
            let (near, far) = try await open(loop, pair)
            let sent = Cell(0)
            let message = [UInt8](repeating: 3, count: 10_000)
            let sender = loop.spawn("sender") {
                #expect(
                    await meshFailure { () throws(MeshError) in
                        for _ in 0..<500 {
                            try await near.send(message)
                            sent.value += 1
                        }
                    } == nil)
                await near.finish()
            }
            // Several round trips later nothing more has moved.
            for _ in 0..<5 {
                pair.near.roundTrip = nil
                while pair.near.roundTrip == nil { try await loop.sleep(for: .milliseconds(1)) }
            }
            let stalled = sent.value
            #expect(stalled > 0 && stalled * message.count <= SessionConstants.streamWindowBytes)
            // Other streams and messages of the session are not held up by it.
            let posted = LoopQueue<UInt16>(loop, capacity: 1)
            pair.far.onMessage = { kind, _ in _ = posted.offer(kind) }
            try pair.near.post(5, [1])
            #expect(try await posted.next(until: loop.after(.seconds(10))) == 5)
            var received = 0
            while let next = try await far.receive() {
                #expect(next == message)
                received += 1
            }
            #expect(received == 500)
            await sender.value
            await far.finish()
            pair.close()
        }
    }

    @Test("many streams share the session and each keeps its own order", arguments: sessionBackends)
    func manyStreams(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            pair.far.onStream = { _, stream in
                loop.spawn("echo") {
                    _ = await meshFailure { () throws(MeshError) in
                        while let message = try await stream.receive() { try await stream.send(message) }
                    }
                    await stream.finish()
                }
            }
            let right = Cell(0)
            var tasks: [Task<Void, Never>] = []
            for number in 0..<50 {
                tasks.append(
                    loop.spawn("caller") {
                        let error = await meshFailure { () throws(MeshError) in
                            let stream = try await pair.near.openStream(UInt16(number))
                            for round in 0..<20 {
                                let message = [UInt8](repeating: UInt8(number), count: round * 1_000)
                                try await stream.send(message)
                                if try await stream.receive() == message { right.value += 1 }
                            }
                            await stream.finish()
                            #expect(try await stream.receive() == nil)
                        }
                        #expect(error == nil)
                    })
            }
            for task in tasks { await task.value }
            #expect(right.value == 1_000)
            #expect(pair.near.streams.isEmpty)
            pair.close()
        }
    }

    @Test("a cancelled stream ends on both sides and the session goes on", arguments: sessionBackends)
    func cancelling(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let (near, far) = try await open(loop, pair)
            let outcome = LoopQueue<MeshError?>(loop, capacity: 1)
            // Each waiter says that it begins and then runs on, on this one thread, until it waits.
            let begun = LoopQueue<Bool>(loop, capacity: 1)
            let message = [UInt8](repeating: 1, count: 1 << 20)
            loop.spawn("sender") {
                _ = begun.offer(true)
                let error = await meshFailure { () throws(MeshError) in try await near.send(message) }
                _ = outcome.offer(error)
            }
            _ = try await begun.next(until: loop.after(.seconds(10)))
            far.cancel()
            #expect(try await outcome.next(until: loop.after(.seconds(10))) == .some(.streamCancelled))
            #expect(await meshFailure { () throws(MeshError) in _ = try await far.receive() } == .closed)
            let (second, other) = try await open(loop, pair)
            try await second.send([1])
            #expect(try await other.receive() == [1])
            second.cancel()
            #expect(await meshFailure { () throws(MeshError) in _ = try await other.receive() } == .streamCancelled)
            pair.close()
        }
    }

    @Test("streams beyond the bound are refused", arguments: sessionBackends)
    func bound(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            pair.far.onStream = { _, _ in }
            for _ in 0..<SessionConstants.streamsMax { _ = try await pair.near.openStream(1) }
            let error = await meshFailure { () throws(MeshError) in _ = try await pair.near.openStream(1) }
            #expect(error == .streamsExhausted)
            pair.close()
        }
    }

    @Test("nobody takes streams: opening one ends in a cancelled stream", arguments: sessionBackends)
    func noHandler(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let stream = try await pair.near.openStream(1)
            #expect(await meshFailure { () throws(MeshError) in _ = try await stream.receive() } == .streamCancelled)
            pair.close()
        }
    }

    @Test("closing a session wakes everyone who waits on it", arguments: sessionBackends)
    func closing(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let (near, far) = try await open(loop, pair)
            let outcomes = LoopQueue<MeshError?>(loop, capacity: 4)
            let begun = LoopQueue<Bool>(loop, capacity: 2)
            let message = [UInt8](repeating: 1, count: 1 << 20)
            loop.spawn("sender") {
                _ = begun.offer(true)
                let error = await meshFailure { () throws(MeshError) in try await near.send(message) }
                _ = outcomes.offer(error)
            }
            loop.spawn("receiver") {
                _ = begun.offer(true)
                let error = await meshFailure { () throws(MeshError) in _ = try await near.receive() }
                _ = outcomes.offer(error)
            }
            let closed = LoopQueue<MeshError>(loop, capacity: 1)
            pair.far.onClosed = { _ = closed.offer($0) }
            for _ in 0..<2 { _ = try await begun.next(until: loop.after(.seconds(10))) }
            pair.near.close("moving out")
            for _ in 0..<2 {
                #expect(try await outcomes.next(until: loop.after(.seconds(10))) == .some(.closed))
            }
            #expect(try await closed.next(until: loop.after(.seconds(10))) == .closedByPeer("moving out"))
            // The message that had begun is not complete; what follows is the reason.
            #expect(
                await meshFailure { () throws(MeshError) in _ = try await far.receive() } == .closedByPeer("moving out")
            )
            pair.listener.close()
        }
    }

    @Test(
        "what was said in the control class before closing still arrives, and then the reason",
        arguments: sessionBackends)
    func lastWords(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let pair = try await SessionPair.make(loop)
            let heard = Cell<[UInt16]>([])
            let closed = LoopQueue<MeshError>(loop, capacity: 1)
            pair.far.onMessage = { kind, _ in heard.value.append(kind) }
            pair.far.onClosed = { _ = closed.offer($0) }
            for kind in 0..<100 { try pair.near.post(UInt16(kind), [UInt8](repeating: 0, count: 1_000)) }
            pair.near.close("leaving")
            try await pair.near.closed()
            #expect(try await closed.next(until: loop.after(.seconds(10))) == .closedByPeer("leaving"))
            #expect(heard.value == Array(0..<100))
            pair.listener.close()
        }
    }
}
