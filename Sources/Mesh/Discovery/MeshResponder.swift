import Codec
import Ring

/// Answers who asks on this host's networks which meshes there are. Confined to its loop.
///
/// It says nothing unasked. It hears only what was sent to the group, which no router passes on, and answers a few times a
/// second at most.
public final class MeshResponder: @unchecked Sendable {
    private static let answersPerSecond = 20
    private static let pause = Interval.seconds(1)

    private let loop: any EventLoop
    private let sockets: [Int32]
    private let announcement: () -> MeshAnnouncement?
    private var isClosed = false
    private var answers = 0
    private var answersSince = Instant.zero

    /// - Parameters:
    ///   - hosts: addresses of this host; it answers on their networks. Throws where it can be heard on none.
    ///   - announcement: what to say now; nil: nothing.
    public init(
        _ loop: any EventLoop, on hosts: [SocketAddress], _ announcement: @escaping () -> MeshAnnouncement?
    ) throws(RingError) {
        self.loop = loop
        self.announcement = announcement
        sockets = try MulticastSocket.listen(on: hosts)
        for socket in sockets { loop.spawn("answers about the mesh") { await self.answerAll(socket) } }
    }

    public func close() {
        guard !isClosed else { return }
        isClosed = true
        for socket in sockets { loop.close(socket) }
    }

    private func answerAll(_ socket: Int32) async {
        while !isClosed {
            do throws(RingError) {
                let (bytes, asker) = try await loop.receiveDatagram(socket, maximum: 1_500)
                guard let id = MeshAnnouncement.question(in: bytes), mayAnswer,
                    let answer = announcement()?.answer(to: id)
                else { continue }
                try await loop.sendDatagram(socket, answer, to: asker)
            } catch {
                switch error {
                case .closed, .stopped, .cancelled: return
                default: break
                }
                // An asker that cannot be reached, or no memory: nobody depends on it.
                do throws(RingError) { try await loop.sleep(for: Self.pause) } catch { return }
            }
        }
    }

    private var mayAnswer: Bool {
        if loop.now - answersSince >= .seconds(1) {
            answersSince = loop.now
            answers = 0
        }
        answers += 1
        return answers <= Self.answersPerSecond
    }
}
