"""The benchmark of tokens of scripts/bench: how many a core issues and verifies in a second, beside what others do."""

import json
import os

import mesh as meshes
from mesh import MeshError
from raft_bench import load_program, middle, output, scratch

SECONDS = "2"


def bench_tokens(report, _binary, runs):
    """In memory, per second of processor time of one thread; others verify one signature, ours that of the proof, too."""
    program = load_program()
    python = os.path.join(scratch(), "interop", "bin", "python")
    if not os.access(python, os.X_OK):
        raise MeshError("nothing to compare with: scripts/setup --interop")
    peers = os.path.join(meshes.ROOT, "scripts", "lib", "token_peers.py")
    ours, theirs = [], []
    for _ in range(runs or 3):
        ours.append(json.loads(output(program, "tokens", SECONDS)))
        theirs.append(json.loads(output(python, peers, SECONDS)))
    for name, peer_name in (("issue", "issue"), ("cold", "verify"), ("cold_three_links", None), ("warm", None)):
        values = sorted(run[name] for run in ours)
        peer = "pyseto" if peer_name and all("pyseto" in run for run in theirs) else None
        report.add(f"tokens.{name}", middle(values), "per s", len(values), [values[0], values[-1]], peer,
                   middle([run[peer][peer_name] for run in theirs]) if peer else None, higher_is_better=True)
    for name in ("issue", "verify"):
        if all("biscuit" in run for run in theirs):
            report.add(f"tokens.biscuit.{name}", middle([run["biscuit"][name] for run in theirs]), "per s", len(theirs))
