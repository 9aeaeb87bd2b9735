"""Escapes from the sandbox (rows S01 to S16), most of them by the tests of Tests/Faults/test_sandbox.py.

Those are the attacks, each beside something ordinary that works; here they run on a node of the shared mesh, in both
profiles, and what has to hold after every row of the red team is looked at as well.
"""

import io
import json
import os
import re
import shutil
import unittest

import test_sandbox
from team import ROOT, Fell, LayerMissing, row, wait_until

STRICT, STANDARD = "strict", "standard"


def tests_of(prefix):
    """Names of the attacks of one row, by class."""
    for case, profile in (
        (test_sandbox.Everybody, STRICT),
        (test_sandbox.Members, STANDARD),
        (test_sandbox.Strangers, STRICT),
    ):
        names = [name for name in unittest.TestLoader().getTestCaseNames(case) if name.startswith(f"test_{prefix}_")]
        if names:
            yield case, profile, names


def run_all(team, *prefixes, needs=1):
    """Runs the attacks on the first node, while the others take no work; how many there were. A failure is a fall."""
    if not team.is_root:
        raise LayerMissing("root")
    if not team.is_strict:
        raise LayerMissing("what profile strict needs: swarmlet doctor names it")
    count, skipped = 0, []
    others = [node.name for node in team.mesh.nodes[1:]]
    for name in others:
        team.node.command("node", "cordon", name)
    try:
        for prefix in prefixes:
            for case, profile, names in tests_of(prefix):
                live = type(
                    f"Live{case.__name__}", (case,), {"setUpClass": classmethod(lambda cls: None), "profile": profile}
                )
                live.mesh, live.node = team.mesh, team.node
                for name in names:
                    shutil.rmtree(os.path.join(team.mesh.folder, "work", name), ignore_errors=True)
                result = unittest.TextTestRunner(stream=io.StringIO()).run(
                    unittest.TestSuite(live(name) for name in names)
                )
                for test, trace in result.errors:
                    # It could not be tried, or did not end in time: no word about what holds.
                    raise RuntimeError(
                        f"{test.id().rsplit('.', 1)[1]} in {profile}: {trace.strip().splitlines()[-1][:300]}"
                    )
                for test, trace in result.failures:
                    raise Fell(f"{test.id().rsplit('.', 1)[1]} in {profile}: {trace.strip().splitlines()[-1][:300]}")
                skipped += [f"{test.id().rsplit('.', 1)[1]}: {why}" for test, why in result.skipped]
                count += result.testsRun - len(result.skipped)
    finally:
        for name in others:
            team.node.command("node", "uncordon", name)
    if skipped:
        team.part("; ".join(skipped))
    assert count >= needs, f"only {count} attacks of {prefixes}"
    return count


PLAN = "Tests/GPUBackendTests/SandboxPlanTests.swift"
FILTER = "Tests/GPUBackendTests/SystemCallFilterTests.swift"


def live(name, attack, expected, *prefixes, part=None, suites=()):
    """A row whose attacks are those of the fault tests of these names."""

    def run(team):
        count = run_all(team, *prefixes)
        if part:
            team.part(part)
        return f"{count} attacks from real jobs of profiles strict and standard refused, their neighbours work"

    row(name, attack, expected, root=True, suites=suites)(run)


live(
    "S01",
    "read passwords, homes, keys, other jobs, docker, other processes, devices, kernel logs",
    "ENOENT or EACCES",
    "s01",
)
live("S02", "environment, descriptors and directory of the node", "only descriptors 0 to 2", "s02")
live("S03", "overwrite the launcher through /proc/self/exe", "host's program unchanged", "s03")
live(
    "S04",
    "mounts, links in the target of a mount, kernel controls, masked paths",
    "nothing outside changed",
    "s04",
    part="races in the middle of a mount: what is mounted is taken as a detached tree while names still mean the host's",
)
live("S05", "another user namespace, setns, ptrace, process_vm_readv, kcmp, pidfd_getfd", "EPERM or ENOSYS", "s05")
live("S06", "set-user-ID programs, file capabilities, LD_PRELOAD into the launcher", "no privilege", "s06")
live("S07", "control groups: release_agent, cgroup.procs, devices, limits", "out of reach", "s07")
live(
    "S11",
    "TIOCSTI, key rings, io_uring, bpf, userfaultfd, perf, x32, int 0x80, every call",
    "EPERM, ENOSYS or killed",
    "s11",
)
live("S13", "signals and memory of the node and of other jobs, limits, /proc/sys", "EPERM", "s13")


