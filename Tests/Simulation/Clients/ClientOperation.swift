/// One request of one client to one key of a replicated map, as the client saw it.
public struct ClientOperation: Hashable, Sendable {
    public enum Action: Hashable, Sendable {
        case get
        case put(UInt64)
        /// Writes `new` where the value is `expected`.
        case swap(expected: UInt64, new: UInt64)
    }

    public enum Answer: Hashable, Sendable {
        /// The client never learnt what became of it: it may happen at any time after the call, or never.
        case unknown
        case put
        /// The value that a get, or a swap that did nothing, has seen; 0 where nothing had been written.
        case seen(UInt64)
        case swapped
    }

    public var client: Int
    public var key: Int
    public var action: Action
    public var answer: Answer
    /// Place of the call and of the answer in the order of everything that clients saw; `.max` for an unknown outcome.
    public var called: UInt64
    public var returned: UInt64

    public init(client: Int, key: Int, action: Action, answer: Answer, called: UInt64, returned: UInt64) {
        self.client = client
        self.key = key
        self.action = action
        self.answer = answer
        self.called = called
        self.returned = answer == .unknown ? .max : returned
    }

    /// The value that this writes where it takes effect; nil for what is known to change nothing.
    var written: UInt64? {
        switch (action, answer) {
        case (.get, _), (.swap, .seen): nil
        case (.put(let value), _), (.swap(_, let value), _): value
        }
    }

    /// The value that must be there for this to happen; nil where any will do.
    var observed: UInt64? {
        switch (action, answer) {
        case (_, .seen(let value)): value
        case (.swap(let expected, _), _): expected
        case (.get, _), (.put, _): nil
        }
    }

    /// False where the answer contradicts itself: a swap that saw what it expected and did nothing.
    var isConsistent: Bool {
        switch (action, answer) {
        case (_, .unknown), (.get, .seen), (.put, .put), (.swap, .swapped): true
        case (.swap(let expected, _), .seen(let value)): value != expected
        default: false
        }
    }
}

extension ClientOperation: CustomStringConvertible {
    public var description: String {
        let what =
            switch action {
            case .get: "get"
            case .put(let value): "put \(value)"
            case .swap(let expected, let new): "swap \(expected) for \(new)"
            }
        let outcome =
            switch answer {
            case .unknown: "no answer"
            case .put: "done"
            case .seen(let value): "saw \(value)"
            case .swapped: "swapped"
            }
        return
            "client \(client) key \(key) [\(called), \(returned == .max ? "never" : "\(returned)")] \(what): \(outcome)"
    }
}
