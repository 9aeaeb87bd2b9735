import Codec
import Scheduler
import Tokens

/// Whether a program may be brought to this host, tested, and put in the place of the one that runs: asked before each of
/// these, of the word that came with it.
///
/// Who may want it is decided where the person asks. That host says so under the key of its identity, and is believed where
/// it may vote; the host itself may always say it.
struct ProgramGate {
    let state: SchedulerState
    /// This node, and the key of its identity.
    let node: NodeID
    let key: PublicKey
    let running: ProgramVersion
    /// The last that passed.
    let accepted: AcceptedProgram?

    /// How far a word may lie from the mesh's time, which moves every 10 minutes at least.
    static let ageMax = Interval.seconds(600)

    private var name: String { state.node(node)?.name ?? "\(node)" }

    /// The statement with the key that signed it; nil where the mesh asks for none and none came.
    ///
    /// - Throws: `SchedulerError` or `NodeError`, for what is wrong with it.
    func pass(
        _ statement: ProgramStatement?, for program: Digest, from sender: NodeID
    ) throws -> AcceptedProgram.Signed? {
        guard let statement else {
            guard state.level < SchedulerState.programsLevel else { throw unsigned("no word of a host came with it") }
            return nil
        }
        let keys = try self.keys(of: sender)
        guard let signer = keys.first(where: { statement.isSigned(by: $0, mesh: state.meshKeyID) }) else {
            throw unsigned("\(state.node(sender)?.name ?? "\(sender)") did not sign what came with it")
        }
        guard statement.program == program else {
            throw unsigned("what came with it is about \(statement.program.hex.prefix(8)), another program")
        }
        if sender != node { try checkTime(statement) }
        guard statement.version >= running || statement.allowsOlder else {
            throw NodeError.programOlder(node: name, version: statement.version.text, running: running.text)
        }
        return AcceptedProgram.Signed(statement: statement, key: Bytes(signer.bytes))
    }

    private func keys(of sender: NodeID) throws(SchedulerError) -> [PublicKey] {
        if sender == node { return [key] }
        guard let member = state.node(sender), member.presence != .left, member.revocation == nil else {
            throw .notAMember(state.node(sender)?.name ?? "\(sender)")
        }
        if let refusal = state.refusalOfAdministrators(at: member) { throw refusal }
        return state.keys(of: member)
    }

    /// What another host says is heard while it is new, and not after something newer.
    private func checkTime(_ statement: ProgramStatement) throws(NodeError) {
        let (age, overflow) = state.time.subtractingReportingOverflow(statement.time)
        guard !overflow, age.magnitude <= UInt64(ProgramGate.ageMax.nanoseconds) else {
            throw .programStatementOld(
                node: name, reason: "it was signed at \(RFC3339.format(statement.time)) of the mesh's time")
        }
        guard let last = accepted?.signed.statement, last.program != statement.program, statement.time < last.time
        else { return }
        throw .programStatementOld(node: name, reason: "it was signed before the program that was accepted last")
    }

    private func unsigned(_ reason: String) -> NodeError { .programUnsigned(node: name, reason: reason) }

    /// When a word that is given here now was given, so that each is newer than the one before.
    static func time(of state: SchedulerState, after last: Int64, _ accepted: AcceptedProgram?) -> Int64 {
        var time = max(state.time, last + 1)
        // Not by a mark of a time that the mesh has not reached: others would take it for no time of theirs.
        if let kept = accepted?.signed.statement.time, kept < state.time + ageMax.nanoseconds / 2 {
            time = max(time, kept + 1)
        }
        return time
    }
}
