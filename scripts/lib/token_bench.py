"""The benchmark of tokens of scripts/bench: how many a core issues and verifies in a second, beside what others do; and what
three real daemons make of them."""

import json
import os

import mesh as meshes
import soak_tokens
from mesh import Mesh, MeshError
from raft_bench import load_program, middle, output, scratch

SECONDS = "2"
MESH_SECONDS = "5"
# Enough that no bound of one issuer is what is measured.
ISSUERS = 32
CLIENTS = "16"
WITHDRAWALS = "10"


def bench_tokens(report, binary, runs):
    bench_in_memory(report, runs)
    bench_mesh(report, binary, runs)


def bench_mesh(report, binary, runs):
    """Three voters with real disks: tokens of one use, each on a session of its own; issuing; how long a withdrawal takes."""
    program = load_program()
    with Mesh(binary, "tokens", gpus=0) as mesh:
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        seeds, path = soak_tokens.issuers(mesh, program, ISSUERS), soak_tokens.model(mesh)
        soak_tokens.rest(mesh)
        socket = os.path.join(mesh.nodes[0].data, "socket")
        consumed, issued, asked, streams = [], [], [], []
        for _ in range(runs or 3):
            consumed.append(json.loads(output(program, "consume", seeds, path, CLIENTS, MESH_SECONDS)))
            issued.append(json.loads(output(program, "issue", socket, CLIENTS, MESH_SECONDS)))
            withdrawn = json.loads(output(program, "withdraw", socket, seeds, path, WITHDRAWALS))
            asked += withdrawn["asked_ms"]
            streams += withdrawn["stream_ms"]
    for name, results in (("consume", consumed), ("issue_in_mesh", issued)):
        for part, key, unit, better in (("", "per_second", "per s", True), (".p50", "p50_ms", "ms", False),
                                        (".p99", "p99_ms", "ms", False)):
            values = sorted(run[key] for run in results)
            report.add(f"tokens.{name}{part}", middle(values), unit, len(values), [values[0], values[-1]],
                       higher_is_better=better)
    for name, values in (("revoke_delay", asked), ("revoke_stream", streams)):
        values = sorted(value / 1000 for value in values)
        report.add(f"tokens.{name}.median", middle(values), "s", len(values), [values[0], values[-1]])
        report.add(f"tokens.{name}.max", values[-1], "s", len(values), [values[0], values[-1]])


def bench_in_memory(report, runs):
    """In memory, per second of processor time of one thread. Beside what libsodium alone takes for the signatures and keys
    in it, which is what it could be at best, and beside others, which verify one signature and no proof."""
    program = load_program()
    python = os.path.join(scratch(), "interop", "bin", "python")
    if not os.access(python, os.X_OK):
        raise MeshError("nothing to compare with: scripts/setup --interop")
    peers = os.path.join(meshes.ROOT, "scripts", "lib", "token_peers.py")
    ours, theirs = [], []
    for _ in range(runs or 3):
        ours.append(json.loads(output(program, "tokens", SECONDS)))
        theirs.append(json.loads(output(python, peers, SECONDS)))
    seconds = {part: 1 / middle([run[part] for run in ours]) for part in ("sign", "signature", "point")}
    # A link is a signature and the key of its holder, the proof another signature.
    cost = {"issue": seconds["sign"], "warm": seconds["signature"]}
    for name, links in (("cold", 1), ("cold_three_links", 3)):
        cost[name] = (links + 1) * seconds["signature"] + links * seconds["point"]
    for name in ("issue", "cold", "cold_three_links", "warm"):
        values = sorted(run[name] for run in ours)
        peers = [("libsodium's part alone", 1 / cost[name])]
        peer_name = {"issue": "issue", "cold": "verify"}.get(name)
        if peer_name and all("pyseto" in run for run in theirs):
            peers.append(("pyseto", middle([run["pyseto"][peer_name] for run in theirs])))
        for peer, peer_value in peers:
            report.add(f"tokens.{name}", middle(values), "per s", len(values), [values[0], values[-1]], peer, peer_value,
                       higher_is_better=True)
    for name in ("issue", "verify"):
        if all("biscuit" in run for run in theirs):
            report.add(f"tokens.biscuit.{name}", middle([run["biscuit"][name] for run in theirs]), "per s", len(theirs))
