import CSodium
import Codec
import Ring

/// Takes connections, runs their handshakes and hands out sessions. Confined to its loop.
///
/// Nothing is done for a connection before it has said its first word, and nothing but a few bytes are kept of it; where
/// many are silent, the one that has been so for longest goes. Near the limit of handshakes only those get in who come
/// again with a cookie (`SessionCookies`). Nobody gets more bytes than he sends before he has proved a member's key.
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
    /// Somebody who has connected and not said its first word.
    private final class Guest: @unchecked Sendable {
        let accepted: Accepted
        /// It had to go for somebody else.
        var isGone = false

        init(_ accepted: Accepted) { self.accepted = accepted }
    }

    /// The one that came first, first.
    private var lobby: [Guest] = []
    private var cookies = SessionCookies {
        NoiseSecret(count: SessionConstants.cookieSecretBytes) {
            randombytes_buf($0, SessionConstants.cookieSecretBytes)
        }
    }
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

    /// Takes a connection that came by another way, as inside a stream. It owns the socket.
    public func take(_ socket: Int32, from peer: SocketAddress) {
        guard !isClosed else { return loop.close(socket) }
        receive(Accepted(socket: socket, peer: peer))
    }

    private func acceptAll() async {
        while !isClosed {
            do throws(RingError) {
                let accepted = try await loop.accept(listener, deadline: nil)
                receive(accepted)
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

    private func receive(_ accepted: Accepted) {
        if lobby.count == SessionConstants.lobbyMax {
            let silent = lobby.removeFirst()
            silent.isGone = true
            loop.close(silent.accepted.socket)
            onRefused?(silent.accepted.peer, .busy)
        }
        let guest = Guest(accepted)
        lobby.append(guest)
        loop.spawn("session handshake") { await self.welcome(guest) }
    }

    private func welcome(_ guest: Guest) async {
        let accepted = guest.accepted
        let handshake = SessionHandshake(
            loop, accepted.socket, configuration, accepted.peer, deadline: loop.after(configuration.handshakeTimeout))
        var isUnderWay = false
        do throws(MeshError) {
            let knock = try await handshake.readKnock()
            guard !guest.isGone else { return }
            lobby.removeAll { $0 === guest }
            if let cookie = refusal(of: knock, from: accepted.peer) {
                try await handshake.turnAway(cookie: cookie)
                throw .busy
            }
            isUnderWay = true
            handshakeBegins(accepted)
            let result = try await handshake.respond(knock)
            handshakeEnded(accepted)
            isUnderWay = false
            guard !isClosed else { return loop.close(accepted.socket) }
            let session = Session(loop, accepted.socket, configuration, accepted.peer, result)
            sessions += 1
            session.onReleased = { [weak self] in self?.sessions -= 1 }
            session.start()
            onSession(session)
        } catch {
            guard !guest.isGone else { return }
            lobby.removeAll { $0 === guest }
            if isUnderWay { handshakeEnded(accepted) }
            loop.close(accepted.socket)
            if case .deadline = error {
                onRefused?(accepted.peer, .handshakeTimeout)
            } else {
                onRefused?(accepted.peer, error)
            }
        }
    }

    /// nil: it may come in. A cookie: it is to come again with that. No bytes: there is no room.
    private func refusal(of knock: SessionHandshake.Knock, from peer: SocketAddress) -> [UInt8]? {
        guard halfOpen < configuration.halfOpenMax, sessions < SessionConstants.sessionsMax,
            halfOpenByAddress[peer.with(port: 0), default: 0] < configuration.halfOpenPerAddressMax
        else { return [] }
        let free = configuration.halfOpenMax - configuration.halfOpenMax / SessionConstants.cookieShare
        // Who came through a member has no second connection to show a cookie on.
        if case .unix = peer { return nil }
        guard halfOpen >= free, !cookies.isValid(knock.opening.cookie, for: peer, at: loop.now) else { return nil }
        return cookies.cookie(for: peer, at: loop.now)
    }

    private func handshakeBegins(_ accepted: Accepted) {
        halfOpen += 1
        halfOpenByAddress[accepted.peer.with(port: 0), default: 0] += 1
    }

    private func handshakeEnded(_ accepted: Accepted) {
        halfOpen -= 1
        let address = accepted.peer.with(port: 0)
        let left = halfOpenByAddress[address, default: 1] - 1
        halfOpenByAddress[address] = left > 0 ? left : nil
    }
}
