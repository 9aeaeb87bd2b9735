package main

import (
	"errors"
	"fmt"
	"sort"

	"go.etcd.io/etcd/raft"
	pb "go.etcd.io/etcd/raft/raftpb"
)

// electionTicks is large, so that heartbeats (one tick each) never add up to a check of the quorum by chance.
const electionTicks = 1000

// store is etcd's memory storage with snapshots of the state as it is now, as etcd's server makes them: a new member has
// to find itself in the snapshot that it is sent.
type store struct {
	*raft.MemoryStorage
	node *node
}

func (s store) Snapshot() (pb.Snapshot, error) {
	snapshot, err := s.MemoryStorage.Snapshot()
	if err != nil || s.node.applied <= snapshot.Metadata.Index {
		return snapshot, err
	}
	term, err := s.Term(s.node.applied)
	if err != nil {
		return pb.Snapshot{}, err
	}
	return pb.Snapshot{
		Data:     []byte("state"),
		Metadata: pb.SnapshotMetadata{Index: s.node.applied, Term: term, ConfState: s.node.members},
	}, nil
}

// node is one of etcd's raft nodes with a disk that is done at once.
type node struct {
	id      uint64
	storage store
	raw     *raft.RawNode
	applied uint64
	members pb.ConfState
	reads   map[string]uint64
	out     []pb.Message
}

// newNode makes a node that has nothing, or one of the founders, whose logs begin with the same snapshot.
func newNode(id uint64, voters []uint64) (*node, error) {
	n := &node{id: id, reads: map[string]uint64{}}
	n.storage = store{raft.NewMemoryStorage(), n}
	if len(voters) > 0 {
		n.members = pb.ConfState{Voters: voters}
		snapshot := pb.Snapshot{Metadata: pb.SnapshotMetadata{Index: 1, Term: 1, ConfState: n.members}}
		if err := n.storage.ApplySnapshot(snapshot); err != nil {
			return nil, err
		}
		if err := n.storage.SetHardState(pb.HardState{Term: 1, Commit: 1}); err != nil {
			return nil, err
		}
	}
	return n, n.start()
}

func (n *node) start() error {
	snapshot, err := n.storage.MemoryStorage.Snapshot()
	if err != nil {
		return err
	}
	n.applied = snapshot.Metadata.Index
	n.members = snapshot.Metadata.ConfState
	n.out = nil
	n.raw, err = raft.NewRawNode(&raft.Config{
		ID: n.id, ElectionTick: electionTicks, HeartbeatTick: 1, Storage: n.storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, Logger: quiet{},
	})
	if err != nil {
		return err
	}
	return n.settle()
}

// settle does what the node asks for until it asks for nothing more.
func (n *node) settle() error {
	for n.raw.HasReady() {
		ready := n.raw.Ready()
		if !raft.IsEmptySnap(ready.Snapshot) {
			if err := n.storage.ApplySnapshot(ready.Snapshot); err != nil {
				return err
			}
			n.applied = ready.Snapshot.Metadata.Index
			n.members = ready.Snapshot.Metadata.ConfState
		}
		if err := n.storage.Append(ready.Entries); err != nil {
			return err
		}
		if !raft.IsEmptyHardState(ready.HardState) {
			if err := n.storage.SetHardState(ready.HardState); err != nil {
				return err
			}
		}
		n.out = append(n.out, ready.Messages...)
		for _, entry := range ready.CommittedEntries {
			if err := n.apply(entry); err != nil {
				return err
			}
		}
		for _, read := range ready.ReadStates {
			n.reads[string(read.RequestCtx)] = read.Index
		}
		n.raw.Advance(ready)
	}
	return nil
}

func (n *node) apply(entry pb.Entry) error {
	n.applied = entry.Index
	if entry.Type == pb.EntryNormal {
		return nil
	}
	change, err := membershipChange(entry)
	if err != nil {
		return err
	}
	n.members = *n.raw.ApplyConfChange(change)
	return nil
}

func membershipChange(entry pb.Entry) (pb.ConfChangeI, error) {
	if entry.Type == pb.EntryConfChange {
		var change pb.ConfChange
		return &change, change.Unmarshal(entry.Data)
	}
	var change pb.ConfChangeV2
	return &change, change.Unmarshal(entry.Data)
}

