import Codec

// Passing on: rumours when there are any, and comparisons for what they missed.
extension SwimCore {
    /// Sends rumours to a few members when it is time.
    mutating func gossip(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextGossip <= now, !rumours.isEmpty else { return }
        nextGossip = now + SwimConstants.gossipInterval
        for peer in pick(SwimConstants.gossipFanout, where: { !$0.state.isFinal }) {
            guard !rumours.isEmpty else { return }
            send(.gossip, to: peer, into: &effects)
        }
    }

    /// Compares everything with one member when it is time, for what rumours missed.
    mutating func compare(at now: Instant, into effects: inout [SwimEffect]) {
        guard nextSync <= now else { return }
        nextSync = now + SwimConstants.syncInterval * syncScale + delay(upTo: SwimConstants.probeInterval)
        for peer in pick(1, where: { $0.state == .alive }) { compare(with: peer, into: &effects) }
    }

    mutating func compare(
        with peer: NodeID, rounds: UInt8 = SwimConstants.syncRoundsMax, into effects: inout [SwimEffect]
    ) {
        guard !faults.contains(.neverCompares) else { return }
        guard isSigning else {
            let all = table.ids.indices.map(digest)
            return send(.sync(all, buckets: [], rounds: 0), to: peer, over: .stream, into: &effects)
        }
        // Under a new salt nobody can prepare differences that do not show.
        let salt = generator.next()
        send(.compare(salt: salt, hashes(salt), rounds: rounds), to: peer, over: .stream, into: &effects)
    }

    /// 1, and in a large mesh one more for each doubling, so that all comparisons together grow little faster than it.
    var syncScale: Int64 {
        var scale: Int64 = 1
        var size = otherCount
        while size > SwimConstants.syncScaleThreshold {
            scale += 1
            size /= 2
        }
        return scale
    }

    private func digest(_ index: Int) -> SwimMessage.Digest {
        let member = table[index]
        return SwimMessage.Digest(
            subject: table.ids[index], version: member.version, state: member.state,
            hasWord: member.word?.isSigned == isSigning, factsVersion: member.said?.version ?? .unheard)
    }

    /// A hash for each bucket that has members. A suspicion is no difference: it passes.
    private func hashes(_ salt: UInt64) -> [SwimMessage.Bucket] {
        var buckets: [SwimMessage.Bucket] = []
        for index in table.ids.indices {
            let number = table.ids[index].rawValue / SwimConstants.bucketSize
            if buckets.last?.number != number { buckets.append(SwimMessage.Bucket(number: number, hash: 0)) }
            buckets[buckets.count - 1].hash ^= hash(index, salt)
        }
        return buckets
    }

    private func hash(_ index: Int, _ salt: UInt64) -> UInt64 {
        let member = table[index]
        let ending = UInt64(member.state.isFinal ? member.state.rawValue : 0)
        let facts = member.said?.version ?? .unheard
        let state = Self.mixed(Self.mixed(salt, table.ids[index].rawValue), member.version)
        return Self.mixed(Self.mixed(state, ending), facts)
    }

    private static func mixed(_ hash: UInt64, _ version: SwimVersion) -> UInt64 {
        mixed(mixed(hash, version.generation), UInt64(version.renewal) << 32 | UInt64(version.incarnation))
    }

