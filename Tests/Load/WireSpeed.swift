import Codec
import Glibc
import Mesh
import Ring

/// How fast bytes go there and back on loopback: 1 KB echoes over plain TCP and over sessions, and what control and log
/// messages wait while bulk fills the connection. One process, a loop for each side.
final class WireSpeed: @unchecked Sendable {
    /// What was measured; written on the client's loop, read after it has ended.
    struct Result {
        var latencies: [Int64] = []
        var seconds = 0.0
        var cpuSeconds = 0.0
        var bulkBytes = 0
        var backend = ""
        var suite = ""
        var failure: String?
    }

    private static let echoBytes = 1_024
    private static let settle = Interval.milliseconds(300)

    private var result = Result()
    private let preference: EventLoops.Preference
    private let seconds: Int64

    init(_ preference: EventLoops.Preference, seconds: Int64) {
        self.preference = preference
        self.seconds = seconds
    }

    // MARK: Echo

    /// One connection, one kilobyte under way at a time. `port`: of an echo server elsewhere; nil: one of our own.
    func echo(isEncrypted: Bool, port: UInt16?) throws -> Result {
        let server = port == nil ? try SideLoop(preference) : nil
        let address = try port.map { SocketAddress.loopback(port: $0) } ?? serve(server, isEncrypted: isEncrypted)
        try run { [self] loop in
            if isEncrypted { try await echoOverSession(loop, address) } else { try await echoOverTCP(loop, address) }
        }
        server?.stop()
        return result
    }

    private let serverKey = NoiseKeyPair.generate()

    private var configuration: SessionConfiguration {
        SessionConfiguration(staticKey: serverKey, meshID: [1], payload: []) { _ in .accept }
    }

    private func serve(_ side: SideLoop?, isEncrypted: Bool) throws -> SocketAddress {
        guard let side else { throw LoadError.unreadable("no loop to serve on") }
        let configuration = configuration
        return try side.call { loop in
            if isEncrypted {
                let listener = try SessionListener(loop, .loopback(port: 0), configuration) { session in
                    // As between members.
                    session.favourUrgent()
                    session.onMessage = { kind, bytes in
                        // A class for each kind: what comes as bulk is only taken.
                        guard kind < 2 else { return }
                        do { try session.post(kind, bytes, class: kind == 0 ? .control : .log) } catch {
                            session.close()
                        }
                    }
                    session.onStream = { _, stream in
                        loop.spawn("sink") {
                            do { while try await stream.receive() != nil {} } catch { return }
                        }
                    }
                }
                side.keep(listener)
                return listener.address
            }
            let listener = try Listener(.loopback(port: 0))
            loop.spawn("echo") {
                do {
                    let accepted = try await loop.accept(listener)
                    while true {
                        let bytes = try await loop.receive(accepted.socket, maximum: 65_536)
                        if bytes.isEmpty { return }
                        try await loop.send(accepted.socket, bytes)
                    }
                } catch { return }
            }
            return listener.address
        }
    }

    private func echoOverTCP(_ loop: any EventLoop, _ address: SocketAddress) async throws {
        let socket = try await loop.connect(address, deadline: loop.after(.seconds(5)))
        let message = [UInt8](repeating: 7, count: Self.echoBytes)
        try await measure(loop) {
            try await loop.send(socket, message)
            var left = Self.echoBytes
            while left > 0 {
                let bytes = try await loop.receive(socket, maximum: 65_536)
                guard !bytes.isEmpty else { throw LoadError.unreadable("the echo ended") }
                left -= bytes.count
            }
        }
        loop.close(socket)
    }

    private func echoOverSession(_ loop: any EventLoop, _ address: SocketAddress) async throws {
        let session = try await connect(loop, address)
        let message = [UInt8](repeating: 7, count: Self.echoBytes)
        let echoed = LoopQueue<Bool>(loop, capacity: 8)
        session.onMessage = { _, _ in _ = echoed.offer(true) }
        try await measure(loop) {
            try session.post(0, message)
            _ = try await echoed.next(until: loop.after(.seconds(5)))
        }
        session.close()
    }

