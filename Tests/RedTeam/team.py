"""What the rows of the red team share: how they are declared, the mesh that they attack, what must not have changed."""

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
for folder in ("scripts/lib", "Tests/Faults"):
    sys.path.insert(0, os.path.join(ROOT, folder))
import mesh as meshes  # noqa: E402
import mint  # noqa: E402
import wire  # noqa: E402

HELD, IN_PART, LAYER_MISSING, FELL, BROKE = "held", "in part", "layer missing", "fell", "broke"
ANSWER_SECONDS = 10
# Memory of a daemon after an attack: not more than a fifth, or this much, above what it was.
GROWTH_BYTES = 32 << 20


class Fell(Exception):
    """The attack got through, or took something with it."""


class LayerMissing(Exception):
    """This host lacks what the row is about; the text names it."""


@dataclasses.dataclass
class Row:
    name: str
    attack: str
    expected: str
    run: callable
    needs_root: bool
    is_slow: bool
    # (file, words of a test's claim): who shows what cannot be shown through the door of a daemon.
    suites: tuple


@dataclasses.dataclass
class Result:
    row: Row
    verdict: str
    seen: str
    seconds: float = 0.0


ROWS = {}


def row(name, attack, expected, root=False, slow=False, suites=()):
    """Declares a row of the list of attacks. It returns what was seen, or raises what came of it."""

    def declare(function):
        assert name not in ROWS, name
        ROWS[name] = Row(name, attack, expected, function, root, slow, tuple(suites))
        return function

    return declare


def has_claim(suite):
    """Whether there is a test with these words in its name: what a row refers to must not be gone."""
    path, words = suite
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
            return words in stream.read()
    except FileNotFoundError:
        return False


