import Codec
import Ring

/// A UDP socket whose packets come and go in batches. Confined to its loop.
///
/// Shell: it knows nothing of what is inside a packet. What cannot be sent is lost, as on any network, and counted.
public final class DatagramPort: @unchecked Sendable {
    /// Where it is bound.
    public let address: SocketAddress
    /// A packet came, and from where.
    public var onPacket: (([UInt8], SocketAddress) -> Void)?
    /// Packets that were not sent: the queue was full, or the system refused them (a firewall of this host, a route).
    public private(set) var unsent: UInt64 = 0

    /// Packets that wait for the socket.
    private static let queueMax = 1_024
    /// Batches received before other work of the loop has its turn.
    private static let batchesPerTurn = 4
    /// Room for what comes while the loop does something else.
    private static let pause = Interval.milliseconds(100)

    private let loop: any EventLoop
    private let socket: DatagramSocket
    private let batch = DatagramBatch(bytesMax: DatagramConstants.packetBytesMax)
    private var queue: [DatagramBatch.Datagram] = []
    private var isFlushing = false
    private var isClosed = false

    /// Binds the socket and begins to receive.
    public init(_ loop: any EventLoop, _ address: SocketAddress) throws(MeshError) {
        do throws(RingError) {
            socket = try DatagramSocket(address)
        } catch {
            throw .system(error)
        }
        self.loop = loop
        self.address = socket.address
        loop.spawn("datagrams") { await self.receiveAll() }
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        onPacket = nil
        queue = []
        loop.close(socket.descriptor)
    }

    private func receiveAll() async {
        while !isClosed {
            do throws(RingError) {
                try await loop.readable(socket.descriptor)
                for _ in 0..<Self.batchesPerTurn {
                    guard !isClosed, let datagrams = try batch.receive(socket.descriptor) else { break }
                    for datagram in datagrams { onPacket?(datagram.bytes, datagram.address) }
                    // A batch with room left was all there is; an empty one tells of a datagram that was refused.
                    if !datagrams.isEmpty, datagrams.count < DatagramBatch.countMax { break }
                }
            } catch {
                switch error {
                case .closed, .stopped, .cancelled: return
                default: break
                }
                // Out of memory, most likely: what comes waits in the kernel meanwhile.
                do throws(RingError) { try await loop.sleep(for: Self.pause) } catch { return }
            }
        }
    }

    /// Sends a packet with those of the same turn of the loop.
    public func send(_ packet: [UInt8], to address: SocketAddress) {
        guard !isClosed else { return }
        guard queue.count < Self.queueMax else { return unsent += 1 }
        queue.append(DatagramBatch.Datagram(bytes: packet, address: fitting(address)))
        guard !isFlushing else { return }
        isFlushing = true
        loop.spawn("datagram sender") { await self.flush() }
    }

    /// An IPv6 socket reaches IPv4 hosts by their mapped addresses (RFC 4291, section 2.5.5.2).
    private func fitting(_ other: SocketAddress) -> SocketAddress {
        guard case .ipv6 = address, case .ipv4(let host, let port) = other else { return other }
        return .ipv6(0, 0xFFFF_0000_0000 | UInt64(host), port: port, scope: 0)
    }

    private func flush() async {
        defer { isFlushing = false }
        var sent = 0
        while !isClosed, sent < queue.count {
            switch batch.send(queue[sent...], socket.descriptor) {
            case .some(let count): sent += count
            case .failed:
                unsent += 1
                sent += 1
            case .full:
                queue.removeFirst(sent)
                sent = 0
                do throws(RingError) { try await loop.writable(socket.descriptor, deadline: nil) } catch { return }
            }
        }
        queue.removeAll(keepingCapacity: true)
    }
}