    private func connect(_ loop: any EventLoop, _ address: SocketAddress) async throws -> Session {
        var own = configuration
        own.staticKey = .generate()
        let session = try await Session.connect(loop, to: address, remoteKey: serverKey.publicKey, own)
        session.favourUrgent()
        result.suite = session.suite.name
        return session
    }

    private func measure(_ loop: any EventLoop, _ once: () async throws -> Void) async throws {
        for _ in 0..<1_000 { try await once() }
        let (begun, cpu) = (loop.now, Self.cpuSeconds())
        let end = begun + .seconds(seconds)
        var last = begun
        while last < end {
            try await once()
            let now = loop.now
            result.latencies.append((now - last).nanoseconds)
            last = now
        }
        result.seconds = (last - begun).seconds
        result.cpuSeconds = Self.cpuSeconds() - cpu
    }

    // MARK: Classes

    /// One session; bulk fills it, and meanwhile messages of one class go there and back, 200 a second.
    func classes(log: Bool, hasBulk: Bool) throws -> Result {
        let server = try SideLoop(preference)
        let address = try serve(server, isEncrypted: true)
        try run { [self] loop in
            let session = try await connect(loop, address)
            let echoed = LoopQueue<Bool>(loop, capacity: 8)
            session.onMessage = { _, _ in _ = echoed.offer(true) }
            for _ in 0..<(hasBulk ? 4 : 0) {
                let stream = try await session.openStream(1)
                loop.spawn("bulk") { [self] in
                    let piece = [UInt8](repeating: 1, count: 1 << 20)
                    do {
                        while true {
                            try await stream.send(piece)
                            result.bulkBytes += piece.count
                        }
                    } catch { return }
                }
            }
            try await loop.sleep(for: Self.settle)
            let begun = loop.now
            let before = result.bulkBytes
            let message = [UInt8](repeating: 7, count: log ? 1_024 : 100)
            while loop.now < begun + .seconds(seconds) {
                let sent = loop.now
                try session.post(log ? 1 : 0, message, class: log ? .log : .control)
                _ = try await echoed.next(until: loop.after(.seconds(5)))
                result.latencies.append((loop.now - sent).nanoseconds)
                try await loop.sleep(for: .milliseconds(5))
            }
            result.seconds = (loop.now - begun).seconds
            result.bulkBytes -= before
            session.close()
        }
        server.stop()
        return result
    }

    // MARK: Both

    /// Runs the client on this thread's loop.
    private func run(_ body: @escaping @Sendable (any EventLoop) async throws -> Void) throws {
        let loop = try EventLoops.make(preferring: preference)
        result.backend = loop.backend.rawValue
        loop.spawn("client") { [self] in
            do { try await body(loop) } catch { result.failure = "\(error)" }
            loop.stop()
        }
        loop.run()
        if let failure = result.failure { throw LoadError.unreadable(failure) }
    }

    /// Of all threads of this process.
    private static func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A loop on a thread of its own.
final class SideLoop: @unchecked Sendable {
    private let loop: any EventLoop
    private let thread: DedicatedThread
    private var kept: [AnyObject] = []

    init(_ preference: EventLoops.Preference) throws {
        loop = try EventLoops.make(preferring: preference)
        thread = try DedicatedThread("side loop")
        try thread.submit { [loop] in loop.run() }
    }

    /// A value that one thread writes before another, which waits for it, reads it.
    private final class Slot<Value>: @unchecked Sendable {
        var value: Swift.Result<Value, any Error>?
        let written: UnsafeMutablePointer<sem_t> = .allocate(capacity: 1)
        init() { sem_init(written, 0, 0) }
        deinit {
            sem_destroy(written)
            written.deallocate()
        }
    }

    /// Runs something on the loop and waits for what it returns.
    func call<Value: Sendable>(_ body: @escaping @Sendable (any EventLoop) throws -> Value) throws -> Value {
        let slot = Slot<Value>()
        loop.post { [loop] in
            slot.value = Swift.Result { try body(loop) }
            sem_post(slot.written)
        }
        while sem_wait(slot.written) != 0 {}
        guard let value = slot.value else { throw LoadError.unreadable("the loop ended") }
        return try value.get()
    }

    /// Keeps something alive as long as the loop; called on it.
    func keep(_ object: AnyObject) { kept.append(object) }

    func stop() { loop.stop() }
}
