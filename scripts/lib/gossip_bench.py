"""The gossip benchmarks of scripts/bench: 13 agents on loopback beside serf (Debian's, scripts/setup --serf): how soon all
survivors know of one that was killed, whom they take for dead that is not, and what gossip costs. And joins at 3, 13, 50."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import processes
from mesh import Mesh, MeshError, free_port, wait_until

AGENTS = 13
SERF_PROFILE = "local"
JOIN_SIZES = (3, 13, 50)
# Of the quiet time and of the loaded one, each. What serf costs shows in less.
minutes = 30.0
PEER_MINUTES = 3.0


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def middle(values):
    return sorted(values)[len(values) // 2]


def in_own_network():
    """True where nothing else uses this loopback, so that its counters are those of the agents."""
    return bool(os.environ.get("SWARMLET_BENCH_NETWORK"))


def move_to_own_network(binary):
    """Starts the script again in a network namespace with nothing but loopback; returns where that cannot be."""
    if in_own_network() or os.geteuid() != 0 or not shutil.which("unshare"):
        return
    if subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0:
        return
    os.environ.update(SWARMLET_BENCH_NETWORK="1", SWARMLET_BINARY=binary)
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", sys.executable,
                          *sys.argv])


def loopback_bytes():
    with open("/proc/net/dev", encoding="utf-8") as stream:
        for line in stream:
            name, _, counters = line.partition(":")
            if name.strip() == "lo":
                return int(counters.split()[0])
    return 0


class LogWatch:
    """Follows the logs of all agents: (agent, subject, verdict) with the time at which the line was there."""

    def __init__(self, paths, pattern, verdicts):
        self.files = {name: open(path, encoding="utf-8", errors="replace") for name, path in paths.items()}
        self.partial = dict.fromkeys(paths, "")
        self.pattern, self.verdicts = re.compile(pattern), verdicts
        self.seen = []
        self.lock = threading.Lock()
        self.is_over = False
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.is_over:
            for name, stream in self.files.items():
                text = self.partial[name] + stream.read()
                lines = text.split("\n")
                self.partial[name] = lines.pop()
                now = time.monotonic()
                for line in lines:
                    found = self.pattern.search(line)
                    if found and found["verdict"] in self.verdicts:
                        with self.lock:
                            self.seen.append((now, name, found["subject"], self.verdicts[found["verdict"]]))
            time.sleep(0.005)

    def since(self, begin):
        with self.lock:
            return [each for each in self.seen if each[0] >= begin]

    def close(self):
        self.is_over = True
        self.thread.join()
        for stream in self.files.values():
            stream.close()


class Swarm:
    """Our agents."""

    name = "swarmlet"
    pattern = r" (?P<subject>n\d+) is (?P<verdict>suspect|dead)$"
    verdicts = {"suspect": "suspect", "dead": "dead"}

    def __init__(self, binary):
        self.mesh = Mesh(binary, "gossip", nodes=AGENTS, gpus=0)

    def __enter__(self):
        self.mesh.__enter__()
        self.mesh.start()
        self.wait_whole()
        return self

    def __exit__(self, *reason):
        return self.mesh.__exit__(*reason)

    def logs(self):
        return {node.name: os.path.join(node.data, "daemon.log") for node in self.mesh.nodes}

    def pids(self):
        return [node.daemon_pid() for node in self.mesh.nodes]

    def kill(self, number):
        self.mesh.nodes[number].kill_daemon()
        return self.mesh.nodes[number].name

    def start_again(self, number):
        self.mesh.nodes[number].start_again()
        self.wait_whole()

    def wait_whole(self):
        for node in self.mesh.nodes:
            self.mesh.wait_alive(node, AGENTS, seconds=120)


class Serf:
    """As many agents of serf."""

    name = f"serf ({SERF_PROFILE})"
    pattern = r"serf: EventMember(?P<verdict>Failed): (?P<subject>n\d+) "
    verdicts = {"Failed": "dead"}

    def __init__(self, _binary):
        self.folder = tempfile.mkdtemp(prefix="serf-bench-", dir=os.environ.get("SWARMLET_MESH_FOLDER", "/tmp"))
        self.ports = [(free_port(), free_port()) for _ in range(AGENTS)]
        self.running = [None] * AGENTS

    def __enter__(self):
        for number in range(AGENTS):
            self._start(number)
        self.wait_whole()
        return self

    def __exit__(self, *_):
        for process in self.running:
            if process and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, number):
        bind, rpc = self.ports[number]
        others = self.ports[0 if number else 1][0]
        with open(self.logs()[f"n{number + 1}"], "ab") as log:
            self.running[number] = subprocess.Popen(
                ["serf", "agent", f"-node=n{number + 1}", f"-bind=127.0.0.1:{bind}", f"-rpc-addr=127.0.0.1:{rpc}",
                 f"-profile={SERF_PROFILE}", f"-retry-join=127.0.0.1:{others}", "-retry-interval=1s"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def logs(self):
        return {f"n{number + 1}": os.path.join(self.folder, f"n{number + 1}.log") for number in range(AGENTS)}

    def pids(self):
        return [process.pid for process in self.running]

    def kill(self, number):
        self.running[number].send_signal(signal.SIGKILL)
        self.running[number].wait()
        return f"n{number + 1}"

    def start_again(self, number):
        self._start(number)
        self.wait_whole()

    def _alive(self, number):
        done = subprocess.run(["serf", "members", f"-rpc-addr=127.0.0.1:{self.ports[number][1]}", "-status=alive"],
                              capture_output=True, text=True)
        return len(done.stdout.splitlines())

    def wait_whole(self):
        wait_until(lambda: all(self._alive(number) == AGENTS for number in range(AGENTS)), "serf is whole", 120, 0.1)


@contextlib.contextmanager
def busy_cores(is_wanted):
    """Keeps every core busy with something else meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())] \
        if is_wanted else []
    try:
        yield
    finally:
        for process in loops:
            process.kill()
            process.wait()


