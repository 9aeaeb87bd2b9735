"""Meshes of real daemons on loopback, for the demo, the benchmarks and the fault tests.

Every daemon has its own data directory and port below one temporary folder. Only processes that a data directory names
(daemon.pid, supervisors/*/pid), and what runs below them, are ever ended; `Mesh` is a context manager that does so on
every way out, Ctrl-C and SIGTERM included.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import processes

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
COMMAND_SECONDS = 30
LIVE_STATES = ("pending", "blocked", "placed", "preparing", "running", "frozen", "unknown")


class MeshError(Exception):
    """A command failed, or something that had to happen did not."""


def build_binary(say=lambda line: print(line, file=sys.stderr, flush=True)):
    """The path of the release binary, built if need be; SWARMLET_BINARY names another one."""
    given = os.environ.get("SWARMLET_BINARY")
    if given:
        return os.path.abspath(given)
    say("building the release binary (scripts/build)")
    done = subprocess.run([os.path.join(ROOT, "scripts", "build")], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise MeshError(f"scripts/build failed:\n{done.stderr[-4000:]}")
    return os.path.join(ROOT, done.stdout.split()[0])


def exit_on_signals():
    """Makes SIGTERM and SIGHUP leave through the same clean-up as Ctrl-C."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def wait_until(condition, what, seconds=COMMAND_SECONDS, every=0.02):
    """Polls until the condition gives a true value and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise MeshError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)


def free_port():
    """A port that is free for TCP and UDP on loopback right now."""
    for _ in range(100):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            port = stream.getsockname()[1]
            try:
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MeshError("no port is free on 127.0.0.1")


# How the folder of a supervisor without a job begins.
SPARE = "spare-"


class Node:
    """One daemon with its data directory."""

    def __init__(self, mesh, number):
        self.mesh = mesh
        self.name = f"n{number}"
        self.data = os.path.join(mesh.folder, self.name)
        self.port = free_port()
        # A program of its own, where a test gives it one.
        self.binary = None

    @property
    def _flags(self):
        flags = ["--listen", f"127.0.0.1:{self.port}"]
        if self.mesh.gpus:
            flags += ["--simulate-gpus", str(self.mesh.gpus)]
        return flags

    def command(self, *arguments, **options):
        """Runs a swarmlet command against this node; its stdout. A failure is an error that shows what it said."""
        return self.mesh.command(self, *arguments, **options)

    def command_json(self, *arguments):
        return json.loads(self.command(*arguments, "--json"))

    def snapshot(self):
        """The bytes of `raft snapshot`, which are no text."""
        done = subprocess.run([self.binary or self.mesh.binary, *self.mesh.arguments(self, ["raft", "snapshot"])],
                              capture_output=True, env=self.mesh.environment, timeout=COMMAND_SECONDS)
        if done.returncode:
            raise MeshError(f"{self.name}: raft snapshot ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def found(self, mesh_name):
        self.command("up", "--mesh", mesh_name, "--name", self.name, *self._flags)

    def join(self, invitation):
        self.command("join", "-", "--name", self.name, *self._flags, stdin=invitation)

    def start_again(self):
        """Wakes a node that has been in the mesh: `up` takes everything from the data directory but the flags."""
        self.command("up", *self._flags)

    def daemon_pid(self):
        """The daemon's pid, or None when none runs."""
        return self._live_pid(os.path.join(self.data, "daemon.pid"))

    def supervisor_pids(self):
        """Pids of the supervisors that run, by the name of their folder."""
        folder = os.path.join(self.data, "supervisors")
        found = {}
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            pid = self._live_pid(os.path.join(folder, name, "pid"))
            if pid:
                found[name] = pid
        return found

    def job_pids(self):
        """Everything below the supervisors of jobs: the processes of the jobs."""
        supervisors = [pid for name, pid in self.supervisor_pids().items() if not name.startswith(SPARE)]
        return [pid for pid in processes.tree(supervisors) if pid not in supervisors]

    def ready_pids(self):
        """Of a supervisor without a job: itself and the first process that waits in it, where a sandbox stands ready."""
        spares = [pid for name, pid in self.supervisor_pids().items() if name.startswith(SPARE)]
        return [(spare, pid) for spare in spares for pid in processes.tree([spare]) if pid != spare]

    def kill_daemon(self, pid=None):
        """SIGKILL to the daemon alone; supervisors and jobs are not touched.

        pid: where it may be going on as another program right now, and is in no file meanwhile.
        """
        pid = pid or self.daemon_pid()
        if pid is None:
            raise MeshError(f"{self.name} has no daemon to kill")
        processes.signal_all([pid], signal.SIGKILL)
        if processes.wait_gone([pid], 5):
            raise MeshError(f"{self.name}: the daemon {pid} did not end after SIGKILL")

    def kill_host(self):
        """SIGKILL to daemon, supervisors and jobs at once: what a power cut leaves. Returns how many it were."""
        daemon = self.daemon_pid()
        roots = ([daemon] if daemon else []) + list(self.supervisor_pids().values())
        return len(processes.kill_tree(roots))

    @staticmethod
    def _live_pid(path):
        """The pid in the file, if that process runs and is swarmlet: the number of one that ended may be another's."""
        try:
            with open(path, encoding="utf-8") as stream:
                pid = int(stream.read().split()[0])
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None
        ours = any("swarmlet" in word for word in processes.command_line(pid)[:3])
        return pid if ours and processes.alive(pid) else None


