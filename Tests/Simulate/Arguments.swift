/// What was typed.
struct Arguments {
    enum Kind {
        case raft
        case mesh
        case gossip
    }

    static let usage = """
        usage: simulate [raft | mesh] [--seeds N] [--from S]
               simulate [raft | mesh] --bugs [--only NAME] [--seeds N] [--from S]
               simulate raft | mesh --seed S [--story] [--only NAME]
               simulate raft --seed S --trace FILE [--plain]
               simulate gossip [--nodes N] [--seed S] [--only NAME] [--seconds N]
               simulate gossip --bugs [--only NAME] [--seeds N] [--from S]
               simulate gossip --storms [--seeds N] [--from S]
               simulate --speed | --state-speed
        """

    /// Raft cores alone, or whole nodes with schedulers, leases and supervisors; both where none is named.
    var kinds: [Kind] = [.raft, .mesh]
    var seeds: Int?
    var from: UInt64 = 1
    var seed: UInt64?
    var tellsStory = false
    var huntsBugs = false
    /// The name of the only mistake to hunt.
    var onlyBug: String?
    var measuresSpeed = false
    /// Where the steps of all cores go, as lines of JSON for tools that check them.
    var traceFile: String?
    /// Only what etcd's specification can follow.
    var isPlain = false
    /// Small meshes of gossip in random trouble, instead of the measures.
    var runsStorms = false
    /// Members of the mesh whose gossip is measured.
    var nodes = 100
    /// How long each trouble of gossip lasts; its own time where not given.
    var seconds: Int64?
    var measuresState = false

    init?(_ words: [String]) {
        var rest = words[...]
        switch rest.first {
        case "raft": kinds = [.raft]
        case "mesh": kinds = [.mesh]
        case "gossip": kinds = [.gossip]
        default: break
        }
        if kinds.count == 1 { rest.removeFirst() }
        while let word = rest.popFirst() {
            switch word {
            case "--story": tellsStory = true
            case "--speed": measuresSpeed = true
            case "--state-speed": measuresState = true
            case "--bugs": huntsBugs = true
            case "--plain": isPlain = true
            case "--storms": runsStorms = true
            case "--trace":
                guard let name = rest.popFirst() else { return nil }
                traceFile = name
            case "--only":
                guard let name = rest.popFirst() else { return nil }
                onlyBug = name
            case "--seeds", "--from", "--seed", "--nodes", "--seconds":
                guard let text = rest.popFirst(), let number = UInt64(text), number < UInt64(Int32.max) else {
                    return nil
                }
                if word == "--seeds" { seeds = Int(number) }
                if word == "--nodes" { nodes = Int(number) }
                if word == "--seconds" { seconds = Int64(number) }
                if word == "--from" { from = number }
                if word == "--seed" { seed = number }
            default: return nil
            }
        }
    }
}
