import Codec

/// Whether a history of clients could have come from one map that does one thing at a time, each operation at some moment
/// between its call and its answer (Herlihy and Wing, 1990).
///
/// Keys are independent, so each is judged by itself. For one key this is the search of Wing and Gong (1993): take any
/// operation that nothing unfinished must precede, go on, step back where an answer cannot be explained; and Lowe's memory
/// (2017): what has been done as a set, together with the value, is never tried twice. Three facts keep it small, and none
/// of them changes the verdict:
///
/// - an operation that changes nothing and fits the value may be done as soon as it can be: no other order has to be tried;
/// - a write without a known outcome is of use only directly before something that sees its value;
/// - the set is known by a random 128-bit sum, so that a place in the memory costs the same for any length.
public enum Linearizability {
    public enum Verdict: Hashable, Sendable {
        case linearizable
        /// No order explains the history: at the furthest that any order reached, this operation could not be placed.
        case broken(ClientOperation)
        /// The search was given up after so many steps; says nothing.
        case undecided(steps: Int)
    }

    /// Judges a whole history. `stepLimit` bounds the search of one key.
    public static func verdict(on operations: [ClientOperation], stepLimit: Int = 5_000_000) -> Verdict {
        var byKey: [Int: [ClientOperation]] = [:]
        for operation in operations { byKey[operation.key, default: []].append(operation) }
        var undecided: Verdict?
        for key in byKey.keys.sorted() {
            var search = LinearizabilitySearch(byKey[key] ?? [])
            switch search.run(stepLimit: stepLimit) {
            case .linearizable: continue
            case .broken(let operation): return .broken(operation)
            case .undecided(let steps): undecided = .undecided(steps: steps)
            }
        }
        return undecided ?? .linearizable
    }
}