class Mesh:
    """Some nodes of one mesh, from `up` to the last process gone."""

    def __init__(self, binary, name, nodes=3, gpus=2, keep=False):
        self.binary, self.name, self.gpus, self.keep = binary, name, gpus, keep
        # A short path: sockets lie in it, and their names end at 107 characters.
        self.folder = tempfile.mkdtemp(prefix=f"swarmlet-{name}-", dir=os.environ.get("SWARMLET_MESH_FOLDER", "/tmp"))
        # Without a mount namespace of its own a job reaches its directory only through this one, as a user of its own.
        os.chmod(self.folder, 0o711)
        # With CI in its environment the client asks nobody anything, whatever terminal it has.
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith("SWARMLET_") and key != "CI"}
        if "SWARMLET_IO" in os.environ:
            self.environment["SWARMLET_IO"] = os.environ["SWARMLET_IO"]
        self.nodes = [Node(self, number) for number in range(1, nodes + 1)]
        self.running = []
        self.ended = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        # A second Ctrl-C must not leave daemons behind.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if kind is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
                self._show_daemon_logs()
            self.stop()
        finally:
            signal.signal(signal.SIGINT, previous)

    def start(self):
        """Founds the mesh on the first node and joins the others to it, each with an invitation of its own."""
        first = self.nodes[0]
        first.found(self.name)
        for node in self.nodes[1:]:
            node.join(first.command("invite"))

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    def command(self, node, *arguments, stdin=None, exits=(0,), seconds=COMMAND_SECONDS, cwd=None):
        done = self.attempt(node, *arguments, stdin=stdin, seconds=seconds, cwd=cwd)
        if done.returncode not in exits:
            raise MeshError(f"{node.name}: swarmlet {' '.join(arguments)} exited {done.returncode}: "
                            f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def attempt(self, node, *arguments, stdin=None, seconds=COMMAND_SECONDS, cwd=None):
        """Runs a command and returns how it ended, whatever that is."""
        try:
            return subprocess.run([node.binary or self.binary, *self.arguments(node, arguments)], input=stdin or "", text=True,
                                  capture_output=True, env=self.environment, timeout=seconds, cwd=cwd)
        except subprocess.TimeoutExpired as late:
            raise MeshError(f"{node.name}: swarmlet {' '.join(arguments)} had not ended after {seconds:g} s; stderr: "
                            f"{(late.stderr or b'').decode(errors='replace').strip()}") from None

    @staticmethod
    def arguments(node, arguments):
        return [arguments[0], "--data-dir", node.data, *arguments[1:]]

    def run(self, node, *arguments, cwd):
        """Starts `swarmlet run ...` and follows it."""
        run = FollowedRun([node.binary or self.binary, *self.arguments(node, ["run", *arguments])], cwd, self.environment)
        self.running.append(run)
        return run

    def members(self, node):
        return node.command_json("members")["members"]

    def wait_alive(self, node, count, seconds=COMMAND_SECONDS, voters=1):
        """Until this node sees so many members alive, a leader among them, and so many that vote."""
        def all_there():
            done = self.attempt(node, "members", "--json")
            if done.returncode != 0:
                return False
            members = json.loads(done.stdout)["members"]
            leaders = [member for member in members if member.get("raft") == "leader"]
            voting = [member for member in members if member.get("raft") in ("leader", "voter")]
            alive = sum(member["state"] == "alive" for member in members)
            return len(leaders) == 1 and alive == count and len(voting) >= voters
        wait_until(all_there, f"{node.name} sees {count} members alive, {voters} that vote, and a leader", seconds, 0.05)

    def job(self, node, job):
        """What `inspect` says of the job; None while this node does not know it."""
        done = self.attempt(node, "inspect", str(job), "--json")
        if done.returncode == 3:
            return None
        if done.returncode != 0:
            raise MeshError(f"{node.name}: inspect {job} exited {done.returncode}: {done.stderr.strip()}")
        document = json.loads(done.stdout)
        return Job(document.get("job", document))

    def newest_job(self, node):
        """The number of the newest job, ended ones included."""
        jobs = node.command_json("ps", "-a")["jobs"]
        return max((int(job["id"]) for job in jobs), default=None)

    def job_processes(self):
        """Node name -> pids of its jobs."""
        return {node.name: node.job_pids() for node in self.nodes}

    def stop(self):
        """Ends everything that was started here and removes the folder."""
        for run in self.running:
            run.end()
        for node in self.nodes:
            daemon = node.daemon_pid()
            self.ended += [daemon] if daemon else []
            self.ended += processes.tree(list(node.supervisor_pids().values()))
            if daemon:
                processes.signal_all([daemon], signal.SIGTERM)
        for node in self.nodes:
            daemon = node.daemon_pid()
            if daemon:
                processes.wait_gone([daemon], 3)
            node.kill_host()
        if self.keep:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _show_daemon_logs(self):
        for node in self.nodes:
            path = os.path.join(node.data, "daemon.log")
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as stream:
                    lines = stream.read().splitlines()[-15:]
                for line in lines:
                    print(f"{node.name} daemon.log: {line}", file=sys.stderr)


    def wait_running(self, node, job, seconds=30):
        """The name of the node that `job` runs on; an error with what `inspect` says where it ended instead."""
        def host():
            detail = self.job(node, job)
            if detail.running_on is None and not detail.live:
                raise MeshError(f"job {job} ended before it was seen running:\n{node.command('inspect', str(job))}")
            return detail.running_on
        return wait_until(host, f"job {job} runs", seconds)


class Job:
    """What `inspect --json` says of a job."""

    def __init__(self, document):
        self.document = document
        self.id = int(document["id"])
        self.state = document["state"]
        self.exit_code = document.get("exit_code")
        self.attempts = document.get("attempts_list", [])
        self.checkpoints = document.get("checkpoints", [])

    @property
    def live(self):
        return self.state in LIVE_STATES

    @property
    def newest_attempt(self):
        return max(self.attempts, key=lambda attempt: attempt["number"], default=None)

    @property
    def running_on(self):
        """The name of the node of the newest attempt while that runs."""
        attempt = self.newest_attempt
        return attempt["node"] if attempt and attempt["state"] == "running" else None


class FollowedRun:
    """A `swarmlet run` whose lines are taken down with the time they came in."""

    def __init__(self, command, cwd, environment):
        # A session of its own: Ctrl-C at the terminal is for the script, which then ends this one itself.
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.started = time.monotonic()
        self.out, self.err = [], []
        self._changed = threading.Condition()
        self._ended_streams = 0
        self.listener = None
        self._readers = [threading.Thread(target=self._read, args=(stream, lines), daemon=True)
                         for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            now = time.monotonic()
            with self._changed:
                lines.append((now, line.rstrip("\n")))
                if self.listener:
                    self.listener(now, line.rstrip("\n"), lines is self.err)
                self._changed.notify_all()
        with self._changed:
            self._ended_streams += 1
            self._changed.notify_all()

    def wait_line(self, matches, what, seconds, errors=False, after=0.0):
        """(time, line) of the first line that matches and came after the given time."""
        lines = self.err if errors else self.out
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for when, line in lines[seen:]:
                    if when >= after and matches(line):
                        return when, line
                seen = len(lines)
                if self._ended_streams == 2:
                    raise MeshError(f"run ended (exit {self.process.wait()}) before {what}; it said: {self.said()}")
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise MeshError(f"waited {seconds:g} s in vain: {what}; run said: {self.said()}")

    def said(self):
        return " | ".join(line for _, line in self.out[-3:] + self.err[-5:]) or "nothing"

    def finish(self, seconds):
        """Exit code, after both streams have ended."""
        deadline = time.monotonic() + seconds
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        try:
            return self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise MeshError(f"run had not ended after {seconds:g} s; it said: {self.said()}") from None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