// act does one thing to the node; refused tells that it was not in a state to do it.
func (n *node) act(r *request) (refused bool, err error) {
	switch r.Op {
	case "campaign":
		err = n.raw.Campaign()
	case "beat":
		n.raw.Tick()
	case "expire":
		// Time that the leader was not heard in, short of an election.
		for i := 0; i < electionTicks; i++ {
			n.raw.TickQuiesced()
		}
	case "check":
		for i := 0; i < electionTicks; i++ {
			n.raw.TickQuiesced()
		}
		n.raw.Tick()
	case "propose":
		err = n.raw.Propose([]byte(r.Data))
	case "change":
		err = n.raw.ProposeConfChange(r.change())
	case "transfer":
		n.raw.TransferLeader(r.Target)
	case "read":
		n.raw.ReadIndex([]byte(r.Data))
	case "unreachable":
		n.raw.ReportUnreachable(r.Target)
	case "snapshotSent":
		n.raw.ReportSnapshot(r.Target, raft.SnapshotFinish)
	case "snapshotLost":
		n.raw.ReportSnapshot(r.Target, raft.SnapshotFailure)
	case "compact":
		err = n.compact()
	case "restart":
		return false, n.start()
	default:
		return false, fmt.Errorf("unknown operation %q", r.Op)
	}
	if errors.Is(err, raft.ErrProposalDropped) {
		refused, err = true, nil
	}
	if err != nil {
		return false, err
	}
	return refused, n.settle()
}

func (n *node) compact() error {
	first, err := n.storage.FirstIndex()
	if err != nil || n.applied < first {
		return err
	}
	if _, err := n.storage.CreateSnapshot(n.applied, &n.members, []byte("state")); err != nil {
		return err
	}
	return n.storage.Compact(n.applied)
}

// facts is what a node looks like from outside.
type facts struct {
	ID       uint64     `json:"id"`
	Role     string     `json:"role"`
	Term     uint64     `json:"term"`
	Vote     uint64     `json:"vote"`
	Leader   uint64     `json:"leader"`
	Commit   uint64     `json:"commit"`
	Applied  uint64     `json:"applied"`
	Base     uint64     `json:"base"`
	Log      []logFact  `json:"log"`
	Voters   []uint64   `json:"voters"`
	Outgoing []uint64   `json:"outgoing"`
	Learners []uint64   `json:"learners"`
	Next     []uint64   `json:"nextLearners"`
	Transfer uint64     `json:"transfer"`
	Reads    []readFact `json:"reads"`
}

type logFact struct {
	Term uint64 `json:"term"`
	Kind string `json:"kind"`
	Data string `json:"data"`
}

type readFact struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
}

func (n *node) facts() (facts, error) {
	status := n.raw.Status()
	first, err := n.storage.FirstIndex()
	if err != nil {
		return facts{}, err
	}
	last, err := n.storage.LastIndex()
	if err != nil {
		return facts{}, err
	}
	result := facts{
		ID: n.id, Role: status.RaftState.String(), Term: status.Term, Vote: status.Vote, Leader: status.Lead,
		Commit: status.Commit, Applied: n.applied, Base: first - 1, Log: []logFact{}, Transfer: status.LeadTransferee,
		Voters: keys(status.Config.Voters[0]), Outgoing: keys(status.Config.Voters[1]),
		Learners: keys(status.Config.Learners), Next: keys(status.Config.LearnersNext), Reads: []readFact{},
	}
	if last >= first {
		entries, err := n.storage.Entries(first, last+1, 1<<40)
		if err != nil {
			return facts{}, err
		}
		for _, entry := range entries {
			fact := logFact{Term: entry.Term, Kind: "membership"}
			if entry.Type == pb.EntryNormal {
				fact.Kind, fact.Data = "command", string(entry.Data)
				if len(entry.Data) == 0 {
					fact.Kind = "empty"
				}
			}
			result.Log = append(result.Log, fact)
		}
	}
	for id, index := range n.reads {
		result.Reads = append(result.Reads, readFact{id, index})
	}
	sort.Slice(result.Reads, func(i, j int) bool { return result.Reads[i].ID < result.Reads[j].ID })
	return result, nil
}

func keys(set map[uint64]struct{}) []uint64 {
	list := []uint64{}
	for id := range set {
		list = append(list, id)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}

// quiet keeps etcd's raft from logging; a broken invariant of its still panics.
type quiet struct{}

func (quiet) Debug(v ...interface{})                   {}
func (quiet) Debugf(format string, v ...interface{})   {}
func (quiet) Error(v ...interface{})                   {}
func (quiet) Errorf(format string, v ...interface{})   {}
func (quiet) Info(v ...interface{})                    {}
func (quiet) Infof(format string, v ...interface{})    {}
func (quiet) Warning(v ...interface{})                 {}
func (quiet) Warningf(format string, v ...interface{}) {}
func (quiet) Fatal(v ...interface{})                   { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(format string, v ...interface{})   { panic(fmt.Sprintf(format, v...)) }
func (quiet) Panic(v ...interface{})                   { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(format string, v ...interface{})   { panic(fmt.Sprintf(format, v...)) }
