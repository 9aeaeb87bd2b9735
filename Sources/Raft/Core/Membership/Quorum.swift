import Codec

/// The arithmetic of majorities, for one set of voters or for the two of a joint membership.
enum Quorum {
    enum Verdict {
        case won, lost, open
    }

    /// The largest value that a majority has reached; `.max` for no voters, so that it never limits a joint decision.
    ///
    /// Voters are few, so their values are sorted each time: nothing to keep up to date, nothing to get wrong
    /// (openraft#1802).
    static func reached<Value: Comparable>(by voters: [NodeID], unlimited: Value, _ value: (NodeID) -> Value) -> Value {
        guard !voters.isEmpty else { return unlimited }
        return withUnsafeTemporaryAllocation(of: Value.self, capacity: voters.count) { descending in
            for count in voters.indices {
                let new = value(voters[count])
                var place = count
                (descending.baseAddress! + count).initialize(to: new)
                while place > 0, descending[place - 1] < new {
                    descending.swapAt(place - 1, place)
                    place -= 1
                }
            }
            let reached = descending[voters.count / 2]
            descending.deinitialize()
            return reached
        }
    }

    /// The largest value that a majority of each set of voters in force has reached.
    static func reached<Value: Comparable>(
        in membership: RaftMembership, unlimited: Value, _ value: (NodeID) -> Value
    ) -> Value {
        min(
            reached(by: membership.voters, unlimited: unlimited, value),
            reached(by: membership.outgoingVoters, unlimited: unlimited, value))
    }

    /// How a vote stands, given who has said yes (true), no (false) or nothing (nil).
    static func verdict(in membership: RaftMembership, _ answer: (NodeID) -> Bool?) -> Verdict {
        let both = (verdict(of: membership.voters, answer), verdict(of: membership.outgoingVoters, answer))
        switch both {
        case (.won, .won): return .won
        case (.lost, _), (_, .lost): return .lost
        default: return .open
        }
    }

    private static func verdict(of voters: [NodeID], _ answer: (NodeID) -> Bool?) -> Verdict {
        guard !voters.isEmpty else { return .won }
        let majority = voters.count / 2 + 1
        var yes = 0
        var no = 0
        for voter in voters {
            switch answer(voter) {
            case true?: yes += 1
            case false?: no += 1
            case nil: break
            }
        }
        if yes >= majority { return .won }
        return no > voters.count - majority ? .lost : .open
    }
}