def deaths(agents, watch, runs):
    """For each kill the time until the last survivor knows."""
    values = []
    for run in range(runs):
        number = 1 + run % (AGENTS - 1)
        began = time.monotonic()
        name = agents.kill(number)

        def all_know():
            knowing = {observer for _, observer, subject, verdict in watch.since(began)
                       if subject == name and verdict == "dead" and observer != name}
            return len(knowing) == AGENTS - 1
        wait_until(all_know, f"all survivors know that {name} is dead", 120)
        last = {}
        for when, observer, subject, verdict in watch.since(began):
            if subject == name and verdict == "dead":
                last.setdefault(observer, when)
        values.append(max(last.values()) - began)
        note(f"{agents.name}: death {run + 1} of {runs} known to all after {values[-1]:.2f} s")
        agents.start_again(number)
    return values


def watching(agents, watch, minutes, is_loaded):
    """What agents that nothing happens to cost, and whom they slander."""
    with busy_cores(is_loaded):
        time.sleep(min(5, minutes * 60))
        pids = agents.pids()
        began, ticks, carried = time.monotonic(), sum(map(processes.cpu_ticks, pids)), loopback_bytes()
        time.sleep(minutes * 60)
        seconds = time.monotonic() - began
        spent = (sum(map(processes.cpu_ticks, pids)) - ticks) / os.sysconf("SC_CLK_TCK")
        carried = loopback_bytes() - carried
        verdicts = [verdict for _, _, _, verdict in watch.since(began)]
    return {"deaths": verdicts.count("dead"), "suspicions": verdicts.count("suspect"),
            "cpu": spent / seconds / AGENTS * 1000, "bytes": carried / seconds / AGENTS}


def measure(kind, binary, runs, minutes):
    with kind(binary) as agents:
        watch = LogWatch(agents.logs(), kind.pattern, kind.verdicts)
        try:
            found = {"times": deaths(agents, watch, runs)}
            for name, is_loaded in (("quiet", False), ("loaded", True)):
                note(f"{agents.name}: {minutes:g} minutes, {name}")
                found[name] = watching(agents, watch, minutes, is_loaded)
                note(f"{agents.name}: {name}: {found[name]}")
            return found
        finally:
            watch.close()


def bench_gossip(report, binary, runs):
    """20 kills, then a quiet and a loaded time; ours first, then serf."""
    runs = runs or 20
    if not in_own_network():
        note("gossip: without root the bytes are those of everything on this loopback")
    ours = measure(Swarm, binary, runs, minutes)
    theirs, peer_minutes = None, min(minutes, PEER_MINUTES)
    if shutil.which("serf"):
        theirs = measure(Serf, binary, runs, peer_minutes)
    else:
        note("gossip: serf is not installed (scripts/setup --serf), so there is no peer")
    times = ours["times"]

    def peer(value):
        return {"peer": Serf.name, "peer_value": value(theirs)} if theirs else {}
    report.add("gossip.death.median", middle(times), "s", runs, [min(times), max(times)],
               **peer(lambda found: middle(found["times"])))
    report.add("gossip.death.worst", max(times), "s", runs, **peer(lambda found: max(found["times"])))
    for name in ("quiet", "loaded"):
        report.add(f"gossip.false_deaths.{name}", ours[name]["deaths"], f"in {minutes:g} min", 1,
                   **(peer(lambda found: found[name]["deaths"]) if peer_minutes == minutes else {}))
        report.add(f"gossip.suspicions.{name}", ours[name]["suspicions"], f"in {minutes:g} min")
    report.add("gossip.cpu", ours["quiet"]["cpu"], "ms a node and s", 1, **peer(lambda found: found["quiet"]["cpu"]))
    report.add("gossip.bytes", ours["quiet"]["bytes"], "bytes a node and s", 1,
               **peer(lambda found: found["quiet"]["bytes"]))


def bench_join(report, binary, runs):
    """From typing `join -` to the moment when the first node would place work on the new one, in a mesh that grows."""
    with Mesh(binary, "join", nodes=max(JOIN_SIZES), gpus=0) as mesh:
        first = mesh.nodes[0]
        first.found(mesh.name)
        values = []
        for node in mesh.nodes[1:]:
            invitation = first.command("invite")
            started = time.monotonic()
            node.join(invitation)
            wait_until(lambda: any(member["name"] == node.name and member["state"] == "alive"
                                   for member in mesh.members(first)), f"{node.name} is alive", every=0.005)
            values.append((time.monotonic() - started) * 1000)
            if len(values) + 1 in JOIN_SIZES:
                newest = values[-(runs or 5):]
                report.add(f"join.schedulable.{len(values) + 1}", middle(newest), "ms", len(newest),
                           [min(newest), max(newest)])
