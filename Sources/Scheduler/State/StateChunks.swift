import Codec

/// A state as a stream of chunks of bytes, made one after the other: for snapshots that are written or sent piece by
/// piece, on any thread, while the state they were taken from goes on.
///
/// Equal states give equal chunks. Only facts are written; queues, counts and what nodes hold follow from them. Every
/// chunk but the last has exactly `chunkBytes` bytes; `StateRestorer` takes the stream cut anywhere. What is held
/// beside the state is one chunk and one record.
public struct StateChunks: Sequence, IteratorProtocol, Sendable {
    /// Bytes of a chunk, where nothing else is asked for.
    public static let defaultChunkBytes = 64 << 10

    private let state: SchedulerState
    private let chunkBytes: Int
    private var section = Section.header
    /// Whole records that have not been handed out.
    private var bytes: [UInt8] = []
    private var handedOut = 0
    private var recordCount: UInt64 = 0

    private enum Section {
        case header
        case knocks(Int)
        case departed(Int)
        case ended(PagedTable<UInt64, JobID>.Iterator)
        case requests(bucket: Int, row: Int)
        case invitations(PagedTable<String, InvitationRecord>.Iterator)
        case settings(PagedTable<String, SettingRecord>.Iterator)
        case issuers(PagedTable<String, IssuerRecord>.Iterator)
        case tokens(PagedTable<String, TokenRecord>.Iterator)
        case tokenRevocations(PagedTable<TokenRevocation.Subject, TokenRevocation>.Iterator)
        case nodes(PagedTable<NodeID, NodeRow>.Iterator)
        case sweeps(PagedTable<NodeID, AttemptKey>.Iterator)
        case trees(PagedTable<Digest, TreeRow>.Iterator)
        case jobs(PagedTable<JobID, JobRow>.Iterator)
        case tasks(TaskRuns, PagedTable<JobID, JobRow>.Iterator)
        case done
    }

    /// - Parameter chunkBytes: at least 1.
    public init(_ state: SchedulerState, chunkBytes: Int = StateChunks.defaultChunkBytes) {
        precondition(chunkBytes > 0, "a chunk holds at least one byte")
        self.state = state
        self.chunkBytes = chunkBytes
    }

    /// The next chunk; nil after the last.
    public mutating func next() -> [UInt8]? {
        while bytes.count - handedOut < chunkBytes, writeRecord() {}
        guard bytes.count > handedOut else { return nil }
        if handedOut == 0, bytes.count <= chunkBytes {
            let chunk = bytes
            bytes = []
            bytes.reserveCapacity(chunkBytes + chunkBytes / 4)
            return chunk
        }
        let chunk = Array(bytes[handedOut...].prefix(chunkBytes))
        handedOut += chunk.count
        // What is left moves to the front at once where it is little: a record rarely fills a chunk.
        if bytes.count - handedOut < chunkBytes {
            bytes.removeFirst(handedOut)
            handedOut = 0
        }
        return chunk
    }

    /// Writes one record, or steps into the next section; false when everything is written.
    private mutating func writeRecord() -> Bool {
        switch section {
        case .header:
            append(.header) { [state] in state.fillHeader(&$0) }
            section = .knocks(0)
        case .knocks(let index):
            guard index < state.knocks.count else {
                section = .departed(0)
                break
            }
            append(.knock) { [state] in $0.set(1, state.knocks[index]) }
            section = .knocks(index + 1)
        case .departed(let index):
            let numbers = Array(state.departedOrder[index...].prefix(StateRecord.numbersMax))
            if numbers.isEmpty {
                section = .ended(state.endedOrder.makeIterator())
            } else {
                append(.departed) { $0.set(1, numbers) }
                section = .departed(index + numbers.count)
            }
        case .ended(var iterator):
            var numbers: [JobID] = []
            while numbers.count < StateRecord.numbersMax, let row = iterator.next() { numbers.append(row.row) }
            if numbers.isEmpty {
                section = .requests(bucket: 0, row: 0)
            } else {
                append(.ended) { $0.set(1, numbers) }
                section = .ended(iterator)
            }
        case .requests(let bucket, let row): writeRequest(bucket, row)
        default: return writeRow()
        }
        return true
    }

    private mutating func writeRequest(_ bucket: Int, _ row: Int) {
        guard bucket < SchedulerLimits.requestBuckets else {
            section = .invitations(state.invitationRows.makeIterator())
            return
        }
        guard row < state.requests.count(inBucket: bucket) else {
            section = .requests(bucket: bucket + 1, row: 0)
            return
        }
        append(.request) { [state] in state.requests.fill(&$0, bucket: bucket, row: row) }
        section = .requests(bucket: bucket, row: row + 1)
    }

