"""What the sandbox costs: from the moment a supervisor takes an attempt to the moment its command runs, by profile, and
the tasks per second under each."""

import json
import os
import shutil
import statistics
import struct
import subprocess
import time

import mesh as meshes
from mesh import Mesh, MeshError, wait_until

PROFILES = ("none", "standard", "strict")
IN_C = {"none": [], "standard": ["--isolate"], "strict": ["--isolate-strict"]}
ACCEPTED, STARTED = 2, 3


def decoded(data, at=0):
    """One CBOR item of a supervisor's journal (RFC 8949, definite lengths) and the place after it."""
    kind, extra = data[at] >> 5, data[at] & 31
    at += 1
    if extra >= 24:
        size = 1 << (extra - 24)
        extra, at = int.from_bytes(data[at:at + size], "big"), at + size
    if kind == 0:
        return extra, at
    if kind == 1:
        return -1 - extra, at
    if kind in (2, 3):
        return data[at:at + extra], at + extra
    if kind == 4:
        items = []
        for _ in range(extra):
            item, at = decoded(data, at)
            items.append(item)
        return items, at
    if kind == 5:
        pairs = {}
        for _ in range(extra):
            key, at = decoded(data, at)
            pairs[key], at = decoded(data, at)
        return pairs, at
    return extra, at


def records(path):
    with open(path, "rb") as stream:
        data = stream.read()
    at = 0
    while at + 8 <= len(data):
        length, _checksum = struct.unpack_from("<II", data, at)
        if at + 8 + length > len(data):
            return
        yield decoded(data, at + 8)[0]
        at += 8 + length


def start_milliseconds(mesh, profile, count, folder):
    """From the acceptance of each task of an array by its supervisor to its exec, one at a time."""
    node = mesh.nodes[0]
    cpus = max(1, (os.cpu_count() or 2) // 2)
    # Task 0 stays, so that the supervisor and its journal do.
    script = "[ $SWARMLET_TASK_ID != 0 ] || exec sleep 600"
    job = mesh.command(node, "run", "-d", "--no-send", "--profile", profile, "--cpus", str(cpus), "--array",
                       str(count + 1), "--", "sh", "-c", script, cwd=folder).split()[0]
    journal = os.path.join(node.data, "supervisors", job, "journal")

    def others_ended():
        found = json.loads(mesh.command(node, "ps", "--json"))["jobs"]
        return any(str(one["id"]) == job and one["tasks_ended"] >= count for one in found)

    try:
        wait_until(others_ended, f"the tasks of job {job} have ended", seconds=240, every=0.2)
        accepted, taken = {}, []
        for record in records(journal):
            key = json.dumps(record[1], default=repr) if record[0] in (ACCEPTED, STARTED) else None
            if record[0] == ACCEPTED:
                accepted[key] = record[3]
            elif record[0] == STARTED and key in accepted:
                taken.append((record[4] - accepted[key]) / 1e6)
    finally:
        mesh.attempt(node, "cancel", job)
        wait_until(lambda: job not in node.supervisor_pids(), "its supervisor is gone", seconds=30)
    if len(taken) < count // 2:
        raise MeshError(f"only {len(taken)} of {count} starts are in {journal}")
    return taken


def ready_milliseconds(mesh, count, folder):
    """As start_milliseconds, of strict jobs one after another, each in the sandbox that stood ready for it."""
    node = mesh.nodes[0]

    taken = []
    # The first tells the host what to expect.
    for number in range(count + 1):
        if number:
            wait_until(node.ready_pids, "a sandbox stands ready", seconds=30)
        ready = [first for _, first in node.ready_pids()]
        job = mesh.command(node, "run", "-d", "--no-send", "--profile", "strict", "--", "sleep", "600",
                           cwd=folder).split()[0]
        journal = os.path.join(node.data, "supervisors", job, "journal")

        def found():
            kinds = {record[0]: record for record in records(journal)} if os.path.exists(journal) else {}
            return (kinds[ACCEPTED], kinds[STARTED]) if STARTED in kinds else None

        try:
            wait_until(found, f"job {job} runs", seconds=30)
            accepted, started = found()
        finally:
            mesh.attempt(node, "cancel", job)
            wait_until(lambda name=job: name not in node.supervisor_pids(), "its supervisor is gone", seconds=30)
        if started[2] in ready:
            taken.append((started[4] - accepted[3]) / 1e6)
    if len(taken) < count * 9 // 10:
        raise MeshError(f"only {len(taken)} of {count} jobs began in a sandbox that stood ready")
    return taken


def spawn_loop(folder, count, *flags):
    """In C, posix_spawn and its wait, or such namespaces: children per second, and p50 and p99 of the milliseconds to the
    exec of one."""
    program = os.path.join(folder, "spawn_loop")
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise MeshError("no C compiler for the spawn loop: clang of the Swift toolchain is not on the PATH")
    source = os.path.join(meshes.ROOT, "scripts", "lib", "spawn_loop.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    said = subprocess.run([program, str(count), *flags, "/bin/true"], capture_output=True, text=True, check=True).stdout
    return [float(word) for word in said.split()]


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def bench_sandbox(report, binary, runs):
    """Starts in each profile, in turns, beside a bare spawn; then arrays of 1,000 `true`."""
    count = 100
    with Mesh(binary, "sandbox", nodes=1) as mesh:
        mesh.start()
        folder = os.path.join(mesh.folder, "work")
        os.makedirs(folder, exist_ok=True)
        checks = json.loads(mesh.attempt(mesh.nodes[0], "doctor", "--json").stdout)["checks"]
        best = next(check["detail"].split(":")[0] for check in checks if check["check"] == "sandbox")
        profiles = PROFILES[:PROFILES.index(best) + 1]
        bare, taken, rates = [], {profile: [] for profile in profiles}, {profile: [] for profile in profiles}
        limits = {profile: [] for profile in profiles}
        ready = []
        for _ in range(runs or 3):
            bare.append(1000 / spawn_loop(mesh.folder, 1_000, "1")[0])
            for profile in profiles:
                taken[profile] += start_milliseconds(mesh, profile, count, folder)
                limits[profile].append(spawn_loop(mesh.folder, 200, "1", *IN_C[profile])[1:])
            if best == "strict" and os.geteuid() == 0:
                ready += ready_milliseconds(mesh, count, folder)
        for profile in profiles:
            for index, (name, part) in enumerate((("p50", 0.5), ("p99", 0.99))):
                report.add(f"sandbox.{profile}.{name}", quantile(taken[profile], part) - statistics.median(bare),
                           "ms above a bare spawn", len(taken[profile]), None, "such namespaces in C to exec",
                           statistics.median(limit[index] for limit in limits[profile]))
        if ready:
            for name, part in (("p50", 0.5), ("p99", 0.99)):
                report.add(f"sandbox.ready.{name}", quantile(ready, part) - statistics.median(bare),
                           "ms above a bare spawn", len(ready))
        isolated = []
        for _ in range(runs or 3):
            isolated.append(spawn_loop(mesh.folder, 1_000, str(os.cpu_count() or 1), "--isolate")[0])
            for profile in profiles:
                started = time.monotonic()
                mesh.command(mesh.nodes[0], "run", "--no-send", "--profile", profile, "--array", "1000", "--", "true",
                             cwd=folder, seconds=300)
                rates[profile].append(1_000 / (time.monotonic() - started))
        for profile in profiles:
            report.add(f"tasks.{profile}", statistics.median(rates[profile]), "per s", len(rates[profile]),
                       [min(rates[profile]), max(rates[profile])], "such namespaces in C, without all the rest",
                       statistics.median(isolated), higher_is_better=True)
