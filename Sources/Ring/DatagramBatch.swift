import CLinux
import Glibc

/// Moves many datagrams with one system call, through buffers that are made once. Confined to its loop.
///
/// It never waits: `EventLoop.readable` and `writable` say when there is something to do.
public final class DatagramBatch: @unchecked Sendable {
    /// One datagram and where it came from, or goes to.
    public struct Datagram: Sendable {
        public var bytes: [UInt8]
        public var address: SocketAddress

        public init(bytes: [UInt8], address: SocketAddress) {
            self.bytes = bytes
            self.address = address
        }
    }

    /// The most datagrams that one call moves.
    public static let countMax = Int(CLINUX_DATAGRAMS_MAX)

    private let stride: Int
    private let buffer: UnsafeMutablePointer<UInt8>
    private let addresses: UnsafeMutablePointer<sockaddr_storage>
    private var lengths = [Int](repeating: 0, count: countMax)
    private var addressLengths = [socklen_t](repeating: 0, count: countMax)

    /// - Parameter bytesMax: of a datagram received; longer ones are dropped.
    public init(bytesMax: Int) {
        stride = bytesMax
        buffer = .allocate(capacity: bytesMax * Self.countMax)
        buffer.initialize(repeating: 0, count: bytesMax * Self.countMax)
        addresses = .allocate(capacity: Self.countMax)
        addresses.initialize(repeating: sockaddr_storage(), count: Self.countMax)
    }

    deinit {
        buffer.deallocate()
        addresses.deallocate()
    }

    /// What has come, at most `countMax`. nil: nothing is there.
    public func receive(_ socket: Int32) throws(RingError) -> [Datagram]? {
        let count = clinux_receive_datagrams(
            socket, buffer, stride, UInt32(Self.countMax), &lengths, addresses, &addressLengths)
        switch -count {
        case EAGAIN: return nil
        // An earlier datagram was refused where it went (ICMP); this says nothing about what has come.
        case EINTR, ECONNREFUSED: return []
        default: break
        }
        guard count >= 0 else { throw .of("recvmmsg", -count) }
        return (0..<Int(count)).compactMap { index in
            guard lengths[index] <= stride,
                let sender = SocketAddress.read(addresses[index], length: addressLengths[index])
            else { return nil }
            let start = buffer + index * stride
            return Datagram(bytes: [UInt8](UnsafeBufferPointer(start: start, count: lengths[index])), address: sender)
        }
    }

    /// What `send` did.
    public enum Sent: Hashable, Sendable {
        /// The first so many went out.
        case some(Int)
        /// The socket's buffer is full.
        case full
        /// The first one cannot be sent: the error's number. The next one may.
        case failed(Int32)
    }

    /// Sends the first of these, at most `countMax`.
    public func send(_ datagrams: ArraySlice<Datagram>, _ socket: Int32) -> Sent {
        let batch = datagrams.prefix(Self.countMax)
        let total = batch.reduce(0) { $0 + $1.bytes.count }
        // Copied into one place, whose parts stay where they are during the call.
        let sent = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(total, 1)) { copy in
            var starts: [UnsafePointer<UInt8>?] = []
            var offset = 0
            for (index, datagram) in batch.enumerated() {
                let start = copy.baseAddress! + offset
                start.initialize(from: datagram.bytes, count: datagram.bytes.count)
                starts.append(UnsafePointer(start))
                lengths[index] = datagram.bytes.count
                addressLengths[index] = datagram.address.write(to: &addresses[index])
                offset += datagram.bytes.count
            }
            return clinux_send_datagrams(
                socket, starts, lengths, addresses, addressLengths, UInt32(batch.count))
        }
        if sent >= 0 { return .some(Int(sent)) }
        return sent == -EAGAIN || sent == -ENOBUFS ? .full : .failed(-sent)
    }
}
