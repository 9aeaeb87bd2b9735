/// Numbers of etcd's message types (`raftpb.MessageType`) that this program looks at.
enum EtcdMessage {
    static let snapshot: Int64 = 7
}
