import Codec

/// A finished job as it was when it left the replicated state: what the histories of the members keep.
///
/// It is shared with the state it comes from, so making one costs nothing; the same job is the same bytes at every
/// member.
public struct ArchivedJob: Sendable {
    /// Its place among all jobs that ever left, from 1 and without a gap.
    public let number: UInt64
    public let id: JobID
    let row: JobRow

    init(number: UInt64, id: JobID, row: JobRow) {
        self.number = number
        self.id = id
        self.row = row
    }

    /// The job without its tasks.
    public var record: JobRecord { row.record(id: id) }

    /// Its records, the job first and then its tasks in order: each bounded, whatever the size of the job.
    public var records: ArchivedJobRecords { ArchivedJobRecords(self) }

    /// From all of its records, or from the first few: then the tasks of the others look as if nobody had touched them.
    ///
    /// - Throws: where the records are not what `records` gives.
    public init(records: [[UInt8]]) throws(CodecError) {
        guard let first = records.first else { throw .invalid("a job without a record") }
        let job = try Self.content(first, .job)
        var row = try JobRow(job)
        for record in records.dropFirst() { try row.takeTasks(try Self.content(record, .tasks)) }
        row.countTasks()
        if let counts = try job.optional(9, TaskCounts.self) { row.counts = counts }
        self.init(number: try job.require(8), id: try job.require(1), row: row)
    }

    private static func content(_ record: [UInt8], _ kind: StateRecord.Kind) throws(CodecError) -> CBORMap {
        let map = try CBOR.decode(record.dropFirst(StateRecord.lengthBytes), limits: .snapshot).requireMap()
        guard try map.require(0, UInt64.self) == kind.rawValue else { throw .invalid("records of a job out of order") }
        return map
    }
}

/// The records of a job that has left the state, made one after the other.
public struct ArchivedJobRecords: Sequence, IteratorProtocol {
    private let job: ArchivedJob
    private var tasks: TaskRuns?

    init(_ job: ArchivedJob) { self.job = job }

    /// The next record with its length before it; nil after the last.
    public mutating func next() -> [UInt8]? {
        var bytes: [UInt8] = []
        guard var runs = tasks else {
            tasks = TaskRuns(job.row.tasks)
            StateRecord.append(.job, to: &bytes) {
                job.row.fill(&$0, id: job.id)
                $0.set(8, job.number)
                $0.set(9, job.row.counts)
            }
            return bytes
        }
        guard let (first, items) = runs.next() else { return nil }
        tasks = runs
        StateRecord.append(.tasks, to: &bytes) {
            $0.set(1, first)
            $0.set(2, CBOR.array(items))
        }
        return bytes
    }

    /// Cuts a row of records behind each other into single ones, and those into jobs.
    ///
    /// - Throws: where a record is cut or the first one is not a job's.
    public static func jobs(in bytes: [UInt8]) throws(CodecError) -> [[[UInt8]]] {
        var jobs: [[[UInt8]]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let length = rest.prefix(StateRecord.lengthBytes).reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= StateRecord.lengthBytes, rest.count - StateRecord.lengthBytes >= length else {
                throw .invalid("a record that is cut off")
            }
            let record = Array(rest.prefix(StateRecord.lengthBytes + length))
            rest = rest.dropFirst(record.count)
            let map = try CBOR.decode(record.dropFirst(StateRecord.lengthBytes), limits: .snapshot).requireMap()
            if try map.require(0, UInt64.self) == StateRecord.Kind.job.rawValue {
                jobs.append([record])
            } else {
                guard !jobs.isEmpty else { throw .invalid("records of a job out of order") }
                jobs[jobs.count - 1].append(record)
            }
        }
        return jobs
    }
}

extension SchedulerState {
    /// The jobs that left since this was asked last, in their order. They are no part of what the state says.
    public mutating func takeArchived() -> [ArchivedJob] {
        let taken = archived
        archived = []
        return taken
    }

    /// The state with jobs back in it that have left, to be looked at: nothing may be applied to it.
    public func recalling(_ jobs: [ArchivedJob]) -> SchedulerState {
        var state = self
        for job in jobs where !state.jobRows.contains(job.id) { state.jobRows.set(job.id, job.row) }
        return state
    }
}
