"""Measures real daemons on this machine: JSON lines on stdout, a table on stderr.

  scripts/bench                   everything
  scripts/bench size submit       some: size rss start join submit tasks recovery raft-core raft raft-recovery
                                  session classes sandbox adopt logs idle tokens gossip
  scripts/bench recovery --runs 5 fewer repetitions than the default of each

A machine that does other work measures that too: compare a value with the peer or limit of the same run, not with a
number from another day.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import gossip_bench
import hands_bench
import mesh as meshes
import processes
import raft_bench
import sandbox_bench
import state_bench
import token_bench
import training
import wire_bench
from mesh import Mesh, MeshError, wait_until

LIMIT_BYTES = 15_000_000


def percentile(values, part):
    """The value below which the given part of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Report:
    """Prints each line as it is known and all of them as a table at the end."""

    def __init__(self):
        self.lines = []

    def add(self, name, value, unit, runs=1, spread=None, peer=None, peer_value=None, higher_is_better=False):
        """`spread` is [lowest, highest] of the runs, for a percentile its neighbours in half and double rank."""
        ratio = None
        if peer_value and value:
            ratio = value / peer_value if higher_is_better else peer_value / value
        line = {"name": name, "value": rounded(value), "unit": unit, "peer": peer, "peer_value": rounded(peer_value),
                "ratio": rounded(ratio), "runs": runs, "spread": [rounded(each) for each in spread] if spread else None}
        self.lines.append(line)
        print(json.dumps(line, separators=(",", ":")), flush=True)

    def table(self):
        header = ["name", "value", "unit", "peer", "peer's value", "ratio", "runs", "spread"]
        rows = [header]
        for line in self.lines:
            spread = " to ".join(f"{each:g}" for each in line["spread"]) if line["spread"] else None
            cells = [line["name"], line["value"], line["unit"], line["peer"], line["peer_value"], line["ratio"],
                     line["runs"], spread]
            rows.append(["-" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell)
                         for cell in cells])
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), file=sys.stderr)


