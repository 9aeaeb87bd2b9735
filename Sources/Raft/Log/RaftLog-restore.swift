import Codec
import Store

/// Reading at start, and the judgement of what can be trusted (Alagappan and others, Protocol-Aware Recovery, FAST 2018).
extension RaftLog {
    /// What is on this disk; nil where nothing ever was. Call it once, before the first `persist`.
    ///
    /// What cannot be trusted is left out and recorded as damage before this returns; the files as they were are kept as
    /// `raft.db.damaged`.
    ///
    /// - Parameters:
    ///   - isExpected: this node had a log here before. Then none at all is damage, too, and not a new beginning.
    ///   - load: builds the state from the snapshot, of which it reads all. What it throws about bytes that are what was
    ///     written is thrown as `snapshotUnreadable`.
    ///   - decided: is given the entries after the snapshot that are known to be committed, in order and some at a time
    ///     while the rest is read. They are trusted, whatever is found after them; there are none where the snapshot
    ///     is broken.
    public func restore<State>(
        isExpected: Bool = false, _ load: (SnapshotReader) throws -> State,
        decided: ([RaftEntry]) -> Void = { _ in }
    ) throws(RaftLogError) -> (restored: RaftRestored, state: State?)? {
        do {
            return try readBack(isExpected: isExpected, load, decided)
        } catch let error as StoreError {
            hasFailed = true
            throw .store(error)
        } catch let error as RaftLogError {
            hasFailed = true
            throw error
        } catch {
            preconditionFailure("an error of another type: \(error)")
        }
    }

    /// As `restore` of a node that has no state machine.
    public func restore(isExpected: Bool = false) throws(RaftLogError) -> RaftRestored? {
        try restore(isExpected: isExpected) { (reader: SnapshotReader) throws in while try reader.next() != nil {} }?
            .restored
    }

    /// The state of the snapshot that the log begins with; none and true where it is not what was written.
    private func readSnapshot<State>(
        _ load: (SnapshotReader) throws -> State
    ) throws -> (snapshot: RaftSnapshot?, state: State?, isBroken: Bool) {
        let (row, isRowBroken) = try statements.readSnapshot()
        guard let row else { return (nil, nil, isRowBroken) }
        do {
            let reader = try SnapshotReader(row, log: directory)
            do {
                let state = try load(reader)
                // What the loader has no use for is checked, too.
                while try reader.next() != nil {}
                return (row, state, false)
            } catch  where reader.isDamaged {
                return (nil, nil, true)
            }
        } catch RaftLogError.snapshotDamaged {
            return (nil, nil, true)
        } catch let error as CodecError {
            throw RaftLogError.snapshotUnreadable(error.message)
        }
    }

    private func readBack<State>(
        isExpected: Bool, _ load: (SnapshotReader) throws -> State, _ decided: ([RaftEntry]) -> Void
    ) throws -> (restored: RaftRestored, state: State?)? {
        var found = RestoredRows()
        var state: State?
        var isUnreadable = wasUnreadable
        do {
            let (snapshot, loaded, isBroken) = try readSnapshot(load)
            state = loaded
            found = try RestoredRows(
                statements, snapshot: snapshot, isSnapshotBroken: isBroken, decided: decided)
        } catch let error as StoreError where error.isDamage {
            state = nil
            isUnreadable = true
        }
        guard isUnreadable || !found.isEmpty || markFile.mark != nil || isExpected else { return nil }
        if found.restored.snapshot == nil { state = nil }
        let damage = describeDamage(found, isUnreadable: isUnreadable)
        let isDamaged = damage != nil
        remark = damage
        if !isDamaged, markFile.mark == nil {
            remark = "\(directory)/raft.mark is missing or is not what was written; raft.db is whole and is trusted"
        }
        var restored = found.restored
        if isDamaged { restored.hardState = hardState(ofDamaged: found) }
        lastIndex = restored.lastLogIndex
        hardState = restored.hardState
        base = (restored.baseIndex, restored.baseTerm)
        chain = found.chain
        sequence = max(found.sequence, markFile.sequence)
        if isDamaged, found.isEmpty {
            // The file is a new one: what was there before has vanished or is aside.
            try database.transaction { () throws(StoreError) in try seal() }
        } else if isDamaged {
            try rebuild(restored, baseChain: found.baseChain)
        } else if found.startsAfterSnapshot {
            try database.checkpoint()
            try database.transaction { () throws(StoreError) in
                try statements.deleteEntries(from: 1)
                try statements.writeBase(index: base.index, term: base.term, chain: chain.head)
                try seal()
            }
        } else {
            // What a failed write left may be in the kernel's memory and not on the disk: what counts from here on is made
            // durable, or this start fails.
            try database.checkpoint()
            let first = try statements.firstRowIndex()
            deletedThrough = min(first == 0 ? base.index : first - 1, base.index)
        }
        // A log that has been cut remembers by itself what it once was, so the mark may follow it.
        try mark()
        try markFile.sync()
        try snapshots.clean(keeping: restored.snapshot)
        return (restored, state)
    }

