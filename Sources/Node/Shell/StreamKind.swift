/// What a stream between two nodes is for; its first message says the rest.
enum StreamKind: UInt16 {
    /// Trees by content (`TransferMessage`).
    case transfer = 1
    /// The output of an attempt that ran there (`LogsRequest`, answered by `APIReply`).
    case log = 2
    /// A node that wants to become a member (`AdmissionRequest`).
    case admission = 3
    /// Files from the working directory of an attempt that ran there (`FetchRequest`).
    case files = 4
    /// How far the log is there, and who is to lead (`APIRequest`, answered by `APIReply`).
    case raft = 5
    /// Finished jobs that a member lacks (`HistoryExchange`).
    case history = 6
    /// What a member says of itself and of its way back (`APIRequest.doctorReport`, answered by `APIReply`).
    case doctor = 7
    /// A session with another member, which this one carries (`RelayRequest`, answered by `RelayAnswer`).
    case relay = 8
    /// A session of another member, carried by this one (`RelayRequest`).
    case relayed = 9
    /// What attempts of the other side write, to be kept here as well (`LogBatch`, answered by `LogBatch.Answer`).
    case logCopy = 10
    /// What somebody does with attempts that run there (`APIRequest`, answered by `APIReply`).
    case hands = 11
    /// Another swarmlet for that host (`UpgradeRequest`, answered by `APIReply`).
    case upgrade = 12
    /// Somebody outside the mesh with a token (`GuestCall`, answered by `APIReply`).
    case guest = 13
    /// The log of what happened (`AuditMessage`, answered by `AuditAnswer`).
    case audit = 14
    /// A member that wants new certificates (answered by `CertificateAnswer`).
    case certificates = 16
    /// A member that is about to have another key (`KeyRotation`, answered by `APIReply`).
    case rotation = 17
}
