"""The Raft benchmarks of scripts/bench: the core alone beside etcd's raft core, in the same run."""

import json
import os
import subprocess

import mesh as meshes
from mesh import MeshError

ETCD_CORE = "etcd raft 3.4 core"


def script(*words):
    """What a script of this repository prints; its progress goes to stderr."""
    done = subprocess.run([os.path.join(meshes.ROOT, "scripts", words[0]), *words[1:]], cwd=meshes.ROOT,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise MeshError(f"scripts/{' '.join(words)} exited {done.returncode}")
    return done.stdout


def etcd_core_program():
    """The Go program around etcd's raft, built if need be; None where Go is not installed."""
    return script("differential", "--build").strip() or None


def speeds(text):
    return {line["name"]: line["value"] for line in map(json.loads, text.splitlines())}


def bench_raft_core(report, _binary, runs):
    """Three cores in one thread with a network and disks that cost nothing, 64-byte entries; ours and etcd's in turn."""
    program = etcd_core_program()
    ours, theirs = [], []
    for _ in range(runs or 3):
        ours.append(speeds(script("simulate", "--speed")))
        if program:
            theirs.append(speeds(subprocess.run([program, "--speed"], stdout=subprocess.PIPE, text=True,
                                                check=True).stdout))
    for name in ours[0]:
        values = sorted(run[name] for run in ours)
        peers = sorted(run[name] for run in theirs)
        report.add(name, values[len(values) // 2], "per s", len(values), [values[0], values[-1]],
                   ETCD_CORE if peers else None, peers[len(peers) // 2] if peers else None, higher_is_better=True)
