// Command etcd-raft holds nodes of etcd's raft and does with them what lines of JSON on its input say, so that Swarmlet's
// core can be compared with an implementation that nobody of the project wrote. Every request is answered by one line.
//
//	{"op":"reset"}                                        forgets all nodes
//	{"op":"start","id":1,"voters":[1,2,3]}                a founder; without voters, a node that has nothing
//	{"op":"campaign","id":1} ...                          see node.act
//	{"op":"deliver","message":{...}}                      a message reaches its receiver
//	{"op":"facts","id":1}                                 what the node looks like
//
// `etcd-raft --speed` measures commits per second instead; see speed.go.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"go.etcd.io/etcd/raft"
	pb "go.etcd.io/etcd/raft/raftpb"
)

type request struct {
	Op      string     `json:"op"`
	ID      uint64     `json:"id"`
	Target  uint64     `json:"target"`
	Data    string     `json:"data"`
	Voters  []uint64   `json:"voters"`
	Message pb.Message `json:"message"`
	// Of a change: what is added as a voter, what as a learner, what is removed; joint where voters change.
	AddVoters   []uint64 `json:"addVoters"`
	AddLearners []uint64 `json:"addLearners"`
	Remove      []uint64 `json:"remove"`
	Joint       bool     `json:"joint"`
}

func (r *request) change() pb.ConfChangeV2 {
	var change pb.ConfChangeV2
	if r.Joint {
		change.Transition = pb.ConfChangeTransitionJointImplicit
	}
	add := func(kind pb.ConfChangeType, ids []uint64) {
		for _, id := range ids {
			change.Changes = append(change.Changes, pb.ConfChangeSingle{Type: kind, NodeID: id})
		}
	}
	add(pb.ConfChangeAddNode, r.AddVoters)
	add(pb.ConfChangeAddLearnerNode, r.AddLearners)
	add(pb.ConfChangeRemoveNode, r.Remove)
	return change
}

type reply struct {
	Messages []pb.Message `json:"messages"`
	Refused  bool         `json:"refused"`
	Facts    *facts       `json:"facts,omitempty"`
	Error    string       `json:"error,omitempty"`
}

type world map[uint64]*node

func (w world) do(r *request) (reply, error) {
	switch r.Op {
	case "reset":
		for id := range w {
			delete(w, id)
		}
		return reply{}, nil
	case "start":
		n, err := newNode(r.ID, r.Voters)
		w[r.ID] = n
		return reply{}, err
	case "stop":
		delete(w, r.ID)
		return reply{}, nil
	}
	id := r.ID
	if r.Op == "deliver" {
		id = r.Message.To
	}
	n := w[id]
	if n == nil {
		return reply{}, fmt.Errorf("no node %d", id)
	}
	switch r.Op {
	case "facts":
		facts, err := n.facts()
		return reply{Facts: &facts}, err
	case "deliver":
		// An answer from a node that is no member any more is none of the receiver's business.
		if err := n.raw.Step(r.Message); err != nil && err != raft.ErrStepPeerNotFound && err != raft.ErrProposalDropped {
			return reply{}, err
		}
		if err := n.settle(); err != nil {
			return reply{}, err
		}
	default:
		refused, err := n.act(r)
		if err != nil {
			return reply{}, err
		}
		answer := reply{Refused: refused, Messages: n.out}
		n.out = nil
		return answer, nil
	}
	answer := reply{Messages: n.out}
	n.out = nil
	return answer, nil
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--speed" {
		measure()
		return
	}
	w := world{}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<26)
	output := bufio.NewWriter(os.Stdout)
	for input.Scan() {
		var r request
		var answer reply
		err := json.Unmarshal(input.Bytes(), &r)
		if err == nil {
			answer, err = w.do(&r)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if answer.Messages == nil {
			answer.Messages = []pb.Message{}
		}
		line, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		output.Write(line)
		output.WriteByte('\n')
		if err := output.Flush(); err != nil {
			return
		}
	}
}
