/// Decides which frame a session sends next.
///
/// Frames of the session itself go first. Then the three traffic classes share the connection by deficit round robin
/// (Shreedhar and Varghese 1995): in each round a class may send its quantum, control before log before bulk, so bulk
/// never holds control up for more than a record and control never starves bulk. Within a class one-way messages and
/// streams with credit take turns. It copies bytes and knows no socket, cipher or clock.
///
/// Invariant: a stream is in its lane's `ready` exactly when it has a message and enough credit for a byte of it.
struct OutboundScheduler: Sendable {
    private struct Message {
        var kind: UInt16
        var bytes: [UInt8]
        var offset = 0
        /// Set once the first piece has gone, which an empty message needs too.
        var hasBegun = false
        var rest: Int { bytes.count - offset }
    }
    private struct Stream {
        var trafficClass: TrafficClass
        var credit = SessionConstants.streamWindowBytes
        var message: Message?
        var isReady = false
        var canSend: Bool {
            guard let message else { return false }
            return credit >= SessionConstants.fragmentOverheadBytes + min(1, message.rest)
        }
    }
    private struct Lane {
        var posts = FirstInFirstOut<Message>()
        var ready = FirstInFirstOut<UInt32>()
        var queuedBytes = 0
        var deficit = 0
        var isStreamsTurn = false
        var hasWork: Bool { !posts.isEmpty || !ready.isEmpty }
    }

    private var urgent = FirstInFirstOut<SessionFrame>()
    private var lanes = TrafficClass.allCases.map { _ in Lane() }
    private var streams: [UInt32: Stream] = [:]

    var isEmpty: Bool { urgent.isEmpty && !lanes.contains { $0.hasWork } }

    /// Queues a frame of the session itself. False: the peer has made us queue more than any honest one would.
    mutating func urge(_ frame: SessionFrame) -> Bool {
        guard urgent.count < SessionConstants.urgentFramesMax else { return false }
        urgent.append(frame)
        return true
    }

    /// Queues a one-way message.
    mutating func post(_ kind: UInt16, _ bytes: [UInt8], _ trafficClass: TrafficClass) throws(MeshError) {
        guard bytes.count <= SessionConstants.messageBytesMax else { throw .messageTooLong(bytes.count) }
        let lane = Int(trafficClass.rawValue)
        guard lanes[lane].posts.count < SessionConstants.queuedMessagesMax,
            lanes[lane].queuedBytes + bytes.count <= SessionConstants.queuedBytesMax
        else { throw .queueFull("\(trafficClass)") }
        lanes[lane].posts.append(Message(kind: kind, bytes: bytes))
        lanes[lane].queuedBytes += bytes.count
    }

    mutating func addStream(_ stream: UInt32, _ trafficClass: TrafficClass) {
        streams[stream] = Stream(trafficClass: trafficClass)
    }

    /// Forgets a stream and what it had to send.
    mutating func removeStream(_ stream: UInt32) {
        guard let removed = streams.removeValue(forKey: stream), removed.isReady else { return }
        lanes[Int(removed.trafficClass.rawValue)].ready.removeAll { $0 == stream }
    }

    /// Gives a stream its next message; it must have none.
    mutating func give(_ stream: UInt32, _ bytes: [UInt8]) {
        precondition(streams[stream]?.message == nil, "one message at a time")
        streams[stream]?.message = Message(kind: 0, bytes: bytes)
        makeReady(stream)
    }

    /// The receiver has room for more. False: more than it ever took away.
    mutating func credit(_ stream: UInt32, _ count: UInt32) -> Bool {
        guard var state = streams[stream] else { return true }
        state.credit += Int(count)
        streams[stream] = state
        makeReady(stream)
        return state.credit <= SessionConstants.streamWindowBytes
    }

    private mutating func makeReady(_ stream: UInt32) {
        guard let state = streams[stream], !state.isReady, state.canSend else { return }
        streams[stream]?.isReady = true
        lanes[Int(state.trafficClass.rawValue)].ready.append(stream)
    }

    /// What `next` did.
    enum Step: Hashable {
        case nothing
        case frame
        /// The last piece of a stream's message was written: it can be given the next one.
        case streamDone(UInt32)
    }