@row(
    "S08",
    "mknod, other devices, GPUs that were not granted",
    "EPERM, or not there",
    root=True,
    suites=[(PLAN, "@Test")],
)
def devices(team):
    count = run_all(team, "s08")
    done = team.run_job(
        "--gpus", "1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; ls /dev | grep -c nvidia", node=team.node
    )
    none = team.run_job("--", "sh", "-c", "echo [$CUDA_VISIBLE_DEVICES]", node=team.node)
    team.check(
        done.stdout.split()[:1] != [""] and "," not in done.stdout.splitlines()[0],
        f"one GPU asked, given {done.stdout}",
    )
    team.check(none.stdout.strip() in ("[]", "[-1]", "[none]", "[void]"), f"no GPU asked, given {none.stdout}")
    if not os.path.exists("/dev/nvidia0"):
        team.part("real devices, MIG instances and nvidia-uvm: this host has no GPU")
    return f"{count} attacks refused; a job is told of the simulated GPU that it asked for, and of none without"


@row(
    "S09",
    "what a job left in GPU memory is read by the next",
    "not found in a full scan",
    root=True,
    suites=[("Tests/Faults/test_tenants.py", "test_nobody_finds_what_another_left_and_who_comes_back_waits_for_nothing")],
)
def remanence(team):
    if not os.path.exists("/dev/nvidia0"):
        raise LayerMissing("a GPU: /dev/nvidia0 is not there (with drivers without hardware: Tests/Faults/test_tenants.py)")
    probe = os.path.join(os.path.dirname(os.path.abspath(test_sandbox.__file__)), "gpu_memory_probe.py")
    with team.own_mesh(nodes=1, gpus=0) as mesh:
        said = []
        for word in ("leave", "look"):
            # Of one tenant and then of another: a strict job, and one that is not.
            profile = "strict" if word == "leave" else "standard"
            shutil.copy(probe, team.folder("remanence"))
            done = mesh.attempt(
                mesh.nodes[0],
                *("run", "--gpus", "1", "--profile", profile, "--", "python3", "gpu_memory_probe.py", word),
                cwd=team.folder("remanence"),
                seconds=300,
            )
            team.check(done.returncode == 0, f"{word}: {done.stderr}")
            said.append(done.stdout.strip())
    team.check(said[1].startswith("found in 0 MiB of "), f"{said[0]}; the next one {said[1]}")
    return f"{said[0]}; the next one {said[1]}"


@row(
    "S10",
    "network: 127.0.0.1, mesh port, metadata, other jobs, raw, vsock, abstract sockets, netlink",
    "refused unless granted",
    root=True,
)
def networks(team):
    count = run_all(team, "s10")
    team.in_lab("-m", "unittest", "discover", "-s", os.path.join(ROOT, "Tests", "Netlab"), "-k", "Strangers")
    return (
        f"{count} attacks refused; own loopback works. Granted: a host of another network is reached through the proxy, "
        "this one, its cloud and the mesh are not; ARP has no interface, names are asked for by the proxy alone"
    )


@row(
    "S12",
    "outlive the job: daemonize, ignore TERM, reparent, a writer in the background",
    "no process left, directory removed",
    root=True,
)
def outliving(team):
    # The other of this row kills supervisor and daemon of its node.
    pid = team.node.daemon_pid()
    case = next(case for case, profile, _ in tests_of("s12") if profile == STRICT)
    for profile in (STRICT, STANDARD):
        one = type("LiveS12", (case,), {"setUpClass": classmethod(lambda cls: None), "profile": profile})
        one.mesh, one.node = team.mesh, team.node
        for name in [node.name for node in team.mesh.nodes[1:]]:
            team.node.command("node", "cordon", name)
        try:
            result = unittest.TextTestRunner(stream=io.StringIO()).run(one("test_s12_nothing_outlives_it"))
        finally:
            for name in [node.name for node in team.mesh.nodes[1:]]:
                team.node.command("node", "uncordon", name)
        for _, trace in [*result.failures, *result.errors]:
            raise Fell(trace.strip().splitlines()[-1][:300])
    team.check(team.node.daemon_pid() == pid, "the daemon ended")
    team.check(
        test_sandbox.Everybody.test_s12_it_dies_with_its_supervisor_and_lives_on_without_the_daemon is not None, "gone"
    )
    return "of four processes that would outlive their job none was left, in both profiles; with a killed supervisor: test_sandbox.py"


