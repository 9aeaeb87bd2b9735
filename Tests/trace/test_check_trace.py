"""The trace checker itself: a short election and commit that it must accept, and changes of it that it must refuse."""

import copy
import json
import unittest

import check_trace

CONF = [["1", "2", "3"], []]


def event(name, node, term, vote, commit, role, log, last=1, msg=None):
    made = {
        "name": name, "nid": node, "state": {"term": term, "vote": vote, "commit": commit}, "role": "State" + role,
        "log": log, "conf": CONF, "prop": {"last": last}}
    if msg:
        made["msg"] = msg
    return made


def message(kind, sender, receiver, term, index=0, log_term=0, entries=0, commit=0, reject=False):
    return {
        "type": kind, "term": term, "from": sender, "to": receiver, "entries": entries, "logTerm": log_term,
        "index": index, "commit": commit, "vote": "0", "reject": reject, "rejectHint": 0}


def good():
    ask = message("MsgVote", "1", "2", 2, index=1, log_term=1)
    grant = message("MsgVoteResp", "2", "1", 2)
    append = message("MsgApp", "1", "2", 2, index=1, log_term=1, entries=1, commit=1)
    accept = message("MsgAppResp", "2", "1", 2, index=2)
    own_vote = message("MsgVoteResp", "1", "1", 2)
    own_copy = message("MsgAppResp", "1", "1", 2, index=2)
    return [
        event("InitState", "1", 1, "0", 1, "Follower", 1),
        event("InitState", "2", 1, "0", 1, "Follower", 1),
        event("BecomeCandidate", "1", 2, "1", 1, "Candidate", 1),
        event("SendRequestVoteResponse", "1", 2, "1", 1, "Candidate", 1, msg=own_vote),
        event("SendRequestVoteRequest", "1", 2, "1", 1, "Candidate", 1, msg=ask),
        event("ReceiveRequestVoteResponse", "1", 2, "1", 1, "Candidate", 1, msg=own_vote),
        event("ReceiveRequestVoteRequest", "2", 1, "0", 1, "Follower", 1, msg=ask),
        event("BecomeFollower", "2", 2, "0", 1, "Follower", 1),
        event("SendRequestVoteResponse", "2", 2, "1", 1, "Follower", 1, msg=grant),
        event("ReceiveRequestVoteResponse", "1", 2, "1", 1, "Candidate", 1, msg=grant),
        event("BecomeLeader", "1", 2, "1", 1, "Leader", 1),
        event("Replicate", "1", 2, "1", 1, "Leader", 2, last=2),
        event("SendAppendEntriesRequest", "1", 2, "1", 1, "Leader", 2, last=2, msg=append),
        event("SendAppendEntriesResponse", "1", 2, "1", 1, "Leader", 2, last=2, msg=own_copy),
        event("ReceiveAppendEntriesResponse", "1", 2, "1", 1, "Leader", 2, last=2, msg=own_copy),
        event("ReceiveAppendEntriesRequest", "2", 2, "1", 1, "Follower", 1, msg=append),
        event("SendAppendEntriesResponse", "2", 2, "1", 1, "Follower", 2, last=2, msg=accept),
        event("ReceiveAppendEntriesResponse", "1", 2, "1", 1, "Leader", 2, last=2, msg=accept),
        event("Commit", "1", 2, "1", 2, "Leader", 2, last=2),
    ]


def lines(events):
    return [json.dumps({"tag": "trace", "event": one}) for one in events]


class CheckTrace(unittest.TestCase):
    def refuses(self, rule, events):
        with self.assertRaises(check_trace.Broken) as broken:
            check_trace.check(lines(events))
        self.assertIn(rule, str(broken.exception))

    def test_a_faultless_election_and_commit_pass(self):
        self.assertEqual(check_trace.check(lines(good())), 19)

    def test_a_leader_without_votes_is_refused(self):
        events = good()
        del events[9]
        self.refuses("votes of majorities", events)

    def test_a_vote_for_two_is_refused(self):
        events = good()
        events[15]["state"]["vote"] = "3"
        self.refuses("never changed", events)

    def test_a_term_that_goes_back_is_refused(self):
        events = good() + [event("BecomeFollower", "1", 1, "0", 2, "Follower", 2)]
        self.refuses("term never goes back", events)

    def test_a_second_leader_of_a_term_is_refused(self):
        events = good()[:11]
        other = copy.deepcopy([one for one in events if one["nid"] == "1"])
        text = json.dumps(other).replace('"nid": "1"', '"nid": "3"').replace('"vote": "1"', '"vote": "3"')
        text = text.replace('"from": "1"', '"from": "3"').replace('"to": "1"', '"to": "3"')
        grant = event(
            "SendRequestVoteResponse", "4", 2, "3", 1, "Follower", 1, msg=message("MsgVoteResp", "2", "3", 2))
        grant["msg"]["from"] = "4"
        copied = json.loads(text)
        for one in copied:
            if one["name"] == "ReceiveRequestVoteResponse" and one["msg"]["from"] == "2":
                one["msg"]["from"] = "4"
            one["conf"] = [["3", "4"], []]
        self.refuses("at most one leader", events + copied[:-2] + [grant] + copied[-2:])

    def test_a_commit_without_acknowledgements_is_refused(self):
        events = good()
        del events[17]
        self.refuses("on majorities", events)

    def test_a_leader_counts_its_own_copy_only_once_it_is_durable(self):
        events = good()
        del events[14]
        self.refuses("on majorities", events)

    def test_a_candidate_counts_its_own_vote_only_once_it_is_durable(self):
        events = good()
        del events[5]
        self.refuses("votes of majorities", events)

    def test_a_commit_of_an_older_term_by_counting_is_refused(self):
        events = good()
        events[18]["prop"]["last"] = 1
        self.refuses("own term", events)

    def test_a_message_from_nowhere_is_refused(self):
        events = good()
        del events[12]
        self.refuses("was not sent", events)

    def test_a_later_leader_without_what_was_committed_is_refused(self):
        own = message("MsgVoteResp", "3", "3", 3)
        later = [
            event("BecomeCandidate", "3", 3, "3", 1, "Candidate", 1),
            event("SendRequestVoteResponse", "3", 3, "3", 1, "Candidate", 1, msg=own),
            event("ReceiveRequestVoteResponse", "3", 3, "3", 1, "Candidate", 1, msg=own),
            event("BecomeLeader", "3", 3, "3", 1, "Leader", 1)]
        first = event("InitState", "3", 2, "0", 1, "Follower", 1)
        for one in later:
            one["conf"] = [["3"], []]
        self.refuses("every committed entry", good() + [first] + later)


if __name__ == "__main__":
    unittest.main()
