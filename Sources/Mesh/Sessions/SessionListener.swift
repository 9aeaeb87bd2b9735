import Codec
import Ring

/// Takes connections, runs their handshakes and hands out sessions. Confined to its loop.
public final class SessionListener: @unchecked Sendable {
    /// Where it listens, with the port that the kernel chose.
    public let address: SocketAddress
    /// What later handshakes use; a change does not touch those under way.
    public var configuration: SessionConfiguration
    /// Handshakes under way.
    public private(set) var halfOpen = 0
    /// Sessions handed out that stand.
    public private(set) var sessions = 0
    /// A handshake that failed: who tried and why. For the log.
    public var onRefused: ((SocketAddress, MeshError) -> Void)?

    /// Waiting time after the host ran out of descriptors.
    private static let pause = Interval.milliseconds(100)

    private let loop: any EventLoop
    /// Handshakes under way by the address they come from, its port left out.
    private var halfOpenByAddress: [SocketAddress: Int] = [:]
    private let listener: Listener
    private let onSession: (Session) -> Void
    private var isClosed = false

    /// Listens at `address`; every session that passes its handshake is given to `onSession`, which sets its handlers.
    public init(
        _ loop: any EventLoop, _ address: SocketAddress, _ configuration: SessionConfiguration,
        onSession: @escaping (Session) -> Void
    ) throws(MeshError) {
        do throws(RingError) {
            listener = try Listener(address)
        } catch {
            throw .system(error)
        }
        self.loop = loop
        self.address = listener.address
        self.configuration = configuration
        self.onSession = onSession
        loop.spawn("session listener") { await self.acceptAll() }
    }

    /// Takes no more connections; sessions already handed out stay.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.close(listener.descriptor)
    }

    private func acceptAll() async {
        while !isClosed {
            do throws(RingError) {
                let accepted = try await loop.accept(listener, deadline: nil)
                guard halfOpen < configuration.halfOpenMax, sessions < SessionConstants.sessionsMax,
                    halfOpenByAddress[accepted.peer.with(port: 0), default: 0] < configuration.halfOpenPerAddressMax
                else {
                    turnAway(accepted)
                    continue
                }
                halfOpen += 1
                halfOpenByAddress[accepted.peer.with(port: 0), default: 0] += 1
                loop.spawn("session handshake") { await self.welcome(accepted) }
            } catch {
                switch error {
                case .closed, .stopped, .cancelled: return
                default: break
                }
                // Out of descriptors or memory: connections wait in the kernel meanwhile.
                do throws(RingError) { try await loop.sleep(for: SessionListener.pause) } catch { return }
            }
        }
    }

    private func turnAway(_ accepted: Accepted) {
        let error = MeshError.busy
        loop.spawn("session refusal") { [loop] in
            do throws(RingError) {
                // Ten bytes always fit the buffer of a fresh socket, so this does not wait.
                try await loop.send(
                    accepted.socket, SessionHandshake.answer(.busy),
                    deadline: loop.after(SessionConstants.farewellTimeout))
            } catch {
                // It has gone away already, which is what was wanted of it.
            }
            loop.close(accepted.socket)
        }
        onRefused?(accepted.peer, error)
    }

    private func welcome(_ accepted: Accepted) async {
        let handshake = SessionHandshake(
            loop, accepted.socket, configuration, accepted.peer, deadline: loop.after(configuration.handshakeTimeout))
        do throws(MeshError) {
            let result = try await handshake.respond()
            handshakeEnded(accepted)
            guard !isClosed else { return loop.close(accepted.socket) }
            let session = Session(loop, accepted.socket, configuration, accepted.peer, result)
            sessions += 1
            session.onReleased = { [weak self] in self?.sessions -= 1 }
            session.start()
            onSession(session)
        } catch {
            handshakeEnded(accepted)
            loop.close(accepted.socket)
            if case .deadline = error {
                onRefused?(accepted.peer, .handshakeTimeout)
            } else {
                onRefused?(accepted.peer, error)
            }
        }
    }

    private func handshakeEnded(_ accepted: Accepted) {
        halfOpen -= 1
        let address = accepted.peer.with(port: 0)
        let left = halfOpenByAddress[address, default: 1] - 1
        halfOpenByAddress[address] = left > 0 ? left : nil
    }
}
