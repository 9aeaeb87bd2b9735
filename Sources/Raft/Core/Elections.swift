import Codec

/// Elections: who asks for votes, who gives one, who becomes leader and who stops being it (Raft, section 5.2 and 5.4.1).
extension RaftCore {
    /// A voter may lead; so may a node that a change not known to be committed removes, since only it may hold that change
    /// (openraft#2091). A damaged log never leads.
    var maySeekElection: Bool {
        guard damage == nil else { return false }
        let latest = votingMembership
        if has(.onlyNewestVotersCampaign) { return latest.voters.contains(id) }
        return latest.isVoter(id) || memberships.membership(at: commitIndex).isVoter(id)
    }

    /// The membership whose majorities decide.
    var votingMembership: RaftMembership {
        has(.membershipOnCommit) ? memberships.membership(at: commitIndex) : memberships.latest
    }

    mutating func electionTimer() {
        guard role != .leader, now >= electionDeadline, maySeekElection else { return }
        // Its own vote is promised too.
        if let promisedAt, hasOtherVoters {
            electionDeadline = max(electionDeadline, promisedAt + configuration.electionTimeoutMinimum)
            guard now >= electionDeadline else { return }
        }
        electionDeadline = now + electionTimeout
        // Without a working disk it could not serve.
        guard !isDiskStalled else { return }
        isTransferElection = false
        startElection(has(.skipPreVote) ? .vote : .preVote)
    }

    private var hasOtherVoters: Bool { memberships.latest.isJoint || memberships.latest.voters != [id] }

    var isDiskStalled: Bool {
        guard !has(.stalledLeaderStays), let start = disk.oldestWriteStart else { return false }
        return now.nanoseconds - start > configuration.diskStallLimit.nanoseconds
    }

    mutating func startElection(_ ballot: RaftMessage.Ballot) {
        leader = nil
        leaderHeardAt = nil
        ballots = []
        drawElectionTimeout()
        electionDeadline = now + electionTimeout
        let wasCandidate = role == .candidate
        stand(in: ballot)
        if ballot == .vote { noteCandidacy() } else if wasCandidate { note(.becomeFollower) }
        let request = RaftMessage.VoteRequest(
            term: ballot == .vote ? term : term + 1, ballot: ballot, isTransfer: isTransferElection,
            lastIndex: log.lastIndex, lastTerm: log.lastTerm)
        for member in votingMembership.members where member != id && votingMembership.isVoter(member) {
            send(.voteRequest(request), to: member)
        }
        if ballot == .preVote || has(.voteBeforeDurable) { countBallot(of: id, isGranted: true) }
    }

    mutating func voteRequested(_ request: RaftMessage.VoteRequest, by candidate: NodeID) {
        // Whoever hears a leader protects it from candidates of later terms that do not (thesis, 4.2.3), unless it asked
        // for this itself. One whose term is not later cannot disturb, and learns from the refusal where the mesh is.
        let mayDisturb = request.term > term && (!request.isTransfer || has(.transferMeetsProtection))
        guard !mayDisturb || !hearsLeader else { return }
        noteReceived(.voteRequest(request), from: candidate)
        if has(.voteByOwnMembership) {
            guard membership.voters.contains(candidate), membership.voters.contains(id) else { return }
        }
        if has(.silentOnEarlierPreVote), request.ballot == .preVote, request.term <= term { return }
        if request.ballot == .vote, request.term > term { becomeFollower(term: request.term, leader: nil) }
        // A pre-vote is given where the vote would be.
        let isCurrent = request.ballot == .preVote ? request.term >= term : request.term == term
        let isFree = request.term > term || vote == candidate || (vote == nil && leader == nil)
        let isUpToDate =
            (request.lastTerm, request.lastIndex) >= (log.lastTerm, log.lastIndex) || has(.voteWithoutLogCheck)
        guard isCurrent, isFree, isUpToDate, damage == nil, request.isTransfer || !isPromised else {
            let refusal = RaftMessage.VoteResponse(term: term, ballot: request.ballot, isGranted: false)
            return send(.voteResponse(refusal), to: candidate)
        }
        if request.ballot == .vote {
            vote(for: candidate)
            electionDeadline = now + electionTimeout
        }
        let grant = RaftMessage.VoteResponse(term: request.term, ballot: request.ballot, isGranted: true)
        send(.voteResponse(grant), to: candidate)
    }

