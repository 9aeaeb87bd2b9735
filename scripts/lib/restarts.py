"""Ends and replaces daemons under load, and checks that no job notices.

  scripts/restarts                 100 rounds (some minutes)
  scripts/restarts --rounds 10     as in CI
  scripts/restarts --seed N        the same victims again

In each round one daemon of three is killed with SIGKILL and started again, ended by SIGTERM and started again, or made
to go on as another program by `swarmlet upgrade`. Meanwhile jobs of random length print numbered lines, each followed
from a random host, and more are submitted. Of every job: one attempt, each line once and in order, for who follows and in
`logs` afterwards, and the exit code that it chose.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time

import mesh as meshes
import processes
from mesh import MeshError

AT_ONCE = 9
JOB_SECONDS = (1, 6)
WAYS = ("kill", "stop", "upgrade")
LINES = 'n=0; while [ $n -lt $0 ]; do echo $n; n=$((n+1)); sleep 0.01; done; exit $1'


class Load:
    """Jobs under way, and what became of those that have ended."""

    def __init__(self, mesh, dice):
        self.mesh, self.dice = mesh, dice
        self.open, self.jobs, self.lines = [], 0, 0

    def fill(self):
        """As many jobs as there are to be, each followed from some host."""
        while len(self.open) < AT_ONCE:
            lines = int(self.dice.uniform(*JOB_SECONDS) * 80)
            code = self.dice.randrange(0, 100)
            node = self.dice.choice(self.mesh.nodes)
            if node.daemon_pid() is None:
                continue
            run = self.mesh.run(node, "--no-send", "-J", "counts", "-c", "0.2", "--mem", "64M", "--", "sh", "-c", LINES,
                                str(lines), str(code), cwd=self.mesh.folder)
            self.open.append((run, lines, code))

    def collect(self, wait=False):
        """Checks those that have ended; with `wait` all of them."""
        for entry in list(self.open):
            run, lines, code = entry
            if not wait and run.process.poll() is None:
                continue
            got = run.finish(120)
            seen = [line for _, line in run.out]
            if seen != [str(number) for number in range(lines)]:
                raise MeshError(f"a job was to print {lines} lines: {difference(seen)}; it said: {run.said()}")
            if got != code:
                raise MeshError(f"a job was to exit with {code}, not {got}; it said: {run.said()}")
            self.open.remove(entry)
            self.mesh.running.remove(run)
            self.jobs += 1
            self.lines += lines


def difference(seen):
    """Where lines are not the numbers from 0."""
    for index, line in enumerate(seen):
        if line != str(index):
            return f"line {index} is {line!r}, of {len(seen)}"
    return f"{len(seen)} came"


def strike(mesh, node, way, programs):
    """Ends or replaces the daemon of a host; seconds until it answers again."""
    began = time.monotonic()
    if way == "upgrade":
        with open(node.binary, "rb") as stream:
            stream.seek(-1, os.SEEK_END)
            other = programs[stream.read(1) == b"A"]
        mesh.command(node, "upgrade", other, seconds=180)
        return time.monotonic() - began
    if way == "kill":
        node.kill_daemon()
    else:
        pid = node.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        if processes.wait_gone([pid], 20):
            raise MeshError(f"{node.name}: the daemon {pid} does not stop")
    node.start_again()
    return time.monotonic() - began


def check(mesh, jobs):
    """What the mesh says of all jobs afterwards."""
    table = mesh.nodes[0].command_json("ps", "-a")["jobs"]
    ours = [job for job in table if job["name"] == "counts"]
    if len(ours) != jobs:
        raise MeshError(f"{jobs} jobs were submitted, the mesh knows {len(ours)}")
    for job in ours:
        detail = mesh.job(mesh.nodes[0], job["id"])
        if len(detail.attempts) != 1:
            raise MeshError(f"job {job['id']} had {len(detail.attempts)} attempts")
        lines = mesh.command(mesh.nodes[-1], "logs", str(job["id"]), seconds=60).splitlines()
        if lines != [str(number) for number in range(len(lines))] or not lines:
            raise MeshError(f"logs of job {job['id']}: {difference(lines)}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/restarts", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", action="store_true", help="keep the folder of the mesh")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"restarts: seed {seed}, {arguments.rounds} rounds", flush=True)
    dice = random.Random(seed)
    meshes.exit_on_signals()
    binary = meshes.build_binary()
    counts, worst = dict.fromkeys(WAYS, 0), 0.0
    with meshes.Mesh(binary, "restarts", nodes=3, gpus=0, keep=arguments.keep) as mesh:
        programs = {}
        for is_a, mark in ((False, b"A"), (True, b"B")):
            programs[is_a] = os.path.join(mesh.folder, "program-" + mark.decode())
            shutil.copy(binary, programs[is_a])
            with open(programs[is_a], "ab") as stream:
                stream.write(mark)
        for node in mesh.nodes:
            node.binary = os.path.join(mesh.folder, f"swarmlet-{node.name}")
            shutil.copy(programs[False], node.binary)
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        load = Load(mesh, dice)
        for number in range(arguments.rounds):
            load.fill()
            node, way = dice.choice(mesh.nodes), dice.choice(WAYS)
            time.sleep(dice.uniform(0, 0.5))
            took = strike(mesh, node, way, programs)
            counts[way] += 1
            worst = max(worst, took)
            load.collect()
            print(f"round {number + 1}: {way} on {node.name}, {took:.1f} s; {load.jobs} jobs ended", flush=True)
        load.collect(wait=True)
        check(mesh, load.jobs)
    ways = ", ".join(f"{counts[way]} {way}" for way in WAYS)
    print(f"restarts: {arguments.rounds} rounds ({ways}; at most {worst:.1f} s each), {load.jobs} jobs, "
          f"{load.lines} lines: one attempt each, every line once, every exit code its own")


if __name__ == "__main__":
    try:
        main()
    except MeshError as error:
        print(f"restarts: {error}", file=sys.stderr)
        sys.exit(1)
