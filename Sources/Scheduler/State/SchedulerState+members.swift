import Codec

/// Who belongs to the mesh: founding, admission, departure.
extension SchedulerState {
    mutating func found(
        _ meshName: String, _ meshKeyID: String, _ meshKey: Bytes, _ node: NodeRecord, _ events: inout [StateEvent]
    ) throws(SchedulerError) -> Answer {
        guard self.meshName.isEmpty else {
            if self.meshKey == meshKey, let founder = member(identityKey: node.identityKey) {
                return .node(founder.id, name: founder.name)
            }
            throw .alreadyFounded(mesh: self.meshName)
        }
        guard !meshName.isEmpty, meshName.count <= SchedulerLimits.nameMax else {
            throw .badNode("the name of the mesh has \(meshName.count) characters")
        }
        let node = try checked(node)
        self.meshName = meshName
        self.meshKeyID = meshKeyID
        self.meshKey = meshKey
        events.append(.meshFounded)
        return add(node, &events)
    }

    mutating func admit(
        _ node: NodeRecord, _ invitation: InvitationUse?, _ events: inout [StateEvent]
    ) throws(SchedulerError) -> Answer {
        guard !meshName.isEmpty else { throw .notFounded }
        let node = try checked(node)
        try checkLevels(node)
        if let member = member(identityKey: node.identityKey) { return refresh(member.id, with: node, &events) }
        guard nodeRows.count < SchedulerLimits.nodesMax else { throw .tooManyNodes }
        guard let invitation else { return add(node, &events) }
        var record = try spendable(invitation)
        let answer = add(node, &events)
        if case .node(let id, let name) = answer {
            record.admitted.append(InvitationAdmission(node: id, name: name, at: time))
            events.append(.invitationUsed(jti: invitation.jti, id))
        }
        invitationRows.set(invitation.jti, record)
        return answer
    }

    /// The record of an invitation that has a use left.
    private mutating func spendable(_ invitation: InvitationUse) throws(SchedulerError) -> InvitationRecord {
        let record =
            invitationRows[invitation.jti]
            ?? InvitationRecord(
                jti: invitation.jti, uses: invitation.uses, expires: invitation.expires, issuer: invitation.issuer,
                admitted: [])
        let short = String(invitation.jti.prefix(4))
        // Before its uses: some of them may be forgotten.
        guard invitation.epoch >= invitationEpoch else { throw .invitationBeforeRecovery(invitation: short) }
        guard record.admitted.count < Int(record.uses) else {
            let admitted = record.admitted.map { "\($0.name) at \(Wording.clock($0.at, seenAt: time))" }
            throw .tokenUsed(
                invitation: short,
                admitted: admitted.isEmpty ? "it allows no use" : admitted.joined(separator: ", ") + " UTC")
        }
        guard time <= invitation.expires else {
            throw .tokenExpired(invitation: short, at: Wording.clock(invitation.expires, seenAt: time) + " UTC")
        }
        forgetOldInvitations()
        guard invitationRows.count < SchedulerLimits.invitationsMax || invitationRows.contains(invitation.jti) else {
            throw .tooManyInvitations
        }
        return record
    }

    private mutating func forgetOldInvitations() {
        let old = invitationRows.filter { $0.row.expires < time - SchedulerLimits.invitationNanoseconds }.map(\.key)
        for jti in old { invitationRows.remove(jti) }
    }

    mutating func knock(_ knock: Knock, _ events: inout [StateEvent]) throws(SchedulerError) -> Answer {
        guard !meshName.isEmpty else { throw .notFounded }
        let node = try checked(NodeRecord(knock))
        try checkLevels(node)
        if let member = member(identityKey: node.identityKey) { return .node(member.id, name: member.name) }
        forgetOldKnocks()
        var knock = knock
        knock.knockedAt = time
        if let index = knocks.firstIndex(where: { $0.identityKey == knock.identityKey }) {
            knocks.remove(at: index)
        } else if knocks.count >= SchedulerLimits.knocksMax {
            throw .tooManyWaiting
        }
        knocks.append(knock)
        events.append(.knocked(shortID: knock.shortID))
        return .ok
    }

