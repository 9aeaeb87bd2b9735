"""The Raft benchmarks of scripts/bench, each beside etcd in the same run: the core alone, and three daemons with disks."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import etcd as etcds
import mesh as meshes
import processes
from mesh import Mesh, MeshError, wait_until

ETCD_CORE = "etcd raft 3.4 core"
ETCD = "etcd 3.4"
VALUE_BYTES = 100
SECONDS = 5


def output(*words):
    """What a program prints; its progress goes to stderr."""
    done = subprocess.run(words, cwd=meshes.ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise MeshError(f"{' '.join(words)} exited {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def script(name, *words):
    return output(os.path.join(meshes.ROOT, "scripts", name), *words)


def middle(values):
    return sorted(values)[len(values) // 2]


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
            theirs.append(speeds(output(program, "--speed")))
    for name in ours[0]:
        values = sorted(run[name] for run in ours)
        peer = middle([run[name] for run in theirs]) if theirs else None
        report.add(name, middle(values), "per s", len(values), [values[0], values[-1]], ETCD_CORE if theirs else None,
                   peer, higher_is_better=True)


def scratch():
    return os.path.join(meshes.ROOT, os.environ.get("SWARMLET_SCRATCH", ".build"))


def load_program():
    """The clients of our daemons, built if need be; SWARMLET_LOAD names another one."""
    given = os.environ.get("SWARMLET_LOAD")
    if given:
        return given
    build = ["swift", "build", "--scratch-path", scratch(), "-c", "release"]
    output(*build, "--product", "Load")
    return os.path.join(output(*build, "--show-bin-path").strip(), "Load")


def etcd_load_program():
    """The clients of etcd, built if need be."""
    folder = os.path.join(scratch(), "go")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, "etcd-load")
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": f"{folder}:/usr/share/gocode"}
    subprocess.run([shutil.which("go"), "build", "-o", program, "./Tests/differential/etcd-load"], cwd=meshes.ROOT,
                   env=environment, check=True)
    return program


class Ours:
    """Three of our daemons."""

    def __init__(self, binary):
        self.mesh = Mesh(binary, "raft", gpus=0)
        self.program = load_program()

    def __enter__(self):
        self.mesh.__enter__()
        self.mesh.start()
        self.mesh.wait_alive(self.mesh.nodes[0], 3, voters=3)
        return self

    def __exit__(self, *error):
        return self.mesh.__exit__(*error)

    def leader(self):
        """The leader, once a running node knows it and it is one that runs."""
        def found():
            for node in self.mesh.nodes:
                if node.daemon_pid() is None:
                    continue
                done = self.mesh.attempt(node, "members", "--json")
                members = json.loads(done.stdout)["members"] if done.returncode == 0 else []
                for member in members:
                    if member.get("raft") == "leader" and self.mesh.node(member["name"]).daemon_pid():
                        return self.mesh.node(member["name"])
            return None
        return wait_until(found, "there is a leader", 30)

    @staticmethod
    def socket(node):
        return os.path.join(node.data, "socket")

    def writes(self, clients, seconds):
        return json.loads(output(self.program, "writes", self.socket(self.leader()), str(clients), str(seconds),
                                 str(VALUE_BYTES)))

    def failover(self):
        """Milliseconds from SIGKILL of the leader's daemon to the next write that is acknowledged."""
        leader = self.leader()
        others = [self.socket(node) for node in self.mesh.nodes if node is not leader]
        value = float(output(self.program, "failover", str(leader.daemon_pid()), *others))
        wait_until(lambda: leader.daemon_pid() is None, "the killed daemon is gone")
        leader.start_again()
        self.mesh.wait_alive(leader, 3, voters=3)
        return value


class Theirs:
    """Three members of etcd."""

    def __init__(self):
        self.etcd = etcds.Etcd()
        self.program = etcd_load_program()

    def __enter__(self):
        self.etcd.__enter__()
        return self

    def __exit__(self, *error):
        return self.etcd.__exit__(*error)

    def writes(self, clients, seconds):
        leader = wait_until(self.etcd.leader, "etcd has a leader")
        return json.loads(output(self.program, "writes", self.etcd.endpoint(leader), str(clients), str(seconds),
                                 str(VALUE_BYTES)))

    def failover(self):
        leader = wait_until(self.etcd.leader, "etcd has a leader")
        others = [self.etcd.endpoint(name) for name in self.etcd.members if name != leader]
        value = float(output(self.program, "failover", str(self.etcd.pid(leader)), *others))
        self.etcd.restart(leader)
        return value


