/// A client of the replicated map: it does one thing at a time, asks again where it gets no answer, with the same request,
/// and gives up after a while without knowing what became of it.
struct SimulatedClient {
    /// Number of the request; retries have the same.
    var serial: UInt64 = 0
    /// Counts what was sent, so that a late refusal is not taken for one of the newest attempt.
    var attempt: UInt64 = 0
    /// The request's place in the history; nil while nothing is asked.
    var operation: Int?
    var key = 0
    var action = ClientOperation.Action.get
    /// The version that an answer must have at least.
    var floor: UInt64 = 0
    /// When it gives up, in nanoseconds of true time.
    var givesUpAt: Int64 = 0
    /// The node that it believes to lead.
    var target = 0
    /// The value that it has last seen of each key, which swaps expect.
    var values: [UInt64]

    init(keys: Int) { values = Array(repeating: 0, count: keys) }
}