    /// True while this node leads, or heard its leader less than the shortest election timeout ago.
    private var hearsLeader: Bool {
        if role == .leader { return true }
        if isPromised { return true }
        guard leader != nil, let leaderHeardAt else { return false }
        return now - leaderHeardAt < configuration.electionTimeoutMinimum
    }

    /// True while this node owes it to a leader that reads from its lease not to help another one into office. A promise
    /// outlives what this node believes about terms.
    private var isPromised: Bool {
        guard let promisedAt else { return false }
        return now - promisedAt < configuration.electionTimeoutMinimum
    }

    mutating func voteAnswered(_ response: RaftMessage.VoteResponse, by voter: NodeID) {
        if response.ballot == .preVote, response.isGranted {
            guard role == .preCandidate, response.term == term + 1 else { return }
            return countBallot(of: voter, isGranted: true)
        }
        if response.term > term { return becomeFollower(term: response.term, leader: nil) }
        guard response.term == term, role == (response.ballot == .vote ? .candidate : .preCandidate) else { return }
        countBallot(of: voter, isGranted: response.isGranted)
    }

    mutating func countBallot(of voter: NodeID, isGranted: Bool) {
        if has(.countVotesTwice) {
            ballots.append((voter, isGranted))
            let granted = ballots.count { $0.isGranted }
            if granted > votingMembership.voters.count / 2 { electionWon() }
            return
        }
        guard !ballots.contains(where: { $0.voter == voter }) else { return }
        ballots.append((voter, isGranted))
        let verdict = Quorum.verdict(in: quorumMembership) { voter in
            ballots.first { $0.voter == voter }?.isGranted
        }
        switch verdict {
        case .won: electionWon()
        case .lost: becomeFollower(term: term, leader: nil)
        case .open: break
        }
    }

    /// `votingMembership` as decisions count it.
    var quorumMembership: RaftMembership {
        let membership = votingMembership
        return has(.jointNeedsNewMajorityOnly) ? RaftMembership(voters: membership.voters) : membership
    }

    private mutating func electionWon() {
        switch role {
        case .preCandidate: startElection(.vote)
        case .candidate: becomeLeader()
        case .leader, .follower: break
        }
    }

    /// The leader asked this node to take over.
    mutating func timeoutNowReceived(from sender: NodeID) {
        guard role == .follower, leader == sender, maySeekElection, !isDiskStalled else { return }
        isTransferElection = true
        startElection(.vote)
    }

    mutating func becomeFollower(term newTerm: UInt64, leader newLeader: NodeID?) {
        let (termBefore, roleBefore) = (term, role)
        stepDown(into: newTerm)
        let isNews = roleBefore == .leader || roleBefore == .candidate || term > termBefore
        if term > termBefore { drawElectionTimeout() }
        if roleBefore != .follower { electionDeadline = now + electionTimeout }
        leader = newLeader
        if isNews { note(.becomeFollower) }
        ballots = []
        isTransferElection = false
        if roleBefore == .leader {
            peers = []
            transfer = nil
            heartbeatDeadline = .distantFuture
            leaderHeardAt = nil
            failReads()
        }
    }

    private mutating func becomeLeader() {
        lead()
        leader = id
        noteLeadership()
        ballots = []
        isTransferElection = false
        uncommittedWeight = 0
        transfer = nil
        reads = ReadQueue()
        peers = []
        trackMembers()
        // Nothing of earlier terms can be committed, and nothing read, before an entry of this term is (Raft, 5.4.2 and 8).
        firstIndexOfTerm = log.lastIndex + 1
        appendOwn(.empty)
        sendHeartbeats(toAll: true)
        heartbeatDeadline = now + configuration.heartbeatInterval
    }
}
