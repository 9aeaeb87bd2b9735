#!/usr/bin/env python3
"""Reads a trace of Raft cores (NDJSON, `simulate raft --seed S --trace FILE`) and checks what the TLA+ specification of
etcd's Raft demands, from the events alone: it knows nothing of the code that wrote them.

    Tests/trace/check_trace.py FILE...      exit 0: all rules hold; 1: one is broken, with the line; 2: not a trace

Checked: one leader per term; a leader has the votes of a majority of each set of voters; one vote per term, also
across restarts; terms and commit indexes that never go back while a node runs; a candidate begins a term of its own; nothing is
received that was not sent; a leader commits only what majorities have acknowledged in its term, and only entries of its own
term by counting; a later leader's log is never behind what was committed; a log never ends before its commit index.
"""

import collections
import json
import sys

ROLES = {"StateFollower", "StateCandidate", "StateLeader"}


class Broken(Exception):
    pass


class Node:
    def __init__(self):
        self.term = 0
        self.vote = "0"
        self.commit = 0
        self.role = "StateFollower"
        self.votes = set()
        self.acknowledged = {}


def majorities(conf, who):
    """True where `who` holds a majority of every set of voters that is not empty."""
    return all(2 * len(who & set(voters)) > len(voters) for voters in conf if voters)


class Checker:
    def __init__(self):
        self.nodes = collections.defaultdict(Node)
        self.leaders = {}
        self.sent = set()
        # Whom a node is known to have voted for in a term.
        self.given = {}
        # (term of the leader, index) of everything that a leader has committed: the highest per term.
        self.committed = {}
        self.count = 0

    def require(self, holds, rule):
        if not holds:
            raise Broken(rule)

    def event(self, event):
        self.count += 1
        name, node = event["name"], self.nodes[event["nid"]]
        term, vote = event["state"]["term"], event["state"]["vote"]
        commit = event["state"]["commit"]
        self.require(event["role"] in ROLES, "a role has a name of the specification")
        if name == "InitState":
            # What was not on disk is gone, and nobody has heard of it: messages wait for the disk.
            node.term, node.vote, node.commit = term, vote, commit
            node.votes, node.acknowledged = set(), {}
        self.require(term >= node.term, "a term never goes back")
        if term == node.term:
            self.require(node.vote in ("0", vote), "a vote of a term is never changed or taken back")
        else:
            node.votes, node.acknowledged = set(), {}
        self.require(commit >= node.commit, "a commit index never goes back while a node runs")
        self.require(commit <= event["log"], "a log never ends before its commit index")
        handler = getattr(self, name, None)
        if handler:
            handler(event, node)
        elif name.startswith("Send"):
            self.send(event)
        elif name.startswith("Receive"):
            self.receive(event)
        else:
            self.require(
                name in ("InitState", "Ready", "ChangeConf", "ApplyConfChange"), "a step has a name of the specification")
        node.term, node.vote, node.commit, node.role = term, vote, commit, event["role"]

    # Elections

    def BecomeCandidate(self, event, node):
        self.require(event["state"]["term"] == node.term + 1, "a candidate begins the next term")
        self.require(event["state"]["vote"] == event["nid"], "a candidate votes for itself")
        self.require(node.role != "StateLeader", "a leader starts no election")
        node.votes = set()

    def BecomeLeader(self, event, node):
        term = event["state"]["term"]
        self.require(term == node.term and node.role == "StateCandidate", "a leader was the candidate of its term")
        self.require(majorities(event["conf"], node.votes), "a leader has the votes of majorities")
        self.require(self.leaders.setdefault(term, event["nid"]) == event["nid"], "a term has at most one leader")
        for committed_in, index in self.committed.items():
            if committed_in < term:
                self.require(
                    (event["prop"]["last"], event["log"]) >= (committed_in, index),
                    "a leader holds every committed entry")

    def BecomeFollower(self, event, node):
        self.require(event["role"] == "StateFollower", "a follower says that it is one")

    # The log

    def Replicate(self, event, node):
        self.require(event["role"] == "StateLeader", "only a leader appends by itself")
        self.require(self.leaders.get(event["state"]["term"]) == event["nid"], "only a leader appends by itself")

    def Commit(self, event, node):
        term, commit = event["state"]["term"], event["state"]["commit"]
        self.require(event["role"] == "StateLeader", "only a leader commits by counting")
        holders = {peer for peer, index in node.acknowledged.items() if index >= commit}
        self.require(majorities(event["conf"], holders), "what is committed is on majorities")
        self.require(event["prop"]["last"] == term, "only entries of the leader's own term are committed by counting")
        self.committed[term] = max(self.committed.get(term, 0), commit)

    # Messages

    def key(self, message):
        return tuple(sorted(message.items()))

    def send(self, event):
        message = event["msg"]
        self.require(message["from"] == event["nid"], "a node sends in its own name")
        self.require(message["term"] <= event["state"]["term"], "nobody names a term that it has not seen")
        kind, state = message["type"], event["state"]
        if kind == "MsgVote":
            self.require(
                event["role"] == "StateCandidate" and state["vote"] == event["nid"], "a candidate asks for votes")
        if kind == "MsgVoteResp" and not message["reject"]:
            self.require(
                state["vote"] == message["to"] and state["term"] == message["term"], "a vote is noted before it is given")
        if kind == "MsgAppResp" and not message["reject"]:
            self.require(message["index"] <= event["log"], "nobody acknowledges what it does not hold")
        if kind in ("MsgApp", "MsgHeartbeat", "MsgSnap"):
            self.require(self.leaders.get(message["term"]) == event["nid"], "only a leader sends its log")
            self.require(message["commit"] <= state["commit"], "nobody is told of commits that are not there")
        self.sent.add(self.key(message))

    def receive(self, event):
        message, node = event["msg"], self.nodes[event["nid"]]
        self.require(message["to"] == event["nid"], "a message reaches whom it was sent to")
        self.require(self.key(message) in self.sent, "nothing is received that was not sent")
        if message["type"] == "MsgVoteResp" and not message["reject"]:
            vote = self.given.setdefault((message["from"], message["term"]), event["nid"])
            self.require(vote == event["nid"], "a voter names one candidate per term")
        if message["term"] != event["state"]["term"] or message["reject"]:
            return
        if message["type"] == "MsgVoteResp" and event["role"] == "StateCandidate":
            node.votes.add(message["from"])
        if message["type"] == "MsgAppResp" and event["role"] == "StateLeader":
            known = node.acknowledged.get(message["from"], 0)
            node.acknowledged[message["from"]] = max(known, message["index"])


def check(lines):
    """The number of events; raises `Broken` with the line of the first that breaks a rule."""
    checker = Checker()
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        if record.get("tag") != "trace":
            continue
        try:
            checker.event(record["event"])
        except Broken as broken:
            raise Broken(f"line {number}: {broken}: {line.strip()}") from None
    return checker.count


def main(files):
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    for name in files:
        try:
            with open(name, encoding="utf-8") as lines:
                print(f"{name}: {check(lines)} events, all rules hold")
        except Broken as broken:
            print(f"{name}: {broken}")
            return 1
        except (OSError, ValueError, KeyError) as error:
            print(f"{name}: not a trace: {error!r}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
