"""The record of what happened, and keys and programs that were exchanged (rows A01 to A04, K01 and K02)."""

import base64
import contextlib
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import time

import blake3

import mint
import wire
from team import Fell, meshes, row, wait_until

MERKLE = "Tests/TokensTests/Audit/MerkleTests.swift"


def verdict(mesh, node):
    """What `audit verify` says of the copy of one node."""
    done = mesh.attempt(node, "audit", "verify", "--json")
    if done.returncode not in (0, 1):
        raise Fell(f"audit verify: {done.stderr}")
    return json.loads(done.stdout)


@row(
    "A01",
    "a line of the record altered, dropped, moved or cut off on one node",
    "audit verify names the first bad one",
    suites=[
        (MERKLE, "an entry that was altered, dropped or moved changes the root"),
        ("Tests/Faults/test_audit.py", "test_each_alteration_of_a_copy_is_named_by_its_first_event"),
        ("Tests/Faults/test_own_log.py", "test_who_is_turned_away_is_written_down_and_whoever_alters_it_is_found_out"),
    ],
)
def altered(team):
    with team.own_mesh() as mesh:
        first, _, node = mesh.nodes
        wait_until(lambda: mesh.attempt(first, "audit", "ls").returncode == 0, "the mesh keeps a record", 60)
        for _ in range(8):
            first.command("token", "create", "--uses", "1")
        wait_until(lambda: verdict(mesh, node)["signed_events"] >= 8, "the record is signed", 60)
        database = sqlite3.connect(os.path.join(node.data, "audit.db"), timeout=20)
        with contextlib.closing(database):
            rows = database.execute("SELECT seq, job, leaf, line FROM event ORDER BY seq").fetchall()
            last = len(rows) - 1
            attacks = [
                ("altered", 5, "UPDATE event SET line = CAST(line || ' ' AS BLOB) WHERE seq = 5"),
                ("dropped", 4, "DELETE FROM event WHERE seq = 4"),
                ("cut off", last, f"DELETE FROM event WHERE seq >= {last}"),
                ("emptied", 0, "DELETE FROM event"),
            ]
            for what, bad, statement in attacks:
                with database:
                    database.execute(statement)
                found = verdict(mesh, node)
                team.check(not found["good"], f"a record that was {what} was taken for whole")
                team.check(found["first_bad"] == bad, f"{what} at {bad}: {found['first_bad']} is named")
                team.check(verdict(mesh, first)["good"], "another node's copy is refused")
                with database:
                    database.execute("DELETE FROM event")
                    database.executemany("INSERT INTO event VALUES(?, ?, ?, ?)", rows)
                team.check(verdict(mesh, node)["good"], "whole again, and refused")
    return f"{len(attacks)} attacks on one copy of {len(rows)} lines: the first bad line is named each time; whole again it is good"


@row(
    "A02",
    "forged proofs that something is in the record, or that it only grew",
    "refused",
    suites=[
        (MERKLE, "every entry of every tree can be proven, and nothing else by the same proof"),
        (MERKLE, "every tree can be proven to begin with every earlier one, and with no other"),
    ],
)
def forged(team):
    team.node.command("token", "create", "--uses", "1")
    last = team.node.command_json("audit", "ls", "--tail", "1")["events"][-1]["seq"]
    proof = team.mesh.attempt(team.node, "audit", "proof", f"seq:{last}", "--json")
    team.check(proof.returncode == 0, f"no proof of an entry that is there: {proof.stderr}")
    beyond = team.mesh.attempt(team.node, "audit", "proof", f"seq:{1 << 40}", "--json")
    team.check(beyond.returncode != 0, "a proof of an entry that is not there")
    note = json.loads(proof.stdout)["checkpoint"].split("\n")
    note[2] = base64.b64encode(os.urandom(32)).decode()
    kept = os.path.join(team.folder("notes"), "checkpoint")
    with open(kept, "w", encoding="utf-8") as stream:
        stream.write("\n".join(note))
    done = team.mesh.attempt(team.node, "audit", "verify", "--file", kept)
    team.check(
        done.returncode != 0 and "audit." in done.stderr + done.stdout,
        f"a checkpoint with another root: exit {done.returncode}, {done.stdout}{done.stderr}",
    )
    return "an entry is proven, one that is not there is not; a checkpoint with another root is refused"


