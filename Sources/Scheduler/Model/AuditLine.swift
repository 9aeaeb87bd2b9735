import Codec

/// An entry of the log of what happened as it is kept: its place, its bytes, and the job that it is found by.
public struct AuditLine: Hashable, Sendable {
    /// The index of its leaf.
    public var sequence: UInt64
    public var job: JobID?
    public var bytes: [UInt8]

    public init(sequence: UInt64, job: JobID?, bytes: [UInt8]) {
        self.sequence = sequence
        self.job = job
        self.bytes = bytes
    }

    /// As a member has sent it: the job is what the line says.
    public init(sequence: UInt64, bytes: [UInt8]) {
        self.init(sequence: sequence, job: AuditEvent(line: bytes)?.job, bytes: bytes)
    }
}