    /// Appends the next frame to `bytes`, if there is one to send.
    mutating func next(into bytes: inout [UInt8]) -> Step {
        if let frame = urgent.removeFirst() {
            frame.encode(into: &bytes)
            return .frame
        }
        guard let lane = chooseLane() else { return .nothing }
        let before = bytes.count
        let takesStream = lanes[lane].posts.isEmpty || lanes[lane].isStreamsTurn && !lanes[lane].ready.isEmpty
        lanes[lane].isStreamsTurn.toggle()
        let step = takesStream ? nextOfStream(lane, &bytes) : nextOfPosts(lane, &bytes)
        lanes[lane].deficit -= bytes.count - before
        return step
    }

    /// What a session still says when it closes: its own frames and the control messages posted before.
    mutating func nextBeforeClose(into bytes: inout [UInt8]) -> Bool {
        if let frame = urgent.removeFirst() {
            frame.encode(into: &bytes)
            return true
        }
        let control = Int(TrafficClass.control.rawValue)
        guard !lanes[control].posts.isEmpty else { return false }
        _ = nextOfPosts(control, &bytes)
        return true
    }

    /// Takes the one-way messages that have not begun, by class and in order.
    mutating func takeUnbegun() -> [(kind: UInt16, bytes: [UInt8], class: TrafficClass)] {
        var taken: [(kind: UInt16, bytes: [UInt8], class: TrafficClass)] = []
        for trafficClass in TrafficClass.allCases {
            let lane = Int(trafficClass.rawValue)
            while let message = lanes[lane].posts.removeFirst() {
                if !message.hasBegun { taken.append((message.kind, message.bytes, trafficClass)) }
            }
            lanes[lane].queuedBytes = 0
        }
        return taken
    }

    private mutating func chooseLane() -> Int? {
        guard lanes.contains(where: { $0.hasWork }) else { return nil }
        while true {
            if let lane = lanes.firstIndex(where: { $0.hasWork && $0.deficit > 0 }) { return lane }
            for trafficClass in TrafficClass.allCases {
                let lane = Int(trafficClass.rawValue)
                // A class that had nothing to send saves nothing up.
                lanes[lane].deficit = min(lanes[lane].deficit, 0) + trafficClass.quantumBytes
            }
        }
    }

    private mutating func nextOfPosts(_ lane: Int, _ bytes: inout [UInt8]) -> Step {
        guard var message = lanes[lane].posts.removeFirst() else { preconditionFailure("a lane with work has some") }
        let trafficClass = TrafficClass.allCases[lane]
        let fragment = OutboundScheduler.cut(&message, most: SessionConstants.fragmentBytesMax)
        SessionFrame.post(trafficClass, fragment).encode(into: &bytes)
        lanes[lane].queuedBytes -= fragment.content.count
        if !fragment.isLast { lanes[lane].posts.prepend(message) }
        return .frame
    }

    private mutating func nextOfStream(_ lane: Int, _ bytes: inout [UInt8]) -> Step {
        guard let stream = lanes[lane].ready.removeFirst(), var state = streams[stream], var message = state.message
        else { preconditionFailure("a ready stream has a message") }
        let room = min(state.credit - SessionConstants.fragmentOverheadBytes, SessionConstants.fragmentBytesMax)
        let fragment = OutboundScheduler.cut(&message, most: room)
        SessionFrame.streamData(stream, fragment).encode(into: &bytes)
        state.credit -= fragment.content.count + SessionConstants.fragmentOverheadBytes
        state.isReady = false
        state.message = fragment.isLast ? nil : message
        streams[stream] = state
        makeReady(stream)
        return fragment.isLast ? .streamDone(stream) : .frame
    }

    private static func cut(_ message: inout Message, most: Int) -> SessionFrame.Fragment {
        let end = message.offset + min(message.rest, most)
        let start =
            message.hasBegun ? nil : SessionFrame.Start(kind: message.kind, total: UInt32(message.bytes.count))
        defer {
            message.offset = end
            message.hasBegun = true
        }
        return SessionFrame.Fragment(
            start: start, isLast: end == message.bytes.count, content: message.bytes[message.offset..<end])
    }
}