@row("A03", "the record flooded with refused requests", "counted, bounded; nothing accepted is lost")
def flooded(team):
    count = 10_000 if team.is_long else 300
    forged_token = mint.mint(mint.Key(), team.outer.name)
    sizes = {node.name: os.path.getsize(os.path.join(node.data, "daemon.log")) for node in team.mesh.nodes}

    def told():
        return sum(event["act"] == "refused" for event in team.node.command_json("audit", "ls")["events"])

    before = told()
    started = time.monotonic()
    for _ in range(count):
        team.refused(team.call(forged_token))
    seconds = time.monotonic() - started
    grown = max(os.path.getsize(os.path.join(node.data, "daemon.log")) - sizes[node.name] for node in team.mesh.nodes)
    # One line a second at most.
    team.check(grown < 400 * (seconds + 2), f"{count} refusals in {seconds:.0f} s wrote {grown} bytes into a log")
    with open(os.path.join(team.node.data, "daemon.log"), encoding="utf-8") as stream:
        team.check("refused a guest" in stream.read(), "the log says nothing of them")
    lines = told() - before
    team.check(lines < count / 4, f"{count} refusals are {lines} lines of the record")
    return f"{count} refusals: {grown} bytes in the log; the record counts them"


@row("A04", "secrets in logs: seeded in tokens, environments and files", "never there")
def canaries(team):
    secret = "canary-" + os.urandom(12).hex()
    folder = team.folder("canary")
    for name in ("job.sh", ".netrc"):
        with open(os.path.join(folder, name), "w", encoding="ascii") as stream:
            stream.write(f"# {secret}\nexit 0\n")
    line = team.issued()
    seed = mint.of_line(line).holder.seed
    done = team.mesh.attempt(team.node, "run", "-e", f"PASSWORD={secret}", "--", "sh", "job.sh", cwd=folder, seconds=60)
    team.check(done.returncode == 0, done.stderr)
    team.call(mint.of_line(line))
    found = team.run_job("-e", f"SHOWN={secret}", "--no-send", "--", "sh", "-c", "echo $SHOWN", name="canary")
    team.check(secret in found.stdout, "the neighbour: what a job writes itself is in its output")
    for node in team.mesh.nodes:
        with open(os.path.join(node.data, "daemon.log"), "rb") as stream:
            text = stream.read()
        for needle in (secret.encode(), line[20:80].encode(), seed, mint.b64(seed).encode(), seed.hex().encode()):
            team.check(needle not in text, f"the log of {node.name} holds a secret")
    events = team.mesh.attempt(team.node, "events").stdout
    team.check(secret not in events and line[20:80] not in events, "events show a secret")
    told = team.node.command("audit", "ls", "--json")
    team.check(secret not in told and line[20:80] not in told, "the record holds a secret")
    return "a password in a job's environment, one in its files and a token are in no daemon's log and no event; a job's own output shows it"


SIGNED_PROGRAM = b"swarmlet/program/1"
PREPARE, CHANGE = 2, 3


def program_word(mesh, key, program, version="0.1.0", seconds=0, **changes):
    """A host's signed word for a program, as its daemon makes it where an administrator asks."""
    word = {1: program, 2: version, 3: False, 4: time.time_ns() + seconds * 10**9, 5: "ana@n2"}
    parts = [mesh.encode(), word[1], word[2].encode(), bytes([word[3]]), struct.pack("<q", word[4]), word[5].encode()]
    word[6] = key.sign(mint.pre_authentication([SIGNED_PROGRAM, *parts]))
    return {**word, **{int(name[1:]): value for name, value in changes.items()}}


