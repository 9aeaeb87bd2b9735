import Codec
import Mesh
import Ring

/// A stream that stands still when more goes through it than there is room for. Confined to its loop.
final class PacedStream: MessageStream, @unchecked Sendable {
    private let stream: any MessageStream
    private let loop: any EventLoop
    /// How long a message of so many bytes has to wait.
    private let pace: (Int) -> Interval

    init(_ stream: any MessageStream, on loop: any EventLoop, pace: @escaping (Int) -> Interval) {
        self.stream = stream
        self.loop = loop
        self.pace = pace
    }

    func send(_ message: [UInt8]) async throws(MeshError) {
        try await stand(for: message)
        try await stream.send(message)
    }

    /// What has come is taken in its time, so that whoever sends is slowed as well.
    func receive() async throws(MeshError) -> [UInt8]? {
        guard let message = try await stream.receive() else { return nil }
        try await stand(for: message)
        return message
    }

    func finish() async { await stream.finish() }
    func cancel() { stream.cancel() }

    private func stand(for message: [UInt8]) async throws(MeshError) {
        let wait = pace(message.count)
        guard wait > .zero else { return }
        do { try await loop.sleep(for: wait) } catch { throw .system(error) }
    }
}
