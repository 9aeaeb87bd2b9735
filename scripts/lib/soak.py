"""Kills hosts and daemons at random moments of real trainings, and checks what the mesh promised each time.

  scripts/soak                             20 rounds of the whole training (about 20 minutes)
  scripts/soak --rounds 6 --steps 200      short ones, as in CI
  scripts/soak --seed N                    the same moments and victims again

Even rounds take a whole host (daemon, supervisors and jobs), odd ones a daemon alone. In each round: the job ends
exactly once with the right exit code, output and model; it never runs on two hosts at once; and every submit that was
acknowledged while it happened is carried out once.
"""

import argparse
import os
import random
import sys
import threading
import time

import mesh as meshes
import processes
import training
from mesh import MeshError

BURST = 4


class Watch(threading.Thread):
    """Looks four times a second which training processes used the processor, to see any that run side by side.

    A frozen attempt may be there beside its successor; it must not run. One window may see both, the old one at its
    beginning and the new one at its end, so it takes two windows in a row.
    """

    def __init__(self, mesh):
        super().__init__(daemon=True)
        self.mesh, self.twice, self.windows = mesh, [], 0
        self._stop_requested = threading.Event()
        self._ticks, self._both = {}, 0

    def run(self):
        while not self._stop_requested.wait(0.25):
            now = {}
            for name, pids in self.mesh.job_processes().items():
                for pid in pids:
                    words = processes.command_line(pid)
                    if words and "python" in os.path.basename(words[0]) and os.path.basename(training.SCRIPT) in words:
                        ticks = processes.cpu_ticks(pid)
                        if ticks is not None:
                            now[(name, pid)] = ticks
            ran = sorted(key for key, ticks in now.items() if ticks > self._ticks.get(key, ticks))
            self._both = self._both + 1 if len(ran) > 1 else 0
            if self._both == 2:
                self.twice.append(ran)
            self._ticks = now
            self.windows += 1

    def finish(self):
        self._stop_requested.set()
        self.join()
        return self.twice