    mutating func approve(_ who: String, _ events: inout [StateEvent]) throws(SchedulerError) -> Answer {
        forgetOldKnocks()
        var matches = knocks.filter { $0.shortID == who }
        if matches.isEmpty { matches = knocks.filter { $0.name == who } }
        guard let knock = matches.first else { throw .nobodyWaits(who) }
        guard matches.count == 1 else { throw .ambiguous(name: who, shortIDs: matches.map(\.shortID)) }
        guard nodeRows.count < SchedulerLimits.nodesMax else { throw .tooManyNodes }
        let node = try checked(NodeRecord(knock))
        knocks.removeAll { $0.identityKey == knock.identityKey }
        return add(node, &events)
    }

    mutating func forgetOldKnocks() {
        while let first = knocks.first, first.knockedAt < time - SchedulerLimits.knockNanoseconds {
            knocks.removeFirst()
        }
    }

    mutating func updateNode(
        _ id: NodeID, _ addresses: [String], _ capacity: Capacity, _ version: String, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        var node = nodeRows[position].record
        node.addresses = addresses
        node.capacity = capacity
        node.version = version
        nodeRows[position].record = try checked(node)
        events.append(.nodeChanged(id))
    }

    mutating func standDown(
        _ id: NodeID, _ isDown: Bool, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.standsDown != isDown else { return }
        nodeRows[position].record.standsDown = isDown
        events.append(.nodeChanged(id))
    }

    mutating func absent(
        _ id: NodeID, _ absence: Absence, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        // One that is lost has been replaced: it is to come back first.
        guard nodeRows[position].record.presence == .present else { return }
        nodeRows[position].record.absence = Absence(
            id: absence.id, nanoseconds: min(max(0, absence.nanoseconds), SchedulerLimits.absenceMax), since: time)
        events.append(.nodeChanged(id))
    }

    mutating func back(_ id: NodeID, _ absence: UInt64, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.absence?.id == absence else { return }
        nodeRows[position].record.absence = nil
        events.append(.nodeChanged(id))
    }

    mutating func label(
        _ id: NodeID, set labels: [Label], removed names: [String], _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        var node = nodeRows[position].record
        node.labels.removeAll { label in names.contains(label.name) || labels.contains { $0.name == label.name } }
        node.labels = (node.labels + labels).sorted()
        guard node.labels.count <= SchedulerLimits.factsMax else {
            throw .badLabels("it would have \(node.labels.count) labels, and may have \(SchedulerLimits.factsMax)")
        }
        for label in labels where label.name.isEmpty || label.name.utf8.count + label.value.utf8.count > 256 {
            throw .badLabels("the name is missing, or it is longer than 256 bytes with its value")
        }
        guard node.labels != nodeRows[position].record.labels else { return }
        nodeRows[position].record = node
        events.append(.nodeChanged(id))
    }

    mutating func drain(
        _ id: NodeID, _ order: DrainOrder?, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.drain != nil || order != nil else { return }
        nodeRows[position].record.drain = order.map {
            DrainOrder(
                kind: $0.kind, since: time, patience: $0.patience, by: $0.by,
                reason: String($0.reason.prefix(SchedulerLimits.drainReasonMax)))
        }
        events.append(.nodeChanged(id))
    }

    /// Everybody cuts it off when this is applied. What it ran is given up when its lease must have run out there, as of
    /// any node that is silent; then it is removed.
    mutating func revoke(_ id: NodeID, by person: String, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        guard nodeRows[position].record.revocation == nil else { return }
        nodeRows[position].record.revocation = Revocation(at: time, by: person)
        revokedKeys.set(nodeRows[position].record.identityKey, id)
        revokedSessionKeys.set(nodeRows[position].record.noiseKey, id)
        events.append(.nodeChanged(id))
    }

    mutating func removeNode(_ id: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        let position = try memberPosition(id)
        let record = nodeRows[position].record
        nodeRows[position].record.presence = .left
        nodeRows[position].record.absence = nil
        memberNames.remove(record.name)
        memberKeys.remove(record.identityKey)
        lostNodes.remove(id)
        sweep(id)
        // What was revoked is remembered for ever.
        if record.revocation == nil { departedOrder.append(id) }
        forgetOldDeparted()
        events.append(.nodeRemoved(id))
    }

    /// The oldest departed node goes once nothing refers to it any more.
    mutating func forgetOldDeparted() {
        while departedOrder.count > SchedulerLimits.departedMax, let first = departedOrder.first,
            !sweeps.contains(first)
        {
            if let record = nodeRows[first]?.record { forgetKeys(of: record) }
            nodeRows.remove(first)
            departedOrder.removeFirst()
        }
    }