@row("S14", "the program is exchanged between the check and its start", "what was checked runs, or nothing", root=True)
def exchanged(team):
    folder = team.folder("exchange")
    with open(os.path.join(folder, "run.sh"), "w", encoding="ascii") as stream:
        stream.write("#!/bin/sh\necho sent; cat run.sh | md5sum\n")
    os.chmod(os.path.join(folder, "run.sh"), 0o755)
    job = team.start_job("--profile", "strict", "--", "sh", "-c", "sleep 1; ./run.sh", name="exchange")
    # The sender changes it while the job is under way, and so does another job that would reach into its directory.
    with open(os.path.join(folder, "run.sh"), "w", encoding="ascii") as stream:
        stream.write("#!/bin/sh\necho exchanged\n")
    team.wait_job(job)
    said = team.node.command("logs", str(job))
    team.check(said.startswith("sent\n"), f"it ran what was put there later: {said}")
    done = team.run_job(
        "--profile",
        "strict",
        "--",
        "sh",
        "-c",
        "cp /bin/true p; (while :; do ln -sf /etc/shadow q; ln -sf p q; done) & for i in $(seq 200); do ./q 2>/dev/null; cat q | head -c 1 "
        ">/dev/null 2>&1; done; id -u; kill %1 2>/dev/null; echo end",
        name="exchange",
    )
    team.check("end" in done.stdout and done.stdout.split()[0] != "0", f"{done.stdout} {done.stderr}")
    team.part(
        "names that are swapped between lookup and execve lead to nothing that the job could not execute itself: by construction, raced 200 times"
    )
    return "a file that was changed after it was sent ran as sent; swapping names inside gave nothing more"


@row(
    "S15",
    "a layer is missing: control groups, namespaces, Landlock, seccomp",
    "strict refuses and names it",
    root=True,
    suites=[
        ("Tests/Faults/test_rootless.py", "test_s15_without_groups_the_layer_is_named_and_nothing_is_left_out_quietly")
    ],
)
def layers(team):
    import test_rootless

    result = unittest.TextTestRunner(stream=io.StringIO()).run(
        test_rootless.AsSomebodyElse("test_s15_without_groups_the_layer_is_named_and_nothing_is_left_out_quietly")
    )
    for _, trace in [*result.failures, *result.errors]:
        raise Fell(trace.strip().splitlines()[-1][:300])
    for _, why in result.skipped:
        raise LayerMissing(why)
    done = team.run_job("--profile", "strict", "--", "echo", "whole")
    team.check(done.stdout == "whole\n", f"where nothing is missing it is refused: {done.stderr}")
    team.part("a kernel without Landlock or seccomp: this host has both")
    return "without control groups strict is refused by the layer's name and standard works; where all are there strict runs"


@row("S16", "1,000 jobs: mounts, namespaces, control groups, temporary files", "nothing grows", root=True)
def residue(team):
    count = 1_000 if team.is_long else 100

    def counts():
        found = {"mounts": 0, "namespaces": set(), "groups": 0, "files": 0}
        with open("/proc/mounts", encoding="utf-8") as stream:
            found["mounts"] = len(stream.readlines())
        for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
            try:
                command = open(f"/proc/{pid}/cmdline", "rb").read()
                if team.mesh.folder.encode() in command:
                    for kind in ("mnt", "pid", "net", "user"):
                        found["namespaces"].add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
        found["namespaces"] = len(found["namespaces"])
        for base, folders, _ in os.walk("/sys/fs/cgroup"):
            found["groups"] += sum(bool(re.search(r"swarmlet", folder)) for folder in folders)
        for node in team.mesh.nodes:
            work = os.path.join(node.data, "supervisors")
            found["files"] += len(os.listdir(work)) if os.path.isdir(work) else 0
        found["files"] += sum("swarmlet" in name for name in os.listdir("/tmp"))
        return found

    done = team.run_job("--array", "10", "--profile", "strict", "--no-send", "--", "true", seconds=120)
    team.check(done.returncode == 0, done.stderr)
    wait_until(lambda: not any(team.mesh.job_processes().values()), "the jobs are gone", 30)
    before = counts()
    done = team.run_job("--array", str(count), "--profile", "strict", "--no-send", "--", "true", seconds=600)
    team.check(done.returncode == 0, done.stderr)
    allowed = {"mounts": 0, "namespaces": 16, "groups": 40, "files": 12}
    try:
        wait_until(
            lambda: all(counts()[what] <= before[what] + more for what, more in allowed.items()), "all is gone", 30, 0.5
        )
    except Exception as error:
        raise Fell(f"after {count} jobs: {before} became {counts()}") from error
    team.check(counts()["mounts"] <= before["mounts"], "mounts were left")
    if not team.is_long:
        team.part(f"1,000 jobs: {count} here, all with --long")
    return f"{count} strict jobs: {json.dumps(before)} became {json.dumps(counts())}"
