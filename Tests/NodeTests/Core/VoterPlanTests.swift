import Codec
import Testing

@testable import Node

@Suite("Which nodes vote")
struct VoterPlanTests {
    /// One node, in letters: V has a seat, w is a worker, f is fit to vote, s is silent, d is dead, x stands down; the
    /// owner and the rack follow after colons.
    private static func node(_ id: Int, _ text: String) -> VoterPlan.Node {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let marks = parts[0]
        let isAlive = !marks.contains("s") && !marks.contains("d")
        return VoterPlan.Node(
            id: NodeID(UInt64(id)), isVoter: marks.contains("V"), mayVote: !marks.contains("w"),
            isFit: isAlive && (marks.contains("f") || marks.contains("V")), isAlive: isAlive,
            isDead: marks.contains("d"), standsDown: marks.contains("x"),
            owner: parts.count > 1 ? String(parts[1]) : "", rack: parts.count > 2 ? String(parts[2]) : "")
    }

    private static func plan(_ nodes: String, leader: Int = 1, wanted: Int? = nil) -> [UInt64]? {
        let nodes = nodes.split(separator: " ").enumerated().map { node($0.offset + 1, String($0.element)) }
        return VoterPlan(nodes: nodes, leader: NodeID(UInt64(leader)), wanted: wanted).voters()?.map(\.rawValue)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        let nodes: String
        let voters: [UInt64]?
        var leader = 1
        var wanted: Int?
        var testDescription: String { what }
    }

    static let cases: [Case] = [
        Case(what: "one node votes alone", nodes: "V", voters: [1]),
        Case(what: "two nodes have one voter", nodes: "V f", voters: [1]),
        Case(what: "three nodes vote", nodes: "V f f", voters: [1, 2, 3]),
        Case(what: "a node that is not fit yet leaves one voter", nodes: "V f -", voters: [1]),
        Case(what: "four nodes have three voters", nodes: "V V V f", voters: [1, 2, 3]),
        Case(what: "five nodes vote", nodes: "V V V f f", voters: [1, 2, 3, 4, 5]),
        Case(what: "seven nodes have five voters", nodes: "V V V f f f f", voters: [1, 2, 3, 4, 5]),
        Case(what: "from one to five in one step", nodes: "V f f f f", voters: [1, 2, 3, 4, 5]),
        Case(what: "workers never vote", nodes: "V wf wf wf", voters: [1]),
        Case(what: "three are wanted of seven", nodes: "V V V V V f f", voters: [1, 2, 3], wanted: 3),
        Case(what: "the leader stays when seats go", nodes: "V V V V V", voters: [1, 2, 5], leader: 5, wanted: 3),
        Case(what: "a silent voter goes first when seats go", nodes: "V sV V V V", voters: [1, 3, 4], wanted: 3),
        Case(what: "one is wanted", nodes: "V V V", voters: [2], leader: 2, wanted: 1),
        Case(what: "five are wanted where three can", nodes: "V V V", voters: [1, 2, 3], wanted: 5),
        Case(what: "a silent voter keeps its seat", nodes: "V V sV f", voters: [1, 2, 3]),
        Case(what: "a dead voter is replaced", nodes: "V V dV f", voters: [1, 2, 4]),
        Case(what: "a dead voter that nobody can replace keeps its seat", nodes: "V V dV -", voters: [1, 2, 3]),
        Case(what: "one dead of five keeps its seat", nodes: "V V V V dV", voters: [1, 2, 3, 4, 5]),
        Case(what: "two dead of five: three voters bear another loss", nodes: "V V V dV dV", voters: [1, 2, 3]),
        Case(what: "two dead of five, one to replace them", nodes: "V V V dV dV f", voters: [1, 2, 3, 4, 6]),
        Case(what: "nobody is replaced by one that is silent", nodes: "V V dV sf", voters: [1, 2, 3]),
        Case(what: "a voter that stands down is replaced", nodes: "V Vx V f", voters: [1, 3, 4]),
        Case(what: "without another node one voter remains", nodes: "V Vx V", voters: [1]),
        Case(what: "a leader that stands down is replaced", nodes: "Vx V V f", voters: [2, 3, 4]),
        Case(what: "of two nodes the other takes the seat", nodes: "Vx f", voters: [2]),
        Case(what: "of two nodes the other is not fit", nodes: "Vx -", voters: [1]),
        Case(what: "where all stand down the seats stay", nodes: "Vx Vx Vx", voters: [1, 2, 3]),
        Case(what: "one that stands down gets no seat", nodes: "V V V fx fx", voters: [1, 2, 3]),
        Case(what: "a majority of five is silent", nodes: "V V sV sV sV", voters: [1, 2, 3]),
        Case(what: "seats are spread over racks", nodes: "V::a f::a f::a f::b f::c", voters: [1, 4, 5], wanted: 3),
        Case(what: "a seat moves to another rack", nodes: "V::a V::a V::b f::c", voters: [1, 3, 4]),
        Case(what: "owners count before racks", nodes: "V:p:a V:p:b V:q:c f:r:c", voters: [1, 3, 4]),
        Case(
            what: "the leader keeps its seat for order's sake", nodes: "V::a V::a V::b f::c", voters: [2, 3, 4],
            leader: 2),
        Case(
            what: "no seat moves where nothing gets better", nodes: "V::a V::b V::c f::a f::b", voters: [1, 2, 3],
            wanted: 3),
        Case(
            what: "a dead voter's seat goes to its rack", nodes: "V::a V::b dV::c f::a f::c", voters: [1, 2, 5],
            wanted: 3),
        Case(what: "no node may vote", nodes: "w", voters: nil),
    ]

    @Test("the voters of every case", arguments: cases)
    func voters(_ example: Case) {
        #expect(Self.plan(example.nodes, leader: example.leader, wanted: example.wanted) == example.voters)
    }

    @Test("never two or four voters, never a silent majority, never a worker, and what is settled stays settled")
    func random() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<3_000 {
            let marks = ["V", "V", "f", "f", "sV", "dV", "Vx", "fx", "-", "w", "sf"]
            let count = Int.random(in: 1...9, using: &random)
            var nodes: [VoterPlan.Node] = []
            for id in 1...count {
                let text = marks[Int.random(in: 0..<marks.count, using: &random)]
                let place = ":\(Int.random(in: 0..<3, using: &random)):\(Int.random(in: 0..<3, using: &random))"
                nodes.append(Self.node(id, text + place))
            }
            let leader = nodes.first { $0.isVoter && $0.isAlive }?.id ?? NodeID(1)
            let wanted = [nil, 1, 3, 5][Int.random(in: 0..<4, using: &random)]
            guard let voters = VoterPlan(nodes: nodes, leader: leader, wanted: wanted).voters() else { continue }
            let chosen = nodes.filter { voters.contains($0.id) }
            #expect([1, 3, 5].contains(voters.count) && voters.count <= wanted ?? 5)
            #expect(chosen.count == voters.count && chosen.allSatisfy(\.mayVote))
            #expect(chosen.count(where: \.isAlive) > voters.count / 2)
            #expect(chosen.allSatisfy { $0.isVoter || $0.isFit && !$0.standsDown })
            // Carried out, the same plan asks for nothing more.
            let after = nodes.map { node in
                var node = node
                node.isVoter = voters.contains(node.id)
                return node
            }
            #expect(VoterPlan(nodes: after, leader: leader, wanted: wanted).voters() == voters)
        }
    }
}