def asked_to_run(outer, target, secret, step, program, word=None):
    """What the node answers to a member that wants it to run a program."""
    fields = {2: step, 3: program, **({7: word} if word else {})}

    def answered():
        session = outer.member(target, secret, wire.STREAMS)
        try:
            session.ready()
            session.open(wire.UPGRADE)
            session.send(wire.encoded([45, fields]))
            session.finish()
            return wire.Answer([session.receive()])
        except (wire.Refused, EOFError) as refused:
            if "already" in str(refused):
                return None
            raise
        finally:
            session.close()

    return wait_until(answered, "the session before is gone", 10, every=0.1)


def program_check(mesh, node):
    """What doctor says of the program: (result, detail)."""
    checks = json.loads(mesh.attempt(node, "doctor", "--json").stdout)["checks"]
    return next((check["result"], check["detail"]) for check in checks if check["check"] == "program")


GATE = "Tests/NodeTests/Core/ProgramGateTests.swift"


@row(
    "K01",
    "another program in place of swarmlet: altered, older, unsigned",
    "refused, shown by doctor",
    suites=[
        ("Tests/Faults/test_upgrade.py", "test_a_program_that_cannot_do_its_work_here_changes_nothing"),
        ("Tests/Faults/test_upgrade.py", "test_an_older_program_takes_the_place_of_a_newer_one_only_where_that_is_meant"),
        (GATE, "a worker signs for itself alone, and who was revoked, or never was a member, for nobody"),
        (GATE, "a program that nobody signed, or that was signed for another host, mesh or program, does not"),
        ("Tests/NodeTests/Shell/ProgramFileTests.swift", "a file that is another one than was signed gets no place"),
    ],
)
def exchanged(team):
    with team.own_mesh(nodes=2, voters=1) as mesh:
        node, taken = mesh.nodes
        own = os.path.join(mesh.folder, "swarmlet")
        shutil.copy(team.binary, own)
        node.kill_daemon()
        node.binary = own
        node.start_again()
        mesh.wait_alive(node, 2)
        wait_until(lambda: node.command_json("raft", "ls")["level"] >= 8, "programs have to be signed", 60)
        pid, before = node.daemon_pid(), node.command("version")
        # Files that are no program for this host.
        for what, content in (
            ("none", b"#!/bin/sh\nexit 1\n"),
            ("cut off", open(own, "rb").read(1 << 20)),
            ("empty", b""),
        ):
            path = os.path.join(mesh.folder, "other")
            with open(path, "wb") as stream:
                stream.write(content)
            os.chmod(path, 0o755)
            done = mesh.attempt(node, "upgrade", path, seconds=60)
            team.check(done.returncode != 0, f"a program that is {what} was taken")
        # A member that was taken over: the key of its sessions, and words under keys that are none of its identity.
        outer = wire.Mesh(node)
        name, key = outer.name, mint.Key.of_node(taken)
        secret = outer.noise_secret(taken)
        with open(own, "rb") as stream:
            runs = blake3.blake3(stream.read()).digest()
        evil = blake3.blake3(b"another program").digest()
        taken.kill_daemon()
        lies = [
            ("no word", evil, None, "upgrade.unsigned"),
            ("a word under a key of nobody", evil, program_word(name, mint.Key(), evil), "upgrade.unsigned"),
            ("a word for another program", evil, program_word(name, key, runs), "upgrade.unsigned"),
            ("a word that was changed", evil, program_word(name, key, runs, _1=evil), "upgrade.unsigned"),
            ("a word for another mesh", evil, program_word("k4.pid.other", key, evil), "upgrade.unsigned"),
            ("a word of yesterday", evil, program_word(name, key, evil, seconds=-86_400), "upgrade.stale"),
            ("a word of tomorrow", evil, program_word(name, key, evil, seconds=86_400), "upgrade.stale"),
            ("a word for an older one", evil, program_word(name, key, evil, "0.0.9"), "upgrade.older"),
            ("the flag without the key", evil, program_word(name, key, evil, "0.0.9", _3=True), "upgrade.unsigned"),
        ]
        for what, program, word, code in lies:
            for step in (PREPARE, CHANGE):
                team.refused(asked_to_run(outer, node, secret, step, program, word), code)
        team.check("installed by hand" in program_check(mesh, node)[1], "a lie was kept")
        # The neighbour: what runs is signed by a host of the mesh, and that is seen.
        good = program_word(name, key, runs)
        team.accepted(asked_to_run(outer, node, secret, PREPARE, runs, good), "a good word")
        result, detail = program_check(mesh, node)
        team.check(result == "ok" and "signed for ana@n2" in detail, f"doctor says {result}: {detail}")
        # What was said before that is not heard once more, although it is new enough.
        replayed = program_word(name, key, evil, seconds=-60)
        team.refused(asked_to_run(outer, node, secret, CHANGE, evil, replayed), "upgrade.stale")
        team.check(node.daemon_pid() == pid and node.command("version") == before, "the program changed")
        team.check(mesh.attempt(node, "run", "--no-send", "--", "true", seconds=60).returncode == 0, "no jobs any more")
        # The file itself, by somebody who may write it.
        node.kill_daemon()
        shutil.copy(own, own + ".altered")
        with open(own + ".altered", "ab") as stream:
            stream.write(b"altered")
        os.replace(own + ".altered", own)
        node.start_again()
        wait_until(lambda: program_check(mesh, node)[0] == "warn", "doctor shows the altered program", 30)
    team.part(
        "a program that root puts in place by hand is not refused but shown, as far as it does not lie about itself; whoever "
        "has the key of a voter's identity signs what he likes"
    )
    return (
        f"{2 * len(lies)} words for other programs refused (unsigned, of another key, mesh, program or time, older), and one that "
        "was said before the last; a good word passed; doctor shows who signed, and an altered file"
    )


