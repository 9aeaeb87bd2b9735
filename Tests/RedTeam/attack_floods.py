"""Exhaustion: connections, nonsense, submissions, bombs, disks (rows D01 to D05)."""

import io
import os
import socket
import time
import unittest

import mint
import wire
from attack_sandbox import run_all
from team import Fell, row, wait_until

IDLE_SECONDS = 10


@row(
    "D01",
    "connections that say nothing, or a byte each second, or a header without end",
    "closed in time, others served",
    suites=[("Tests/Faults/test_admission.py", "test_the_mesh_serves_on_while_fifty_strangers_are_connected")],
)
def slow(team):
    count = 10_000 if team.is_long else 1_000
    port = team.mesh.nodes[1].port
    held = []
    for index in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=10)
        one.setblocking(False)
        held.append(one)
        if index % 3 == 1:
            one.send(wire.MAGIC[:4])
        elif index % 3 == 2:
            one.send(wire.MAGIC + bytes([1, wire.XX, 0]) + b"\x01\xff\x3f")
        if len(held) > 3_000:
            held.pop(0).close()
    started, served, asked = time.monotonic(), 0, 0.0

    def closed():
        nonlocal served, asked
        begun = time.monotonic()
        team.accepted(team.call(team.token(ep=getattr(team, "epoch", 0)), node=team.mesh.nodes[1]), "a guest meanwhile")
        asked = max(asked, time.monotonic() - begun)
        served += 1
        for one in list(held):
            try:
                one.send(b"\x00") if served % 5 == 0 else None
                gone = one.recv(64) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                one.close()
                held.remove(one)
        return not held

    wait_until(closed, "all that say nothing are closed", IDLE_SECONDS + 20, 0.2)
    took = time.monotonic() - started
    if not team.is_long:
        team.part(f"10^4 connections: {count} here, all with --long")
    return (
        f"{count} connections closed after {took:.0f} s; {served} guests served meanwhile, the slowest in {asked:.2f} s"
    )


@row(
    "D02",
    "oversize frames, nested CBOR and JSON, indefinite lengths, wrong types",
    "refused, no crash, memory as before",
    suites=[
        ("Tests/MeshTests/UntrustedBytesTests.swift", "@Test"),
        ("Tests/CodecTests/CBORPropertyTests.swift", "@Test"),
        (
            "Tests/TokensTests/UntrustedBytesTests.swift",
            "random and damaged bytes never stop the readers of keys, proofs and chains",
        ),
    ],
)
def nonsense(team):
    count = 20_000 if team.is_long else 400
    token = team.token(ep=getattr(team, "epoch", 0))
    shapes = [
        b"\x9f" * 4096,
        b"\x81" * 4096,
        b"\xbf" * 512,
        b"\x9b" + b"\xff" * 8,
        b"\x5b\x7f" + b"\xff" * 7,
        b"\xa1" * 2000,
        b"\xc2" * 999,
        b"",
        b"\xf9\x7e\x00",
        b"\xfb" + bytes(8),
        b"\x1b" + b"\xff" * 8,
        wire.encoded([8, {1: {1: 1, 2: 1}, 2: {2: []}}]),
        wire.encoded([8, {1: {1: 1, 2: 1}, 2: {1: "x", 2: ["true"] * 100_000, 4: "x", 16: 0}}]),
        wire.encoded([1 << 60, None]),
        wire.encoded([13, {1: 7}]),
        wire.encoded([8, "text"]),
        wire.encoded({1: 2}),
        b"\xff" * 600_000,
    ]
    refused = 0
    with team.nothing_changes():
        for index in range(count):
            node = team.mesh.nodes[index % 3]
            body = shapes[index] if index < len(shapes) else os.urandom(1 + index % 200)
            kind = wire.GUEST if index % 2 or index < len(shapes) else wire.ADMISSION
            try:
                with team.outer.stranger(node) as session:
                    session.ready()
                    session.open(kind)
                    if kind == wire.GUEST:
                        session.receive()
                        if index % 4 == 1:
                            # In its place: links and proof are good, what is asked is nonsense.
                            proof = token.proof(session.hash, "jobs", body, mint.Key.of_node(node).id, int(time.time()))
                            body = wire.encoded({1: list(token.links), 2: proof, 3: body})
                    session.send(body)
                    answer = wire.Answer([session.receive()]) if kind == wire.GUEST else session.receive()
                    team.check(kind == wire.ADMISSION or answer.code is not None, f"accepted: {answer}")
            except (wire.Refused, TypeError, ValueError):
                pass
            refused += 1
    team.accepted(team.call(token), "an ordinary call")
    if not team.is_long:
        team.part(f"10^6 cases: {count} live ones here, 20,000 with --long, millions by scripts/fuzz")
    return f"{refused} messages of nonsense refused at three nodes; an ordinary call answered"


