import Codec
import GPUBackend
import Glibc
import Ring

/// The hidden command that answers a job which has no network of its own (`AttemptProxy`): it looks names up and connects
/// on the side of the host, where `ProxyRules` let it, and carries bytes. Confined to its loop.
public final class ProxyServer: @unchecked Sendable {
    /// At once; who comes then waits.
    private static let connectionsMax = 128
    /// Without a connection it ends after this.
    private static let idleLimit = Interval.seconds(10)
    private static let headLimit = Interval.seconds(30)
    private static let connectSeconds = 20
    private static let pieceBytes = 32 << 10

    private let loop: any EventLoop
    private let listener: Listener
    private let mesh: [SocketAddress]
    private let left: LoopSignal
    private var connections = 0

    /// Until nobody connects any more. Returns the exit code.
    public static func run(mesh: [String]) -> Int32 {
        do {
            try AttemptProxy.confine()
            // It counts among the job, whose limits an io_uring would use.
            let loop = try EventLoops.make(preferring: .epoll)
            let addresses = try mesh.map { text throws(RingError) in try SocketAddress.parse(text) }
            let server = ProxyServer(loop, try Listener(inherited: AttemptProxy.passedListener), mesh: addresses)
            let outcome = Outcome()
            loop.spawn("proxy") {
                do { try await server.accept() } catch { outcome.code = 1 }
                loop.stop()
            }
            loop.run()
            return outcome.code
        } catch {
            return 1
        }
    }

    /// What its loop leaves for the thread that ran it.
    private final class Outcome: @unchecked Sendable {
        var code: Int32 = 0
    }

    private init(_ loop: any EventLoop, _ listener: Listener, mesh: [SocketAddress]) {
        self.loop = loop
        self.listener = listener
        self.mesh = mesh
        left = LoopSignal(loop)
    }

    private func accept() async throws {
        while true {
            while connections == Self.connectionsMax { try await left.wait() }
            do throws(RingError) {
                let accepted = try await loop.accept(listener, deadline: loop.after(Self.idleLimit))
                connections += 1
                loop.spawn("proxied") { [self] in
                    await serve(accepted.socket)
                    connections -= 1
                    left.notify()
                }
            } catch .deadline {
                if connections == 0 { return }
            }
        }
    }

    private func serve(_ client: Int32) async {
        defer { loop.close(client) }
        do {
            let (request, rest) = try await request(from: client)
            let server = try await connect(request)
            defer { loop.close(server) }
            if request.forwarded.isEmpty {
                try await loop.send(client, Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8), deadline: nil)
            } else {
                try await loop.send(server, request.forwarded, deadline: nil)
            }
            let upward = loop.spawn("upward") { [self] in
                await carry(rest, from: client, to: server, atMost: request.bodyBytes)
            }
            await carry(from: server, to: client)
            await upward.value
        } catch let refusal as Refusal {
            await tell(refusal, client)
        } catch {
            // The job went away, or took too long to say what it wants.
        }
    }

    private func tell(_ refusal: Refusal, _ client: Int32) async {
        do {
            let deadline = loop.after(Self.headLimit)
            try await loop.send(client, refusal.response, deadline: deadline)
            shutdown(client, Int32(SHUT_WR))
            // To close on what it still sends would take the answer away from it.
            while try await !loop.receive(client, maximum: Self.pieceBytes, deadline: deadline).isEmpty {}
        } catch {
            // It does not want to know.
        }
    }

    /// Until one side says no more; the other hears that. Who sends more than it said, such as a request for another
    /// server, ends both.
    private func carry(_ first: [UInt8] = [], from source: Int32, to target: Int32, atMost limit: Int? = nil) async {
        do {
            var (bytes, count) = (first, 0)
            while true {
                count += bytes.count
                if let limit, count > limit { throw RingError.disconnected }
                if !bytes.isEmpty { try await loop.send(target, bytes, deadline: nil) }
                bytes = try await loop.receive(source, maximum: Self.pieceBytes, deadline: nil)
                if bytes.isEmpty { break }
            }
            shutdown(target, Int32(SHUT_WR))
        } catch {
            // Neither has anybody left to talk to.
            shutdown(source, Int32(SHUT_RDWR))
            shutdown(target, Int32(SHUT_RDWR))
        }
    }

    // MARK: What is asked

    /// An answer of the proxy itself.
    private struct Refusal: Error {
        var status: String
        var text: String

        var response: [UInt8] {
            let body = "swarmlet: \(text)\n"
            return Array(
                ("HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)").utf8)
        }
    }

    /// The request, and what came behind its head.
    private func request(from client: Int32) async throws -> (ProxyRequest, rest: [UInt8]) {
        let deadline = loop.after(Self.headLimit)
        var bytes: [UInt8] = []
        while true {
            let piece = try await loop.receive(client, maximum: Self.pieceBytes, deadline: deadline)
            guard !piece.isEmpty else { throw RingError.disconnected }
            let before = bytes.count
            bytes += piece
            if let length = ProxyRequest.headLength(of: bytes, from: before), length <= ProxyRequest.headBytesMax {
                do throws(ProxyRequest.Refusal) {
                    return (try ProxyRequest(head: bytes[..<length]), Array(bytes[length...]))
                } catch {
                    throw Refusal(status: "400 Bad Request", text: error.reason)
                }
            }
            if bytes.count > ProxyRequest.headBytesMax {
                let text = "the head of the request is longer than \(ProxyRequest.headBytesMax >> 10) KiB"
                throw Refusal(status: "431 Request Header Fields Too Large", text: text)
            }
        }
    }

    // MARK: Where to

    private func connect(_ request: ProxyRequest) async throws -> Int32 {
        let (host, port) = (request.host, request.port)
        let name = host.contains(":") ? "[\(host)]" : host
        let found = await loop.offload {
            Result { () throws(RingError) in
                try (NameResolver.resolve(name, defaultPort: port), NetworkInterface.all().map(\.address))
            }
        }
        guard case .success(let (addresses, own)) = found else {
            throw Refusal(status: "502 Bad Gateway", text: "\(host) is not known to the host that the job runs on")
        }
        // An interface that is down, or a route, may make more addresses the host's own than its interfaces show.
        let rules = ProxyRules(
            mesh: mesh, own: own + addresses.filter { LocalRoute.source(toward: $0) == $0.with(port: 0) })
        let limit = Interval.seconds(Int64(max(Self.connectSeconds / max(addresses.count, 1), 4)))
        var failure = Refusal(status: "502 Bad Gateway", text: "\(host) has no address")
        for address in addresses {
            if let why = rules.refusal(of: address) {
                failure = Refusal(status: "403 Forbidden", text: "no connection to \(host) port \(port): \(why)")
                continue
            }
            do throws(RingError) {
                return try await loop.connect(address, deadline: loop.after(limit))
            } catch .deadline {
                failure = Refusal(status: "504 Gateway Timeout", text: "\(host) port \(port) does not answer")
            } catch {
                let text = "no connection to \(host) port \(port): \(error.message)"
                failure = Refusal(status: "502 Bad Gateway", text: text)
            }
        }
        throw failure
    }
}