def bench_raft(report, binary, runs):
    """Acknowledged writes of 100 bytes on three daemons with real disks, and how long the mesh is without a leader."""
    with Ours(binary) as ours:
        if not etcds.installed():
            return measure_raft(report, ours, None, runs)
        with Theirs() as theirs:
            return measure_raft(report, ours, theirs, runs)


def measure_raft(report, ours, theirs, runs):
    peer = ETCD if theirs else None
    for clients in (1, 64):
        mine, peers = [], []
        for system, results in ((ours, mine), (theirs, peers)):
            if system:
                system.writes(clients, 1)
        for _ in range(min(runs or 3, 5)):
            mine.append(ours.writes(clients, SECONDS))
            if theirs:
                peers.append(theirs.writes(clients, SECONDS))
        for name, key, unit, better in (("", "per_second", "per s", True), (".p50", "p50_ms", "ms", False),
                                        (".p99", "p99_ms", "ms", False)):
            values = sorted(run[key] for run in mine)
            beside = middle([run[key] for run in peers]) if peers else None
            report.add(f"raft.writes{clients}{name}", middle(values), unit, len(values), [values[0], values[-1]], peer,
                       beside, higher_is_better=better)
    mine, peers = [], []
    for _ in range(runs or 20):
        mine.append(ours.failover() / 1000)
        if theirs:
            peers.append(theirs.failover() / 1000)
    report.add("raft.failover.median", middle(mine), "s", len(mine), [min(mine), max(mine)], peer,
               middle(peers) if peers else None)
    report.add("raft.failover.worst", max(mine), "s", len(mine), None, peer, max(peers) if peers else None)


RECOVERY_BYTES = 1 << 30


def cat_seconds(path):
    """Reading a file as `cat` does."""
    started = time.monotonic()
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    return time.monotonic() - started


def sqlite_seconds(path):
    """Reading every byte of every row with SQLite's own library, and doing nothing with it."""
    started = time.monotonic()
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for _row in database.execute("SELECT idx, term, kind, content, chain FROM entry ORDER BY idx"):
            pass
    return time.monotonic() - started


def recovery_seconds(node):
    """From typing `up` to the first acknowledged write."""
    started = time.monotonic()
    node.start_again()
    wait_until(lambda: node.mesh.attempt(node, "config", "set", "user.ready", "yes", seconds=600).returncode == 0,
               "the first write is acknowledged", 600, 0.01)
    return time.monotonic() - started


def bench_raft_recovery(report, binary, runs):
    """A mesh of one starts with 1 GiB of log, and with a snapshot of 1 GiB: from `up` to the first acknowledged write.
    The same files read by cat, and their rows by SQLite alone, in the same run."""
    load = load_program()
    for name, state, log in (("log", 0, RECOVERY_BYTES), ("state", RECOVERY_BYTES, 1 << 20)):
        with Mesh(binary, "recovery", nodes=1, gpus=0) as mesh:
            node = mesh.nodes[0]
            mesh.start()
            stop(node)
            output(load, "fill", node.data, str(state), str(log))
            kept = node.data + ".kept"
            shutil.copytree(node.data, kept)
            ours, theirs = [], []
            for _ in range(runs or 3):
                shutil.rmtree(node.data)
                shutil.copytree(kept, node.data)
                if name == "log":
                    theirs.append(sqlite_seconds(os.path.join(kept, "raft.db")))
                else:
                    folder = os.path.join(kept, "snapshots")
                    theirs.append(sum(cat_seconds(os.path.join(folder, file)) for file in os.listdir(folder)))
                ours.append(recovery_seconds(node))
                processes.kill_tree([node.daemon_pid()])
            ours.sort()
            peer = "SQLite reads the rows" if name == "log" else "cat reads the file"
            report.add(f"raft-recovery.{name}", middle(ours), "s", len(ours), [ours[0], ours[-1]], peer, middle(theirs))


    bench_compaction(report, load)


def bench_compaction(report, load):
    """A durable write of 16 KB while 64 MB of log before it are let go, beside one while nothing is."""
    parent = os.environ.get("SWARMLET_MESH_FOLDER")
    with tempfile.TemporaryDirectory(prefix="swarmlet-compaction-", dir=parent) as folder:
        lines = output(load, "compaction", folder, "65536").splitlines()
    phases = {line["phase"]: line for line in map(json.loads, lines)}
    before, during = phases["before"], phases["during"]
    for part in ("p50", "p99", "worst"):
        report.add(f"raft-compaction.{part}", during[part], "ms", 400, None, "nothing to let go", before[part])


def stop(node):
    pid = node.daemon_pid()
    processes.signal_all([pid], signal.SIGTERM)
    if processes.wait_gone([pid], 30):
        raise MeshError(f"{node.name}: the daemon {pid} did not end after SIGTERM")
