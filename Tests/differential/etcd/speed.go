package main

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/raft"
	pb "go.etcd.io/etcd/raft/raftpb"
)

// trio is three raft nodes in one thread, with a network and disks that cost nothing.
type trio struct {
	storage [3]*raft.MemoryStorage
	nodes   [3]*raft.RawNode
	applied [3]uint64
	inbox   []pb.Message
	spare   []pb.Message
}

func newTrio() *trio {
	t := &trio{}
	for i := range t.nodes {
		t.storage[i] = raft.NewMemoryStorage()
		snapshot := pb.Snapshot{
			Metadata: pb.SnapshotMetadata{Index: 1, Term: 1, ConfState: pb.ConfState{Voters: []uint64{1, 2, 3}}},
		}
		must(t.storage[i].ApplySnapshot(snapshot))
		must(t.storage[i].SetHardState(pb.HardState{Term: 1, Commit: 1}))
		node, err := raft.NewRawNode(&raft.Config{
			ID: uint64(i + 1), ElectionTick: 10, HeartbeatTick: 1, Storage: t.storage[i], MaxSizePerMsg: 1 << 20,
			MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true, Logger: quiet{},
		})
		must(err)
		t.nodes[i] = node
	}
	must(t.nodes[0].Campaign())
	t.settle()
	return t
}

// turn does what one node asks for.
func (t *trio) turn(i int) bool {
	node := t.nodes[i]
	if !node.HasReady() {
		return false
	}
	ready := node.Ready()
	must(t.storage[i].Append(ready.Entries))
	if !raft.IsEmptyHardState(ready.HardState) {
		must(t.storage[i].SetHardState(ready.HardState))
	}
	t.inbox = append(t.inbox, ready.Messages...)
	if count := len(ready.CommittedEntries); count > 0 {
		t.applied[i] = ready.CommittedEntries[count-1].Index
	}
	node.Advance(ready)
	return true
}

func (t *trio) settle() {
	for {
		busy := false
		for i := range t.nodes {
			for t.turn(i) {
				busy = true
			}
		}
		if len(t.inbox) == 0 && !busy {
			return
		}
		round := t.inbox
		t.inbox = t.spare[:0]
		for _, message := range round {
			must(t.nodes[message.To-1].Step(message))
		}
		t.spare = round
	}
}

func (t *trio) commitsPerSecond(batch int, duration time.Duration) float64 {
	entry := make([]byte, 64)
	first := t.applied[0]
	start := time.Now()
	for turns := 1; turns%64 != 0 || time.Since(start) < duration; turns++ {
		for i := 0; i < batch; i++ {
			must(t.nodes[0].Propose(entry))
		}
		t.settle()
		if applied := t.applied[0]; turns%1024 == 0 || batch > 1 && turns%64 == 0 {
			for i, storage := range t.storage {
				if t.applied[i] != applied {
					panic("a follower lags behind")
				}
				_, err := storage.CreateSnapshot(applied, nil, nil)
				must(err)
				must(storage.Compact(applied))
			}
		}
	}
	return float64(t.applied[0]-first) / time.Since(start).Seconds()
}

// measure prints commits per second of etcd's raft core, as scripts/bench wants them.
func measure() {
	for _, batch := range []int{1, 64, 1024} {
		value := newTrio().commitsPerSecond(batch, 2*time.Second)
		fmt.Printf("{\"name\":\"raft-core.batch%d\",\"value\":%.0f,\"unit\":\"per s\",\"runs\":1}\n", batch, value)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