    private mutating func writeRow() -> Bool {
        switch section {
        case .invitations(var iterator):
            if let (_, invitation) = iterator.next() {
                append(.invitation) { $0.set(1, invitation) }
                section = .invitations(iterator)
            } else {
                section = .settings(state.settingRows.makeIterator())
            }
        case .settings(var iterator):
            if let (_, setting) = iterator.next() {
                append(.setting) { $0.set(1, setting) }
                section = .settings(iterator)
            } else {
                section = .issuers(state.issuerRows.makeIterator())
            }
        case .issuers, .tokens, .tokenRevocations: return writeTokenRow()
        case .nodes(var iterator):
            if let (_, node) = iterator.next() {
                append(.node) { $0.set(1, node.record) }
                section = .nodes(iterator)
            } else {
                section = .sweeps(state.sweeps.makeIterator())
            }
        case .sweeps(var iterator):
            if let (node, from) = iterator.next() {
                append(.sweep) {
                    $0.set(1, node)
                    $0.set(2, from)
                }
                section = .sweeps(iterator)
            } else {
                section = .trees(state.treeRows.makeIterator())
            }
        case .trees(var iterator):
            if let (tree, row) = iterator.next() {
                append(.tree) { row.fill(&$0, tree: tree) }
                section = .trees(iterator)
            } else {
                section = .jobs(state.jobRows.makeIterator())
            }
        case .jobs(var iterator):
            if let (id, row) = iterator.next() {
                append(.job) { row.fill(&$0, id: id) }
                section = .tasks(TaskRuns(row.tasks), iterator)
            } else {
                let count = recordCount
                append(.end) { $0.set(1, count) }
                section = .done
            }
        case .tasks(var runs, let iterator):
            if let (first, items) = runs.next() {
                append(.tasks) {
                    $0.set(1, first)
                    $0.set(2, CBOR.array(items))
                }
                section = .tasks(runs, iterator)
            } else {
                section = .jobs(iterator)
            }
        default: return false
        }
        return true
    }

    private mutating func writeTokenRow() -> Bool {
        switch section {
        case .issuers(var iterator):
            if let (_, issuer) = iterator.next() {
                append(.issuer) { $0.set(1, issuer) }
                section = .issuers(iterator)
            } else {
                section = .tokens(state.tokenRows.makeIterator())
            }
        case .tokens(var iterator):
            if let (_, token) = iterator.next() {
                append(.token) { $0.set(1, token) }
                section = .tokens(iterator)
            } else {
                section = .tokenRevocations(state.tokenRevocationRows.makeIterator())
            }
        case .tokenRevocations(var iterator):
            if let (_, revocation) = iterator.next() {
                append(.tokenRevocation) { $0.set(1, revocation) }
                section = .tokenRevocations(iterator)
            } else {
                section = .nodes(state.nodeRows.makeIterator())
            }
        default: return false
        }
        return true
    }

    private mutating func append(_ kind: StateRecord.Kind, _ fill: (inout CBORMap) -> Void) {
        StateRecord.append(kind, to: &bytes, fill)
        recordCount += 1
    }
}

extension SchedulerState {
    /// The whole state in one piece: the chunks of `StateChunks` behind each other.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for chunk in StateChunks(self) { bytes += chunk }
        return bytes
    }

    /// Of the encoded state: two members that applied the same entries have the same.
    public var digest: Digest {
        var hash = BLAKE3()
        for chunk in StateChunks(self) { hash.update(chunk) }
        return hash.finalize()
    }
}

/// The records of a job's touched tasks: runs of equal ones as their length and one of them, because most of a page
/// has ended alike or waits.
struct TaskRuns {
    private let pages: [[TaskRecord]]
    private var page = 0
    private var row = 0

    init(_ tasks: TaskTable) { pages = tasks.pages }

    /// The index of the first task, and lengths and tasks by turns; nil behind the last touched one.
    mutating func next() -> (first: UInt32, items: [CBOR])? {
        while page < pages.count, row >= pages[page].count {
            page += 1
            row = 0
        }
        guard page < pages.count else { return nil }
        let first = UInt32(page * TaskTable.pageRows + row)
        var items: [CBOR] = []
        while row < pages[page].count, items.count < 2 * StateRecord.runsMax {
            var end = row + 1
            while end < pages[page].count, pages[page][end] == pages[page][row] { end += 1 }
            items.append(.integer(end - row))
            items.append(pages[page][row].cbor)
            row = end
        }
        return (first, items)
    }
}