def rounded(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def empty_folder(mesh, name):
    folder = os.path.join(mesh.folder, name)
    os.makedirs(folder, exist_ok=True)
    return folder


def bench_size(report, binary, _runs):
    report.add("size.stripped", os.path.getsize(binary), "bytes", peer="limit", peer_value=LIMIT_BYTES)


def bench_rss(report, binary, runs):
    """The largest of three daemons that have a mesh and nothing to do."""
    with Mesh(binary, "rss") as mesh:
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        values = []
        for _ in range(runs or 10):
            time.sleep(1)
            values.append(max(processes.resident_bytes(node.daemon_pid()) for node in mesh.nodes) / 1e6)
        report.add("rss.idle", max(values), "MB", len(values), [min(values), max(values)])


def bench_start(report, binary, runs):
    """`up` on a host that has been in a mesh of one node, from typing it to its return when the node is ready."""
    with Mesh(binary, "start", nodes=1) as mesh:
        node = mesh.nodes[0]
        mesh.start()
        values = []
        for _ in range(runs or 20):
            node.kill_daemon()
            started = time.monotonic()
            node.start_again()
            values.append((time.monotonic() - started) * 1000)
        report.add("start.ready", percentile(values, 0.5), "ms", len(values), [min(values), max(values)])


def fsync_milliseconds(folder, runs):
    """How long an append of 4 KiB takes to reach the disk under the folder."""
    values = []
    with open(os.path.join(folder, "fsync"), "wb", buffering=0) as stream:
        for _ in range(runs):
            stream.write(b"\0" * 4096)
            started = time.monotonic()
            os.fsync(stream.fileno())
            values.append((time.monotonic() - started) * 1000)
    return values


def bench_submit(report, binary, runs):
    """From typing `run` to the first instruction of the job's own process, through three voters."""
    runs = runs or 200
    with Mesh(binary, "submit") as mesh:
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        folder = empty_folder(mesh, "work")
        values, fsyncs = [], []
        for number in range(runs):
            node = mesh.nodes[number % 3]
            fsyncs += fsync_milliseconds(mesh.folder, 2)
            started = time.time_ns()
            said = mesh.command(node, "run", "--no-send", "--", "/bin/date", "+%s%N", cwd=folder)
            values.append((int(said.split()[0]) - started) / 1e6)
        disk = percentile(fsyncs, 0.5)
        report.add("fsync.p50", disk, "ms", len(fsyncs), [percentile(fsyncs, 0.25), percentile(fsyncs, 0.75)])
        report.add("submit.p50", percentile(values, 0.5), "ms", runs,
                   [percentile(values, 0.25), percentile(values, 0.75)], "3 fsyncs of this run + 2 ms", 3 * disk + 2)
        report.add("submit.p99", percentile(values, 0.99), "ms", runs, [percentile(values, 0.95), max(values)])


def spawn_rates(folder, count, parallel):
    """Children per second of a bare spawn loop, without and with namespaces; None where the host refuses them."""
    program = os.path.join(folder, "spawn_loop")
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise MeshError("no C compiler for the spawn loop: clang of the Swift toolchain is not on the PATH")
    source = os.path.join(meshes.ROOT, "scripts", "lib", "spawn_loop.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    rates = []
    for flags in ([], ["--isolate"]):
        done = subprocess.run([program, str(count), str(parallel), *flags, "/bin/true"], capture_output=True, text=True)
        if done.returncode != 0:
            note(f"spawn loop {' '.join(flags)}: {done.stderr.strip()}")
        rates.append(float(done.stdout.split()[0]) if done.returncode == 0 else None)
    return rates


def bench_tasks(report, binary, runs):
    """Arrays of 1,000 and 10,000 `true` on one node, each beside the loop that does nothing but start processes."""
    parallel = os.cpu_count()
    with Mesh(binary, "tasks", nodes=1) as mesh:
        mesh.start()
        folder = empty_folder(mesh, "work")
        for count, times in ((1_000, runs or 3), (10_000, min(runs or 1, 3))):
            values, bare, isolated = [], [], []
            for _ in range(times):
                rates = spawn_rates(mesh.folder, min(count, 2_000), parallel)
                bare.append(rates[0])
                isolated += [rates[1]] if rates[1] else []
                started = time.monotonic()
                mesh.command(mesh.nodes[0], "run", "--no-send", "--array", str(count), "--", "true", cwd=folder,
                             seconds=300)
                values.append(count / (time.monotonic() - started))
            name, spread = f"tasks.{count}", [min(values), max(values)]
            if isolated:
                report.add(name, percentile(values, 0.5), "per s", len(values), spread,
                           "spawn loop with pid, mount and ipc namespaces", percentile(isolated, 0.5),
                           higher_is_better=True)
            report.add(name, percentile(values, 0.5), "per s", len(values), spread, "bare posix_spawn loop",
                       percentile(bare, 0.5), higher_is_better=True)


def bench_recovery(report, binary, runs):
    """SIGKILL of a job's host to the first line of the resumed process, followed from another host."""
    runs = runs or 20
    endless = 1_000_000
    values = []
    with Mesh(binary, "recovery") as mesh:
        mesh.start()
        for number in range(runs):
            mesh.wait_alive(mesh.nodes[0], 3)
            run, submitter, host, job = start_elsewhere(mesh, number, endless)
            run.wait_line(lambda line: (training.step_of(line) or 0) >= 40, "the training goes on", 60)
            wait_until(lambda: mesh.job(submitter, job).checkpoints, "a checkpoint is safe", 30)
            killed = time.monotonic()
            host.kill_host()
            resumed, _ = run.wait_line(lambda line: training.resumed_step(line) is not None, "the training resumes", 60,
                                       after=killed)
            values.append(resumed - killed)
            note(f"recovery {number + 1} of {runs}: {values[-1]:.2f} s")
            submitter.command("cancel", str(job))
            run.finish(60)
            host.start_again()
    report.add("recovery.median", percentile(values, 0.5), "s", runs, [min(values), max(values)])
    report.add("recovery.worst", max(values), "s", runs)


def start_elsewhere(mesh, number, steps):
    """A followed training whose host is not the node that it was submitted on."""
    for turn, submitter in enumerate(mesh.nodes):
        folder = training.work_folder(mesh.folder, f"work-{number}-{turn}")
        before = mesh.newest_job(submitter)
        run = mesh.run(submitter, *training.run_arguments(steps, "1s"), cwd=folder)
        job = wait_until(lambda: (lambda newest: newest if newest != before else None)(mesh.newest_job(submitter)),
                         "the job is known", 20)
        host = mesh.wait_running(submitter, job)
        if host != submitter.name:
            return run, submitter, mesh.node(host), job
        submitter.command("cancel", str(job))
        run.finish(30)
    raise MeshError("every submit landed on the node that it was typed on")


BENCHES = {"size": bench_size, "rss": bench_rss, "start": bench_start, "join": gossip_bench.bench_join, "submit": bench_submit,
           "tasks": bench_tasks, "recovery": bench_recovery, "raft-core": raft_bench.bench_raft_core,
           "raft": raft_bench.bench_raft, "raft-recovery": raft_bench.bench_raft_recovery,
           "state": state_bench.bench_state,
           "session": wire_bench.bench_session, "classes": wire_bench.bench_classes,
           "sandbox": sandbox_bench.bench_sandbox, "adopt": hands_bench.bench_adopt,
           "logs": hands_bench.bench_logs, "idle": hands_bench.bench_idle,
           "tokens": token_bench.bench_tokens, "gossip": gossip_bench.bench_gossip}


def main():
    arguments = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    arguments.add_argument("--runs", type=int, default=None)
    arguments.add_argument("--minutes", type=float, default=gossip_bench.minutes,
                           help="length of the quiet and of the loaded time of gossip (30)")
    arguments = arguments.parse_args()
    gossip_bench.minutes = arguments.minutes
    unknown = [name for name in arguments.names if name not in BENCHES]
    if unknown:
        print(f"bench: no bench is named {unknown[0]}; there are: {' '.join(BENCHES)}", file=sys.stderr)
        return 2

    binary = meshes.build_binary()
    if arguments.names == ["gossip"]:
        gossip_bench.move_to_own_network(binary)
    meshes.exit_on_signals()
    report, failed = Report(), []
    for name in arguments.names or BENCHES:
        note(name)
        try:
            BENCHES[name](report, binary, arguments.runs)
        except (MeshError, TimeoutError) as error:
            note(f"{name} failed: {error}")
            failed.append(name)
    report.table()
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