class Round:
    """One training, one kill."""

    def __init__(self, mesh, number, steps, seconds, generator):
        self.mesh, self.number, self.steps = mesh, number, steps
        self.whole_host = number % 2 == 0
        # All choices are made before anything runs, so that a seed gives the same ones again.
        self.submitter = generator.choice(mesh.nodes)
        self.victim_is_host = generator.random() < 0.7
        self.other_victim = generator.choice(mesh.nodes)
        self.kill_after = generator.uniform(0.3, max(0.4, seconds * 0.9))
        self.down_seconds = generator.uniform(0.2, 8)
        self.wrong = []

    def execute(self, reference_lines, reference_model):
        folder = training.work_folder(self.mesh.folder, f"round-{self.number}")
        watch = Watch(self.mesh)
        watch.start()
        try:
            said = self.mesh.command(self.submitter, "run", "-d", *training.run_arguments(self.steps, "1s"), cwd=folder)
            job = int(said.split()[0])
            victim = self._kill(job)
            survivors = [node for node in self.mesh.nodes if node is not victim]
            burst = self._submit_burst(survivors, folder)
            time.sleep(self.down_seconds)
            victim.start_again()
            ended = self.mesh.attempt(survivors[0], "wait", str(job), seconds=240)
            self._check_end(survivors[0], job, ended, reference_lines)
            self._check_model(survivors[0], job, os.path.join(folder, training.MODEL), reference_model)
            self._check_burst(survivors[0], burst)
            self.mesh.wait_alive(self.mesh.nodes[0], len(self.mesh.nodes))
            self._check_views(job)
        finally:
            twice = watch.finish()
        if twice:
            self.wrong.append(f"two attempts ran at once: {twice[:3]}")
        return not self.wrong

    def _kill(self, job):
        started = time.monotonic()
        host = None
        while time.monotonic() - started < self.kill_after:
            detail = self.mesh.job(self.submitter, job)
            host = (detail.running_on if detail else None) or host
            time.sleep(0.05)
        victim = self.mesh.node(host) if host and self.victim_is_host else self.other_victim
        self.victim, self.host = victim.name, host
        if self.whole_host:
            victim.kill_host()
        else:
            victim.kill_daemon()
        return victim

    def _submit_burst(self, survivors, folder):
        """Jobs submitted while the mesh has just lost a node; those that were acknowledged."""
        acknowledged = []
        for index in range(BURST):
            node = survivors[index % len(survivors)]
            empty = os.path.join(folder, f"burst-{index}")
            os.makedirs(empty)
            done = self.mesh.attempt(node, "run", "-d", "-J", f"burst-{index}", "--", "true", cwd=empty)
            if done.returncode == 0:
                acknowledged.append(int(done.stdout.split()[0]))
        return acknowledged

    def _check_end(self, node, job, ended, reference_lines):
        detail = self.mesh.job(node, job)
        self.attempts = [f"{attempt['number']}:{attempt['node']}" for attempt in detail.attempts]
        if ended.returncode != 0 or detail.state != "succeeded":
            self.wrong.append(f"job {job} ended as {detail.state}, wait exited {ended.returncode}: {ended.stderr.strip()}")
            return
        clean = [attempt for attempt in detail.attempts if attempt.get("exit_code") == 0]
        if len(clean) != 1:
            self.wrong.append(f"{len(clean)} attempts ended with exit code 0")
        lines = self.mesh.command(node, "logs", str(job)).splitlines()
        self.wrong += training.differences(lines, reference_lines)

    def _check_model(self, node, job, path, reference_model):
        fetched = self.mesh.attempt(node, "cp", f"job:{job}:/{training.MODEL}", path)
        if fetched.returncode != 0:
            self.wrong.append(f"{training.MODEL} cannot be fetched: {fetched.stderr.strip()}")
            return
        with open(path, "rb") as stream:
            if stream.read() != reference_model:
                self.wrong.append(f"{training.MODEL} differs from the uninterrupted run's")

    def _check_burst(self, node, burst):
        for job in burst:
            ended = self.mesh.attempt(node, "wait", str(job), seconds=60)
            if ended.returncode != 0:
                self.wrong.append(f"acknowledged job {job}: wait exited {ended.returncode}: {ended.stderr.strip()}")

    def _check_views(self, job):
        views = {node.name: self.mesh.job(node, job) for node in self.mesh.nodes}
        states = {name: view.state if view else None for name, view in views.items()}
        if set(states.values()) != {"succeeded"}:
            self.wrong.append(f"the nodes do not agree: {states}")

    def describe(self):
        what = "host" if self.whole_host else "daemon"
        return (f"{what} {self.victim} after {self.kill_after:.1f} s, down {self.down_seconds:.1f} s; "
                f"submitted on {self.submitter.name}, ran on {self.host or '?'}; attempts {' '.join(self.attempts)}")


def main():
    arguments = argparse.ArgumentParser(prog="scripts/soak", description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--steps", type=int, default=training.STEPS, help="length of the training")
    arguments.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    arguments.add_argument("--keep", action="store_true", help="leave data directories and logs")
    arguments = arguments.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    print(f"soak: seed {seed}, {arguments.rounds} rounds of {arguments.steps} steps", flush=True)
    generator = random.Random(seed)

    binary = meshes.build_binary()
    meshes.exit_on_signals()
    failed = 0
    with meshes.Mesh(binary, "soak", nodes=3, gpus=2, keep=arguments.keep) as mesh:
        reference = training.Reference(mesh.folder, "reference", arguments.steps)
        try:
            mesh.start()
            mesh.wait_alive(mesh.nodes[0], 3, voters=3)
            lines, model = reference.finish()
        finally:
            reference.end()
        seconds = time.monotonic() - reference.started
        for number in range(arguments.rounds):
            one = Round(mesh, number, arguments.steps, seconds, generator)
            started = time.monotonic()
            held = one.execute(lines, model)
            failed += not held
            print(f"{'ok  ' if held else 'FAIL'} round {number} ({time.monotonic() - started:.0f} s): {one.describe()}",
                  flush=True)
            for wrong in one.wrong:
                print(f"      {wrong}", flush=True)
    print(f"soak: seed {seed}: {arguments.rounds - failed} of {arguments.rounds} rounds held", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (MeshError, TimeoutError) as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