    func memberPosition(_ id: NodeID) throws(SchedulerError) -> RowPosition {
        guard let position = nodeRows.find(id), nodeRows[position].record.presence != .left else {
            throw .nodeNotFound("\(id)")
        }
        return position
    }

    /// A known key comes again: a joiner that missed our answer, or a daemon that joined the mesh it is in.
    private mutating func refresh(_ id: NodeID, with node: NodeRecord, _ events: inout [StateEvent]) -> Answer {
        guard let position = nodeRows.find(id) else { return .ok }
        nodeRows[position].record.noiseKey = node.noiseKey
        nodeRows[position].record.addresses = node.addresses
        nodeRows[position].record.capacity = node.capacity
        nodeRows[position].record.version = node.version
        nodeRows[position].record.levels = node.levels
        events.append(.nodeChanged(id))
        return .node(id, name: nodeRows[position].record.name)
    }

    private mutating func add(_ node: NodeRecord, _ events: inout [StateEvent]) -> Answer {
        var node = node
        node.id = NodeID(nextNode)
        nextNode += 1
        node.name = freeName(like: node.name)
        node.admittedAt = time
        node.presence = .present
        nodeRows.set(node.id, NodeRow(record: node))
        memberNames.set(node.name, node.id)
        memberKeys.set(node.identityKey, node.id)
        knocks.removeAll { $0.identityKey == node.identityKey }
        events.append(.nodeChanged(node.id))
        return .node(node.id, name: node.name)
    }

    private func freeName(like name: String) -> String {
        var candidate = name
        var number = 2
        while memberNames.contains(candidate) {
            candidate = "\(name)-\(number)"
            number += 1
        }
        return candidate
    }

    /// The record with its lists in order, or why it cannot be right.
    private func checked(_ node: NodeRecord) throws(SchedulerError) -> NodeRecord {
        guard !node.name.isEmpty, node.name.count <= SchedulerLimits.nameMax else {
            throw .badNode("its name has \(node.name.count) characters")
        }
        if let id = revokedKeys[node.identityKey], let owner = self.node(id) {
            guard let revoked = owner.revocation else { throw .keyReplaced(name: owner.name) }
            throw .revoked(name: owner.name, at: Wording.clock(revoked.at, seenAt: time) + " UTC")
        }
        // Whoever has it has that host, or what was taken from it, whatever else he calls himself.
        if level >= Self.sessionKeysLevel, let id = revokedSessionKeys[node.noiseKey], let owner = self.node(id),
            let revoked = owner.revocation, owner.identityKey != node.identityKey
        {
            throw .revoked(name: owner.name, at: Wording.clock(revoked.at, seenAt: time) + " UTC")
        }
        guard node.identityKey.count == 32, node.noiseKey.count == 32 else {
            throw .badNode("its keys are not 32 bytes")
        }
        let longest = max(node.labels.count, node.addresses.count, node.capacity.gpus.count)
        guard longest <= SchedulerLimits.factsMax else {
            throw .badNode("it names \(longest) labels, addresses or GPUs")
        }
        // Far above every machine, far below where sums of them would overflow.
        guard node.capacity.cpuMillis <= 1 << 40, node.capacity.memoryBytes <= 1 << 56 else {
            throw .badNode("it claims more CPUs or memory than a machine can have")
        }
        for gpu in node.capacity.gpus where gpu.links.count > GPU.linksMax {
            throw .badNode("its GPU \(gpu.index) has \(gpu.links.count) links")
        }
        var node = node
        node.labels.sort()
        node.capacity.closed = node.capacity.closed.map { String($0.prefix(SchedulerLimits.drainReasonMax)) }
        node.capacity.gpus.sort { $0.index < $1.index }
        for (first, second) in zip(node.capacity.gpus, node.capacity.gpus.dropFirst()) where first.index == second.index
        {
            throw .badNode("two of its GPUs have the number \(first.index)")
        }
        return node
    }
}

extension NodeRecord {
    init(_ knock: Knock) {
        self.init(
            name: knock.name, identityKey: knock.identityKey, noiseKey: knock.noiseKey, role: knock.role,
            labels: knock.labels, addresses: knock.addresses, capacity: knock.capacity, version: knock.version,
            levels: knock.levels)
    }
}
