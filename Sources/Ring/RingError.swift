import Glibc

/// Why something asked of an event loop did not happen.
public enum RingError: Error, Hashable, Sendable {
    /// The deadline of the operation passed first.
    case deadline
    /// The task that waited was cancelled.
    case cancelled
    /// The descriptor, queue or thread was closed while the operation waited, or before it began.
    case closed
    /// The event loop has stopped.
    case stopped
    /// A bounded queue is full; the text names it.
    case full(String)
    /// Nobody listens at the address.
    case refused(String)
    /// The other side broke the connection off.
    case disconnected
    /// The text is no address.
    case addressInvalid(String)
    /// Another process already listens at the address.
    case addressInUse(String)
    /// The name has no address: the name, and what the resolver said.
    case nameUnknown(String, String)
    /// The backend that was asked for cannot be had here, and why.
    case backendUnavailable(String)
    /// A system call failed: its name and errno.
    case system(String, Int32)

    /// A stable name for programs.
    public var code: String {
        switch self {
        case .deadline: "ring.deadline"
        case .cancelled: "ring.cancelled"
        case .closed: "ring.closed"
        case .stopped: "ring.stopped"
        case .full: "ring.full"
        case .refused: "ring.refused"
        case .disconnected: "ring.disconnected"
        case .addressInvalid: "ring.address.invalid"
        case .addressInUse: "ring.address.in_use"
        case .nameUnknown: "ring.address.unknown_name"
        case .backendUnavailable: "ring.backend_unavailable"
        case .system: "ring.system"
        }
    }

    /// One sentence for a person.
    public var message: String {
        switch self {
        case .deadline: "It did not happen in time."
        case .cancelled: "It was cancelled."
        case .closed: "It was closed."
        case .stopped: "The daemon is stopping."
        case .full(let what): "The queue of \(what) is full."
        case .refused(let address): "Nothing listens at \(address)."
        case .disconnected: "The other side broke off the connection."
        case .addressInvalid(let text): "\"\(text)\" is not an address."
        case .addressInUse(let address): "Another process already listens at \(address)."
        case .nameUnknown(let name, let reason): "The name \(name) could not be resolved: \(reason)."
        case .backendUnavailable(let reason): "io_uring cannot be used here: \(reason)."
        case .system(let call, let number): "\(call) failed: \(RingError.describe(number))."
        }
    }

    /// What to do about it.
    public var hint: String {
        switch self {
        case .deadline: "Check that the other host is up and can be reached, then try again."
        case .cancelled, .closed, .stopped, .disconnected: "Try again."
        case .full: "Try again in a moment; if it lasts, the host is overloaded."
        case .refused: "Start swarmlet there with `swarmlet up` or `swarmlet join`, or check the port."
        case .addressInvalid: "Write HOST:PORT, [IPV6]:PORT, or HOST alone."
        case .addressInUse: "Stop the other process, or choose another address with --listen."
        case .nameUnknown: "Check the spelling, or use the IP address."
        case .backendUnavailable: "Set SWARMLET_IO=epoll."
        case .system: "See `swarmlet doctor`."
        }
    }

    /// The words of the C library for an errno.
    public static func describe(_ number: Int32) -> String {
        // Thread-safe since glibc 2.32 (strerror(3)).
        String(cString: strerror(number))
    }

    /// The error for a failed call, with the common numbers given their own cases.
    static func of(_ call: String, _ number: Int32) -> RingError {
        switch number {
        case ECONNRESET, EPIPE, ECONNABORTED: .disconnected
        case EBADF: .closed
        case ETIMEDOUT: .deadline
        default: .system(call, number)
        }
    }
}

extension RingError: CustomStringConvertible {
    public var description: String { "\(code): \(message)" }
}
