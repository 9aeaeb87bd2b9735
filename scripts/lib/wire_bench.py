"""The wire's benchmarks of scripts/bench: echoes over sessions beside plain TCP and a C server, and what the traffic
classes wait while bulk fills the connection."""

import contextlib
import json
import os
import shutil
import subprocess

import mesh as meshes
from mesh import MeshError
from raft_bench import load_program, output, scratch

SECONDS = 3
C_SERVER = "C epoll echo"
LIMITS_MS = {"control": 5.0, "log": 20.0}


@contextlib.contextmanager
def c_echo_server():
    """The port of an echo server in C that runs meanwhile."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise MeshError("no C compiler for the echo server: clang of the Swift toolchain is not on the PATH")
    program = os.path.join(scratch(), "echo_server")
    subprocess.run([compiler, "-O2", "-o", program, os.path.join(meshes.ROOT, "scripts", "lib", "echo_server.c")],
                   check=True)
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def middle(runs, key):
    return sorted(run[key] for run in runs)[len(runs) // 2]


def bench_session(report, _binary, runs):
    """One connection, one kilobyte there and back at a time; our own client in all of them, so that servers compare."""
    program = load_program()

    def echo(protocol, backend, *port):
        return json.loads(output(program, "echo", protocol, backend, str(SECONDS), *port))

    kinds = [("tcp", "io_uring"), ("session", "io_uring"), ("tcp", "epoll"), ("session", "epoll")]
    theirs, ours = [], {kind: [] for kind in kinds}
    with c_echo_server() as port:
        for _ in range(runs or 3):
            theirs.append(echo("tcp", "epoll", port))
            for kind in kinds:
                ours[kind].append(echo(*kind))
    for kind in kinds:
        name = f"session.{'plain' if kind[0] == 'tcp' else 'encrypted'}.{kind[1]}"
        values = sorted(run["per_second"] for run in ours[kind])
        report.add(f"{name}.rate", middle(ours[kind], "per_second"), "per s", len(values), [values[0], values[-1]],
                   C_SERVER, middle(theirs, "per_second"), higher_is_better=True)
        report.add(f"{name}.p50", middle(ours[kind], "p50_ms"), "ms", len(values), None, C_SERVER,
                   middle(theirs, "p50_ms"))
        # Both sides in one process here; of the C server only our client's half is seen.
        report.add(f"{name}.cpu", middle(ours[kind], "cpu_us"), "us", len(values))


def bench_classes(report, _binary, runs):
    """p99 of 100-byte control and 1-KB log messages, there and back, idle and while four streams of bulk fill the session."""
    program = load_program()
    for name, lane in (("classes.control_p99", "control"), ("classes.append_p99", "log")):
        idle, busy = [], []
        for _ in range(runs or 3):
            idle.append(json.loads(output(program, "classes", lane, "idle", str(SECONDS))))
            busy.append(json.loads(output(program, "classes", lane, "bulk", str(SECONDS))))
        values = sorted(run["p99_ms"] for run in busy)
        report.add(name, middle(busy, "p99_ms"), "ms", len(values), [values[0], values[-1]], "limit", LIMITS_MS[lane])
        report.add(f"{name}.idle", middle(idle, "p99_ms"), "ms", len(idle))
        report.add(f"classes.bulk_beside_{lane}", middle(busy, "bulk_mb_per_second"), "MB/s", len(busy))