class Team:
    """The attackers, and the mesh of three nodes that they share for what leaves it whole."""

    def __init__(self, is_long):
        self.is_long = is_long
        self.is_root = os.geteuid() == 0
        self.binary = meshes.build_binary()
        self.parts = []
        self._mesh = None
        self._outer = None
        self.worst_answer = 0.0

    # The mesh

    @property
    def mesh(self):
        if self._mesh is None:
            self._mesh = self.new_mesh("redteam")
            self._mesh.start()
            self._mesh.wait_alive(self._mesh.nodes[0], 3, voters=3)
        return self._mesh

    def new_mesh(self, name, nodes=3, gpus=2):
        """A mesh where a sandbox has to hide it: not below /tmp, which every job has of its own."""
        previous = os.environ.get("SWARMLET_MESH_FOLDER")
        os.environ["SWARMLET_MESH_FOLDER"] = "/var/lib" if self.is_root else os.path.expanduser("~")
        try:
            return meshes.Mesh(self.binary, name, nodes=nodes, gpus=gpus)
        finally:
            os.environ.pop("SWARMLET_MESH_FOLDER")
            if previous is not None:
                os.environ["SWARMLET_MESH_FOLDER"] = previous

    @contextlib.contextmanager
    def own_mesh(self, nodes=3, voters=3, gpus=2):
        """A mesh of a row that breaks it."""
        mesh = self.new_mesh("own", nodes, gpus)
        try:
            mesh.start()
            mesh.wait_alive(mesh.nodes[0], nodes, voters=min(nodes, voters))
            yield mesh
        finally:
            mesh.stop()

    @property
    def node(self):
        return self.mesh.nodes[0]

    @property
    def outer(self):
        """What an outsider knows of the mesh."""
        if self._outer is None:
            self._outer = wire.Mesh(self.node)
        return self._outer

    @property
    def issuer(self):
        """The key of a host that may issue: the strongest that an attacker could have taken."""
        return mint.Key.of_node(self.node)

    def stop(self):
        for mesh in [self._mesh, *(one.mesh for one in [getattr(self, "_siege", None)] if one)]:
            if mesh is not None:
                mesh.stop()

    def leader(self, mesh=None):
        mesh = mesh or self.mesh

        def found():
            for node in mesh.nodes:
                done = mesh.attempt(node, "members", "--json") if node.daemon_pid() else None
                if done is None or done.returncode != 0:
                    continue
                for member in json.loads(done.stdout)["members"]:
                    if member.get("raft") == "leader" and member["state"] == "alive":
                        return mesh.node(member["name"])
            return None

        return meshes.wait_until(found, "somebody leads", 30, 0.1)

    # Tokens and calls

    def token(self, **changes):
        """A good token with the acts of most rows, signed by the first node."""
        return mint.mint(self.issuer, self.outer.name, **changes)

    def call(self, token, request=None, operation="jobs", node=None, **options):
        request = wire.JOBS if request is None else request
        return wire.call(self.outer, node or self.node, token, request, operation, **options)

    def submit(self, token, node=None, request=None, **options):
        return self.call(token, request or wire.submit(), "submit", node, **options)

    def issued(self, *flags):
        """A token as the program makes it: the line."""
        return self.node.command("token", "create", *flags).strip()

    def folder(self, name):
        path = os.path.join(self.mesh.folder, "work", name)
        os.makedirs(path, exist_ok=True)
        return path

    def run_job(self, *arguments, node=None, name="job", seconds=90):
        return self.mesh.attempt(node or self.node, "run", *arguments, cwd=self.folder(name), seconds=seconds)

    def start_job(self, *arguments, node=None, name="job"):
        return int(self.mesh.command(node or self.node, "run", "-d", *arguments, cwd=self.folder(name)).split()[0])

    def wait_job(self, job, seconds=60):
        self.mesh.attempt(self.node, "wait", str(job), seconds=seconds)
        return self.mesh.job(self.node, job)

    @property
    def is_strict(self):
        """Whether guests' jobs can run here: they want profile strict."""
        if not hasattr(self, "_is_strict"):
            checks = json.loads(self.mesh.attempt(self.node, "doctor", "--json").stdout)["checks"]
            detail = next(check["detail"] for check in checks if check["check"] == "sandbox")
            self._is_strict = detail.startswith("strict")
        return self._is_strict

    # Verdicts

    def in_lab(self, *words):
        """What this Python program says, run where it may build a network of hosts (netlab.py)."""
        inside = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        lacks = subprocess.run(
            [*inside, "sh", "-c", "ip link add lab0 type bridge && nft add table inet lab"], capture_output=True, text=True
        )
        if lacks.returncode != 0:
            raise LayerMissing(f"namespaces with bridges and packet filters: {lacks.stderr.strip()}")
        done = subprocess.run(
            [*inside, sys.executable, *words],
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "SWARMLET_BINARY": self.binary},
        )
        self.check(done.returncode == 0, (done.stdout + done.stderr)[-600:])
        return done.stdout

    def check(self, condition, text):
        if not condition:
            raise Fell(text)

    def part(self, why):
        """Something of the row is not shown."""
        self.parts.append(why)

    def refused(self, answer, *codes):
        """The call was refused, for one of these reasons."""
        if answer.code is None:
            raise Fell(f"accepted: {answer}")
        if codes and answer.code not in codes:
            raise Fell(f"refused with {answer.code}, expected {' or '.join(codes)}: {answer.text}")
        return answer.code

    def accepted(self, answer, what="the neighbour"):
        if answer.code is not None:
            raise Fell(f"{what} was refused: {answer.code}: {answer.text}")
        return answer

    # What must not change

    def state(self, mesh=None):
        mesh = mesh or self.mesh
        members = sorted(
            (member["name"], member.get("role"), member["state"]) for member in mesh.members(mesh.nodes[0])
        )
        jobs = mesh.nodes[0].command_json("ps", "-a")["jobs"]
        keys = {}
        for node in mesh.nodes:
            folder = os.path.join(node.data, "keys")
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                with open(os.path.join(folder, name), "rb") as stream:
                    keys[node.name, name] = hashlib.sha256(stream.read()).hexdigest()
        return {"members": members, "jobs": sorted(str(job["id"]) for job in jobs), "keys": keys}

    @contextlib.contextmanager
    def nothing_changes(self, mesh=None):
        """The queue, the members and the keys are the same after the attack as before it."""
        before = self.state(mesh)
        yield
        after = self.state(mesh)
        for what, value in before.items():
            if after[what] != value:
                raise Fell(f"the attack changed {what}: {value} became {after[what]}")

    def health(self):
        """Pid and memory of each daemon of the shared mesh, once each has answered a control request."""
        found = {}
        for node in self.mesh.nodes:
            started = time.monotonic()
            done = self.mesh.attempt(node, "members", "--json", seconds=ANSWER_SECONDS)
            took = time.monotonic() - started
            if done.returncode != 0:
                raise Fell(f"{node.name} answers no more: {done.stderr.strip()}")
            self.worst_answer = max(self.worst_answer, took)
            pid = node.daemon_pid()
            found[node.name] = (pid, memory_bytes(pid))
        return found

    def check_health(self, before):
        for name, (pid, memory) in self.health().items():
            was_pid, was = before[name]
            if pid != was_pid:
                raise Fell(f"the daemon of {name} ended and another one runs")
            if memory > max(was * 1.2, was + GROWTH_BYTES):
                raise Fell(f"the daemon of {name} took {was >> 20} MiB before and {memory >> 20} MiB after")


def memory_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        return next(int(line.split()[1]) << 10 for line in stream if line.startswith("VmRSS"))


def wait_until(condition, what, seconds=30, every=0.05):
    return meshes.wait_until(condition, what, seconds, every)


ROW_SECONDS = 240


def attack(team, one):
    """One row, with what has to hold after each."""
    team.parts = []
    started = time.monotonic()

    def late(_signal, _frame):
        raise TimeoutError("the row had not ended in time")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(ROW_SECONDS * (10 if team.is_long else 1))
    try:
        if one.needs_root and not team.is_root:
            raise LayerMissing("root")
        before = team.health()
        seen = one.run(team)
        team.check_health(before)
        gone = [f"{path}: {words}" for path, words in one.suites if not has_claim((path, words))]
        if gone:
            team.part("no test of this name any more: " + "; ".join(gone))
        suites = sorted({os.path.basename(path) for path, _ in one.suites} - {None})
        if suites:
            seen += f"; the rest by {', '.join(suites)}"
        verdict = IN_PART if team.parts else HELD
        if team.parts:
            seen += ". Not shown: " + "; ".join(team.parts)
    except Fell as fell:
        verdict, seen = FELL, str(fell)
    except LayerMissing as missing:
        verdict, seen = LAYER_MISSING, str(missing)
    except Exception as error:  # What a row did not expect is no success, and must not end the others.
        place = error.__traceback__
        while place.tb_next is not None and HERE in place.tb_next.tb_frame.f_code.co_filename:
            place = place.tb_next
        where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
        verdict, seen = BROKE, f"{where}: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return Result(one, verdict, seen, time.monotonic() - started)