@row(
    "K02",
    "libsodium without the check of points, or another library in its place",
    "the start refuses",
    suites=[("Tests/TokensTests/KeyTests.swift", "the installed libsodium passes the questions with known answers")],
)
def library(team):
    with open(team.binary, "rb") as stream:
        program = stream.read()
    # The known answer of RFC 8032, test 1: with another one the library seems to sign wrongly.
    known = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    places = program.count(known)
    linked = subprocess.run(["ldd", team.binary], capture_output=True, text=True).stdout
    team.check("sodium" not in linked, f"libsodium could be exchanged: {linked}")
    good = subprocess.run(
        [team.binary, "self-test"], capture_output=True, text=True, timeout=60, env=team.mesh.environment
    )
    team.check(good.returncode == 0, f"the whole one fails its test: {good.stderr}")
    if places == 0:
        team.part(
            "a library that answers wrongly: the known answers lie nowhere in this build's program, where they could be altered"
        )
        return "libsodium is part of the program and cannot be exchanged; its questions with known answers pass"
    folder = os.path.join(team.mesh.folder, "library")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "swarmlet")
    with open(path, "wb") as stream:
        stream.write(program.replace(known, bytes([known[0] ^ 1]) + known[1:]))
    os.chmod(path, 0o755)
    done = subprocess.run(
        [path, "up", "--data-dir", os.path.join(folder, "data"), "--listen", f"127.0.0.1:{meshes.free_port()}"],
        capture_output=True,
        text=True,
        timeout=60,
        env=team.mesh.environment,
    )
    tested = subprocess.run([path, "self-test"], capture_output=True, text=True, timeout=60, env=team.mesh.environment)
    team.check(done.returncode != 0 and tested.returncode != 0, f"it starts: {done.stdout} {tested.stdout}")
    return f"with a library that seems to sign wrongly it does not start ({tested.stderr.strip()[:80]}); libsodium is part of the program"