    /// SplitMix64's finisher, over what came before and the part.
    private static func mixed(_ hash: UInt64, _ part: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: hash ^ part)
        return generator.next()
    }

    /// Answers hashes with what is known here where they differ.
    mutating func compared(
        _ theirs: [SwimMessage.Bucket], salt: UInt64, rounds: UInt8, with peer: NodeID,
        into effects: inout [SwimEffect]
    ) {
        guard isSigning else { return }
        let mine = hashes(salt)
        var differing: [UInt64] = []
        var (left, right) = (0, 0)
        while left < mine.count || right < theirs.count {
            if right == theirs.count || left < mine.count && mine[left].number < theirs[right].number {
                differing.append(mine[left].number)
                left += 1
            } else if left == mine.count || theirs[right].number < mine[left].number {
                differing.append(theirs[right].number)
                right += 1
            } else {
                if mine[left].hash != theirs[right].hash { differing.append(mine[left].number) }
                left += 1
                right += 1
            }
        }
        guard !differing.isEmpty else { return }
        // From a random one on, so that what does not fit is not always the same.
        let start = draw(differing.count)
        var wanted: [UInt64] = []
        var byteCount = 0
        for offset in differing.indices {
            let bucket = differing[(start + offset) % differing.count]
            byteCount += indices(of: bucket).count * SwimMessage.Digest.byteCountMax
            guard byteCount <= SwimConstants.syncDigestBytesMax || wanted.isEmpty else { break }
            wanted.append(bucket)
        }
        wanted.sort()
        let isCut = wanted.count < differing.count
        send(
            .sync(digests(wanted), buckets: wanted, rounds: isCut && rounds > 0 ? rounds - 1 : 0), to: peer,
            over: .stream, into: &effects)
    }

    /// Places in the table of the members in a bucket.
    private func indices(of bucket: UInt64) -> Range<Int> {
        let (first, overflows) = bucket.multipliedReportingOverflow(by: SwimConstants.bucketSize)
        guard !overflows else { return 0..<0 }
        let low = table.firstIndex(from: NodeID(first))
        let (end, isLast) = first.addingReportingOverflow(SwimConstants.bucketSize)
        return low..<(isLast ? table.count : table.firstIndex(from: NodeID(end)))
    }

    private func digests(_ buckets: [UInt64]) -> [SwimMessage.Digest] {
        buckets.flatMap { indices(of: $0).map(digest) }
    }

    /// Answers digests with what is newer here; the first of two answers brings the digests of this side.
    mutating func reply(
        to peer: NodeID, newerThan theirs: [SwimMessage.Digest], in buckets: [UInt64], rounds: UInt8, isFirst: Bool,
        into effects: inout [SwimEffect]
    ) {
        let sorted = theirs.sorted { $0.subject < $1.subject }
        let places = buckets.isEmpty ? Array(table.ids.indices) : buckets.flatMap { Array(indices(of: $0)) }
        guard !isSigning || !buckets.isEmpty, places.count <= SwimConstants.digestsMax else { return }
        let kind: SwimMessage.Kind =
            isFirst ? .syncReply(places.map(digest), buckets: buckets, rounds: rounds) : .gossip
        var reply = message(kind, to: peer)
        var bytesLeft = SwimConstants.syncBytesMax
        for index in places where reply.rumours.count < SwimConstants.rumoursMax {
            let their = Self.find(table.ids[index], in: sorted)
            for rumour in news(index, beyond: their) where rumour.byteCount <= bytesLeft {
                bytesLeft -= rumour.byteCount
                reply.rumours.append(rumour)
            }
        }
        if isFirst || !reply.rumours.isEmpty { effects.append(.send(peer, reply, over: .stream)) }
        // What did not fit is compared at once, not at the next time.
        if !isFirst, rounds > 0 { compare(with: peer, rounds: rounds, into: &effects) }
    }

    private static func find(_ subject: NodeID, in digests: [SwimMessage.Digest]) -> SwimMessage.Digest? {
        var low = 0
        var high = digests.count
        while low < high {
            let middle = (low + high) / 2
            if digests[middle].subject < subject { low = middle + 1 } else { high = middle }
        }
        return low < digests.count && digests[low].subject == subject ? digests[low] : nil
    }

    /// What the sender of a digest would learn about this member.
    private func news(_ index: Int, beyond digest: SwimMessage.Digest?) -> [SwimRumour] {
        var news: [SwimRumour] = []
        if !table[index].isUnheard, digest.map({ isStateNews(index, to: $0) }) ?? true, let rumour = stateRumour(index)
        {
            news.append(rumour)
        }
        if let facts = table[index].said, facts.version > digest?.factsVersion ?? .unheard,
            facts.isSigned == isSigning
        {
            news.append(.facts(facts))
        }
        return news
    }

    private func isStateNews(_ index: Int, to digest: SwimMessage.Digest) -> Bool {
        let member = table[index]
        if member.version.life != digest.version.life { return member.version.life > digest.version.life }
        if digest.state.isFinal { return false }
        if member.state.isFinal { return true }
        if member.version != digest.version { return member.version > digest.version }
        if member.state == .suspect { return digest.state == .alive }
        return !digest.hasWord && digest.state == .alive
    }
}