    /// What is wrong, as a sentence; nil where nothing is.
    private func describeDamage(_ found: RestoredRows, isUnreadable: Bool) -> String? {
        let path = "\(directory)/raft.db"
        if isUnreadable { return "\(path) cannot be read any more; it is kept as raft.db.damaged" }
        if found.isEmpty { return "\(path), which this node has had, is gone" }
        if found.isBroken {
            let last = found.restored.lastLogIndex
            return "\(path) is not what was written after entry \(last); it is kept as raft.db.damaged"
        }
        guard markFile.sequence > found.sequence else { return nil }
        return "\(path) has lost its newest writes: the last is number \(found.sequence), and number "
            + "\(markFile.sequence) was durable; it is kept as raft.db.damaged"
    }

    /// Term and vote as the newer of log and mark has them, and what the log once was.
    private func hardState(ofDamaged found: RestoredRows) -> RaftHardState {
        var state = found.restored.hardState
        var extent = max(found.sealedLastIndex, found.restored.lastIndex, state.damage?.index ?? 0)
        if let mark = markFile.mark, markFile.sequence > found.sequence {
            extent = max(extent, mark.index)
            // Only that it has voted for somebody in this term is known where the log's own word is lost.
            if mark.term >= state.term { (state.term, state.vote) = (mark.term, mark.vote) }
        } else if found.sequence == 0 {
            // Neither says how far the log went: only what a later leader commits tells that it is whole again.
            extent = RaftMark.unknownIndex
        }
        state.damage = RaftMark(index: extent, term: state.term, vote: state.vote)
        return state
    }

    /// Writes what is trusted to a new file, which takes the place of the old one: what SQLite holds on to in a file that
    /// is not in order is nobody's guess.
    private func rebuild(_ restored: RaftRestored, baseChain: EntryChain) throws {
        try writeFresh(restored, baseChain: baseChain)
        database.close()
        try LogDatabase.replace(directory)
        (database, statements) = try LogDatabase.open(directory)
        deletedThrough = base.index
    }

    private func writeFresh(_ restored: RaftRestored, baseChain: EntryChain) throws {
        let fresh = try LogDatabase.makeFresh(directory)
        defer { fresh.close() }
        let rows = try Statements(fresh)
        var chain = baseChain
        let seals = nextStateRow()
        try fresh.transaction { () throws(StoreError) in
            if let snapshot = restored.snapshot { try rows.write(snapshot) }
            if base.index > 0 { try rows.writeBase(index: base.index, term: base.term, chain: baseChain.head) }
            for entry in restored.entries { try rows.append(entry, &chain) }
            try rows.write(seals)
        }
        precondition(chain.head == self.chain.head, "the rows that are trusted are those that have been read")
        try fresh.checkpoint()
    }
}
