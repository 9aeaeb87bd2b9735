import Codec
import Raft
import Ring
import Scheduler

/// Snapshots between the state, their files and the wire. The loop only passes on what other threads have done: a state
/// is encoded and decoded on a thread of the pool, pieces are read and stored on the log's.
extension CoreDriver {
    /// The copy of the state shares its pages with the one that goes on.
    func take(_ plan: RaftSnapshotPlan, of state: Handoff<SchedulerState>) {
        let directory = logDirectory
        work("take snapshot") { [self] in
            await beforeSnapshot?(plan.index)
            let outcome = await loop.offload { CoreDriver.write(plan, state, to: directory) }
            switch outcome {
            case .success(let snapshot): input(.snapshotTaken(snapshot))
            case .failure(let error):
                onWarning?("no snapshot of the mesh's state: \(error.message); \(error.hint)")
                input(.snapshotFailed)
            }
        }
    }

    /// On a thread of the pool.
    private static func write(
        _ plan: RaftSnapshotPlan, _ state: Handoff<SchedulerState>, to directory: String
    ) -> Result<RaftSnapshot, RaftLogError> {
        // What has changed meanwhile is in this copy only.
        defer { state.letGo() }
        do throws(RaftLogError) {
            let writer = try SnapshotWriter(plan, log: directory)
            if let state = state.value {
                for chunk in StateChunks(state) { try writer.append(chunk) }
            }
            return .success(try writer.finish())
        } catch {
            return .failure(error)
        }
    }

    func send(_ snapshot: RaftSnapshot, from offset: UInt64, to peer: NodeID, term: UInt64) {
        onLogThread { (log: RaftLog) throws(RaftLogError) in
            try log.piece(of: snapshot, at: offset)
        } then: {
            [self] piece in
            switch piece {
            case .success(let piece):
                onEffect?(.send(peer, .raft(.snapshot(RaftMessage.Snapshot(term: term, piece: piece)))))
            case .failure(.snapshotDamaged) where core.raft.snapshot == snapshot:
                onWarning?("this node's snapshot of the mesh's state is damaged; it takes another")
                input(.snapshotBroken(index: snapshot.index))
            // It has made way for a newer one, which the core has started to send.
            case .failure(.snapshotDamaged): break
            case .failure(let error): onWarning?("a snapshot cannot be sent: \(error.message)")
            }
        }
    }

    func store(_ piece: RaftSnapshotPiece) {
        let snapshot = piece.snapshot
        onLogThread { (log: RaftLog) throws(RaftLogError) in
            try log.store(piece)
        } then: { [self] arrival in
            switch arrival {
            case .success(.partly(let nextOffset)): input(.snapshotStored(snapshot, nextOffset: nextOffset))
            case .success(.whole): load(snapshot)
            // The leader asks again after a while.
            case .failure(let error):
                onWarning?("the leader's snapshot cannot be stored: \(error.message); \(error.hint)")
            }
        }
    }

    /// Reads the state of a snapshot that has arrived.
    private func load(_ snapshot: RaftSnapshot) {
        guard loadingSnapshot != snapshot else { return }
        loadingSnapshot = snapshot
        let directory = logDirectory
        work("load snapshot") { [self] in
            let outcome = await loop.offload { CoreDriver.read(snapshot, from: directory) }
            loadingSnapshot = nil
            switch outcome {
            case .success(let state): input(.snapshotArrived(snapshot, state))
            case .failure(let error): onWarning?("the leader's snapshot cannot be used: \(error.message)")
            }
        }
    }

    /// On a thread of the pool.
    private static func read(
        _ snapshot: RaftSnapshot, from directory: String
    ) -> Result<SchedulerState, RaftLogError> {
        do throws(RaftLogError) {
            return .success(try loadState(from: try SnapshotReader(snapshot, log: directory)))
        } catch {
            return .failure(error)
        }
    }

    /// The state that a snapshot holds. Blocking.
    static func loadState(from reader: SnapshotReader) throws(RaftLogError) -> SchedulerState {
        var restorer = StateRestorer()
        while let piece = try reader.next() {
            do throws(CodecError) { try restorer.take(piece) } catch { throw .snapshotUnreadable(error.message) }
        }
        do throws(CodecError) { return try restorer.finish() } catch { throw .snapshotUnreadable(error.message) }
    }

    // MARK: Other threads

    /// In a later round of the loop, when nothing of this one holds it any more.
    func letGo(_ state: Handoff<SchedulerState>) {
        loop.spawn("let go of a state") { [loop] in await loop.offload { state.letGo() } }
    }

    /// A task that `close` waits for.
    private func work(_ name: String, _ body: @escaping @Sendable () async -> Void) {
        guard log != nil else { return }
        snapshotWork += 1
        loop.spawn(name) { [self] in
            await body()
            snapshotWork -= 1
            snapshotWorkDone.notify()
        }
    }

    private func onLogThread<Value: Sendable>(
        _ body: @escaping @Sendable (RaftLog) throws(RaftLogError) -> Value,
        then finish: @escaping @Sendable (Result<Value, RaftLogError>) -> Void
    ) {
        guard let log else { return }
        do {
            try logThread.submit { [self] in
                let result: Result<Value, RaftLogError>
                do throws(RaftLogError) {
                    result = .success(try body(log))
                } catch {
                    result = .failure(error)
                }
                loop.post { finish(result) }
            }
        } catch {
            onWarning?(error.message)
        }
    }
}
