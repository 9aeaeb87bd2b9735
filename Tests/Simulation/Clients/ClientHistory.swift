/// What clients asked and were told, in the order in which it happened.
public struct ClientHistory: Sendable {
    public private(set) var operations: [ClientOperation] = []
    private var clock: UInt64 = 0

    public init() {}

    /// Notes a call and gives it a number; until it is answered its outcome is unknown.
    public mutating func call(client: Int, key: Int, _ action: ClientOperation.Action) -> Int {
        clock += 1
        operations.append(
            ClientOperation(client: client, key: key, action: action, answer: .unknown, called: clock, returned: .max))
        return operations.count - 1
    }

    public mutating func answer(_ number: Int, _ answer: ClientOperation.Answer) {
        precondition(operations[number].answer == .unknown, "an operation is answered once")
        clock += 1
        operations[number].answer = answer
        operations[number].returned = answer == .unknown ? .max : clock
    }
}