@row(
    "D03",
    "huge specs, many submissions with one token, jobs of no length",
    "bounded for each token, others are served",
    suites=[("Tests/Faults/test_token_limits.py", "SWARMLET_FLOOD")],
)
def storm(team):
    count = 5_000 if team.is_long else 120
    epoch = getattr(team, "epoch", 0)
    token = team.token(ep=epoch)
    with team.nothing_changes():
        for request in (
            wire.submit(("x" * 300_000,)),
            wire.submit(["x"] * 40_000),
            wire.submit(f9=1_000_000, f18=True),
            wire.submit(f9=1_000),
            wire.submit(f3=[{1: f"v{index}", 2: "x" * 100} for index in range(3_000)]),
        ):
            team.check(team.submit(token, request=request).code is not None, "a spec that is too large was accepted")
    import attack_uses

    slowest = 0.0
    done = []

    def many(_index):
        for _ in range(count // 20):
            done.append(team.submit(token, seconds=90).code)

    import concurrent.futures

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        flood = [pool.submit(many, index) for index in range(20)]
        while not all(one.done() for one in flood):
            asked = time.monotonic()
            team.node.command_json("members")
            slowest = max(slowest, time.monotonic() - asked)
    for one in flood:
        one.result()
    seconds = time.monotonic() - began
    accepted = sum(code is None for code in done)
    refused = sum(code in ("token.rate", "token.calls_open", "token.limit.jobs", "node.busy") for code in done)
    team.check(accepted + refused == len(done), f"refused for another reason: {sorted(set(map(str, done)))}")
    team.check(accepted <= 100 + 20 * (seconds + 1), f"{accepted} of one token were taken in {seconds:.0f} s")
    bounded = team.token(uses=5, ep=epoch)
    codes = [team.submit(bounded).code for _ in range(8)]
    team.check(codes.count(None) == 5, f"a token of 5 uses: {codes}")
    started = time.monotonic()
    beside = team.run_job("--no-send", "--profile", "none", "--", "true", seconds=120)
    team.check(beside.returncode == 0, f"a member's job: {beside.stderr}")
    took = time.monotonic() - started
    for job in attack_uses.jobs_of(team.mesh, team.node, token) + attack_uses.jobs_of(team.mesh, team.node, bounded):
        team.mesh.attempt(team.node, "cancel", str(job))
    if not team.is_long:
        team.part(f"10^5 in the queue: {count} here, 5,000 with --long")
    return (
        f"5 huge specs refused; {accepted} of {len(done)} submissions of one token accepted, {refused} refused as too many; a member was answered within "
        f"{slowest:.2f} s, a member's job took {took:.1f} s; a token of 5 uses started 5"
    )


@row(
    "D04",
    "bombs of processes, memory, threads, descriptors; a full /tmp",
    "killed with its reason, others live on",
    root=True,
)
def bombs(team):
    count = run_all(team, "d04")
    done = team.run_job(
        "--profile",
        "strict",
        "--mem",
        "256M",
        "--cpus",
        "1",
        "--time",
        "5s",
        "--no-send",
        "--",
        "/usr/bin/python3",
        "-c",
        "import threading, time\nwhile True:\n try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        " except RuntimeError: pass",
        seconds=120,
    )
    team.check(done.returncode in (124, 137), f"threads without end: {done.returncode}: {done.stderr}")
    team.check(team.run_job("--no-send", "--", "true").returncode == 0, "no other job runs")
    team.part("pty floods: profile strict has no terminals")
    return f"{count} bombs in both profiles and one of threads (exit {done.returncode}): ended with their reason; the host took other jobs"


@row(
    "D05",
    "a full disk, no inodes, fsync that fails during a commit",
    "nothing accepted is lost, said clearly",
    root=True,
    suites=[
        (
            "Tests/Faults/test_disk.py",
            "test_a_voter_whose_disk_fails_stops_the_mesh_goes_on_and_it_comes_back_when_the_disk_works",
        )
    ],
)
def disks(team):
    import test_disk

    names = [
        "test_a_voter_with_a_full_disk_stops_the_mesh_goes_on_and_it_comes_back_when_there_is_room",
        "test_a_voter_whose_disk_fails_stops_the_mesh_goes_on_and_it_comes_back_when_the_disk_works",
    ]
    suite = unittest.TestSuite()
    for case in vars(test_disk).values():
        if isinstance(case, type) and issubclass(case, unittest.TestCase):
            suite.addTests(case(name) for name in names if hasattr(case, name))
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    for test, trace in [*result.failures, *result.errors]:
        raise Fell(f"{test}: {trace.strip().splitlines()[-1][:300]}")
    for test, why in result.skipped:
        team.part(f"{test.id().rsplit('.', 1)[1]}: {why}")
    team.part("inodes that have run out")
    return f"{result.testsRun - len(result.skipped)} meshes with a full or failing disk: the mesh went on, nothing acknowledged was lost"
