import Ring

/// Why hosts could not talk to each other.
public enum MeshError: Error, Hashable, Sendable {
    /// Nobody listens at the address.
    case connectRefused(String)
    /// Nothing came back from the address in time.
    case connectTimeout(String)
    /// The address cannot be reached: the address and the reason.
    case connectFailed(String, String)
    /// The address answers in another protocol.
    case notSwarmlet(String)
    /// The other side speaks only another version of the session protocol: its number.
    case versionUnknown(UInt8)
    /// The other side has too many handshakes under way.
    case busy
    /// The other side belongs to another mesh, or does not hold the key that was expected of it.
    case keysDoNotFit
    /// The other side does not want this node: its reason.
    case refusedByPeer(String)
    /// This node does not want the other side: the reason.
    case peerRejected(String)
    /// The other side did not finish the handshake in time.
    case handshakeTimeout
    /// Nothing was heard on the session for too long.
    case silent
    /// The connection broke.
    case disconnected
    /// The session or stream was closed on this side.
    case closed
    /// The other side closed the session: its reason.
    case closedByPeer(String)
    /// A frame claims more bytes than a frame may have.
    case frameTooLong(Int)
    /// A message has more bytes than a message may have.
    case messageTooLong(Int)
    /// The other side broke the rules of the protocol.
    case protocolViolation(String)
    /// The queue of a traffic class is full; the text names the class.
    case queueFull(String)
    /// The stream was cancelled by the other side.
    case streamCancelled
    /// Too many streams are open.
    case streamsExhausted
    /// The task that waited was cancelled.
    case cancelled
    /// What the caller was ready to wait is over.
    case deadline
    /// The system refused something.
    case system(RingError)
}

extension MeshError {
    /// A stable name for programs.
    public var code: String {
        switch self {
        case .connectRefused: "mesh.connect.refused"
        case .connectTimeout: "mesh.connect.timeout"
        case .connectFailed: "mesh.connect.failed"
        case .notSwarmlet: "mesh.connect.not_swarmlet"
        case .versionUnknown: "mesh.session.version"
        case .busy: "mesh.session.busy"
        case .keysDoNotFit: "mesh.session.keys_do_not_fit"
        case .refusedByPeer: "mesh.session.refused"
        case .peerRejected: "mesh.session.peer_rejected"
        case .handshakeTimeout: "mesh.session.handshake_timeout"
        case .silent: "mesh.session.silent"
        case .disconnected: "mesh.session.disconnected"
        case .closed: "mesh.session.closed"
        case .closedByPeer: "mesh.session.closed_by_peer"
        case .frameTooLong: "mesh.session.frame_too_long"
        case .messageTooLong: "mesh.session.message_too_long"
        case .protocolViolation: "mesh.session.protocol"
        case .queueFull: "mesh.session.queue_full"
        case .streamCancelled: "mesh.stream.cancelled"
        case .streamsExhausted: "mesh.stream.too_many"
        case .cancelled: "mesh.cancelled"
        case .deadline: "mesh.deadline"
        case .system(let error): error.code
        }
    }

    /// What is wrong, as a sentence for the user.
    public var message: String {
        switch self {
        case .connectRefused(let address): "nothing listens at \(address)"
        case .connectTimeout(let address): "\(address) does not answer"
        case .connectFailed(let address, let reason): "\(address) cannot be reached: \(reason)"
        case .notSwarmlet(let address): "\(address) answers but is no swarmlet"
        case .versionUnknown(let version): "the other side speaks version \(version) of the session protocol only"
        case .busy: "the other side has too many connections under way"
        case .keysDoNotFit: "the other side belongs to another mesh, or is not the node that was expected"
        case .refusedByPeer(let reason): "the other side refused: \(reason)"
        case .peerRejected(let reason): "the other side was not accepted: \(reason)"
        case .handshakeTimeout: "the other side did not finish the handshake in time"
        case .silent: "nothing was heard from the other side for too long"
        case .disconnected: "the connection broke"
        case .closed: "the connection was closed"
        case .closedByPeer(let reason): "the other side closed the connection: \(reason)"
        case .frameTooLong(let count): "the other side announced a frame of \(count) bytes, more than is allowed"
        case .messageTooLong(let count): "a message of \(count) bytes is longer than is allowed"
        case .protocolViolation(let what): "the other side broke the session protocol: \(what)"
        case .queueFull(let what): "the queue of \(what) messages to the other side is full"
        case .streamCancelled: "the other side ended the transfer"
        case .streamsExhausted: "too many transfers are open on this connection"
        case .cancelled: "it was cancelled"
        case .deadline: "it did not happen in time"
        case .system(let error): error.message
        }
    }

    /// The way out.
    public var hint: String {
        switch self {
        case .connectRefused, .connectTimeout, .connectFailed:
            "check the address and port, that swarmlet runs there, and the firewall between: swarmlet doctor"
        case .notSwarmlet: "give the address and port on which swarmlet listens (7717 unless it was changed)"
        case .versionUnknown: "compare the versions of both nodes: swarmlet version"
        case .busy, .queueFull, .streamsExhausted: "try again in a moment"
        case .keysDoNotFit: "check that both nodes belong to the same mesh: swarmlet members"
        case .refusedByPeer, .peerRejected: "look at who owns the address, and at the members: swarmlet members"
        case .handshakeTimeout, .silent, .disconnected, .closed, .closedByPeer, .streamCancelled, .cancelled, .deadline:
            "try again; if it stays, see: swarmlet doctor"
        case .frameTooLong, .messageTooLong, .protocolViolation:
            "compare the versions of both nodes: swarmlet version"
        case .system(let error): error.hint
        }
    }

    /// What an error of the event loop means for a connection that stands.
    init(_ error: RingError) {
        switch error {
        case .disconnected: self = .disconnected
        case .closed, .stopped: self = .closed
        case .cancelled: self = .cancelled
        case .deadline: self = .deadline
        default: self = .system(error)
        }
    }

    /// What an error of the event loop means for an attempt to connect.
    init(connecting address: SocketAddress, _ error: RingError) {
        switch error {
        case .refused: self = .connectRefused(address.description)
        case .deadline: self = .connectTimeout(address.description)
        case .disconnected: self = .notSwarmlet(address.description)
        case .cancelled: self = .cancelled
        case .stopped, .closed: self = .closed
        default: self = .connectFailed(address.description, error.message)
        }
    }
}

extension MeshError: CustomStringConvertible {
    public var description: String { "\(code): \(message)" }
}
