"""Control groups of version 2 with all controllers, as a current distribution has them: real limits, real kills.

Run by scripts/vmlab. Everything is slow in there: what is claimed is what happens, and never when.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "Faults"), os.path.join(HERE, "..", "..", "scripts", "lib")]
import processes  # noqa: E402
from base import MeshCase, meshes  # noqa: E402

GROUPS = "/sys/fs/cgroup"
PATIENCE = 120
WAITING = "import signal; signal.pause()"
DETACHED = """
import os, signal
if os.fork() == 0:
    os.setsid()
    os.fork()
signal.pause()
"""
# As fast as its disk, so that whoever looks sees it go on.
COUNTING = """
import os
with open("count", "a") as stream:
    while True:
        stream.write("x")
        stream.flush()
        os.fsync(stream.fileno())
"""
SPENDING = "while True: pass"


def has_version_2():
    return os.path.exists(os.path.join(GROUPS, "cgroup.controllers"))


@unittest.skipUnless(has_version_2(), "this host has no control groups of version 2: scripts/vmlab")
class ControlGroups(MeshCase):
    def groups(self):
        """The groups of the jobs that run, each a folder."""
        found = glob.glob(os.path.join(GROUPS, "**", "swarmlet", "s*"), recursive=True)
        return [path for path in found if self.read(path, "cgroup.procs")]

    @staticmethod
    def read(group, name):
        try:
            with open(os.path.join(group, name), encoding="ascii") as stream:
                return stream.read().strip()
        except (FileNotFoundError, OSError):
            return ""

    def start(self, program, *flags):
        """A job of this Python program, once it runs; its number, its group and its directory."""
        before = set(self.groups())
        job = self.submit(*flags, "--", "python3", "-c", program)
        self.mesh.wait_running(self.node, job, PATIENCE)
        group = meshes.wait_until(lambda: next(iter(set(self.groups()) - before), None), "its group", PATIENCE)
        return job, group

    def wait_count(self, group):
        """The file in which a job of `COUNTING` counts, once it does."""
        def count():
            processes = self.read(group, "cgroup.procs").split()
            path = os.path.join(os.path.realpath(f"/proc/{processes[-1]}/cwd"), "count") if processes else ""
            return path if os.path.exists(path) and os.path.getsize(path) else None
        return meshes.wait_until(count, "it counts", PATIENCE)

    def test_doctor_names_all_limits(self):
        self.assertRegex(self.node.command("doctor", seconds=PATIENCE),
                         r"limits +ok +cgroup v2: memory enforced, cpu enforced, processes limited, freezer")

    def test_more_memory_than_its_limit_is_told_and_as_much_is_not(self):
        too_much = self.run_job("--mem", "64M", "--", "python3", "-c", "bytearray(300 << 20)", seconds=PATIENCE)
        self.assertEqual(too_much.returncode, 137, too_much.stderr)
        self.assertIn("[job.out_of_memory]", too_much.stderr)
        fits = self.run_job("--mem", "64M", "--", "python3", "-c", "print(len(bytearray(20 << 20)))", seconds=PATIENCE)
        self.assertEqual((fits.returncode, fits.stdout), (0, f"{20 << 20}\n"), fits.stderr)

    def test_who_has_half_a_processor_is_stopped_when_it_is_spent(self):
        job, group = self.start(SPENDING, "--cpus", "0.5")
        meshes.wait_until(lambda: re.search(r"^nr_throttled [1-9]", self.read(group, "cpu.stat"), re.M), "it is stopped",
                          PATIENCE)
        quota, period = map(int, self.read(group, "cpu.max").split())
        self.assertEqual(2 * quota, period)
        self.node.command("cancel", str(job), seconds=PATIENCE)

    def test_the_limits_of_a_group_are_those_that_were_asked_for(self):
        job, group = self.start(WAITING, "--mem", "100M", "--cpus", "2")
        self.assertEqual(self.read(group, "memory.max"), str(100 << 20))
        quota, period = map(int, self.read(group, "cpu.max").split())
        self.assertEqual(quota, 2 * period)
        self.assertLessEqual(int(self.read(group, "pids.max")), 32_768)
        self.node.command("cancel", str(job), seconds=PATIENCE)

    def test_a_paused_job_is_frozen_and_goes_on(self):
        job, group = self.start(COUNTING)
        count = self.wait_count(group)
        self.node.command("pause", str(job), seconds=PATIENCE)
        meshes.wait_until(lambda: re.search(r"^frozen 1$", self.read(group, "cgroup.events"), re.M), "it is frozen",
                          PATIENCE)
        frozen = os.path.getsize(count)
        self.node.command("resume", str(job), seconds=PATIENCE)
        meshes.wait_until(lambda: os.path.getsize(count) > frozen, "it goes on", PATIENCE)
        self.node.command("cancel", str(job), seconds=PATIENCE)

    def test_nothing_of_a_cancelled_job_is_left_not_even_what_left_its_session(self):
        job, group = self.start(DETACHED)
        meshes.wait_until(lambda: len(self.read(group, "cgroup.procs").split()) >= 4, "its grandchild runs", PATIENCE)
        self.node.command("cancel", str(job), seconds=PATIENCE)
        meshes.wait_until(lambda: not os.path.exists(group), "its group is gone", PATIENCE)

    def test_a_job_outlives_its_daemon_within_its_limits(self):
        job, group = self.start(COUNTING, "--mem", "100M")
        count = self.wait_count(group)
        self.node.kill_daemon()
        self.node.start_again()
        counted = os.path.getsize(count)
        meshes.wait_until(lambda: os.path.getsize(count) > counted, "it goes on", PATIENCE)
        self.assertEqual(self.read(group, "memory.max"), str(100 << 20))
        self.node.command("cancel", str(job), seconds=PATIENCE)
        meshes.wait_until(lambda: not os.path.exists(group), "its group is gone", PATIENCE)

    def test_what_it_used_is_what_its_group_says(self):
        done = self.run_job("--mem", "200M", "--", "python3", "-c",
                            "block = bytearray(60 << 20)\nimport time\nwhile time.process_time() < 1: pass",
                            seconds=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        attempt = self.mesh.job(self.node, self.mesh.newest_job(self.node)).newest_attempt
        self.assertGreaterEqual(attempt["usage"]["peak_memory_bytes"], 60 << 20, attempt)
        self.assertGreaterEqual(attempt["usage"]["cpu_seconds"], 1, attempt)

    def test_a_strict_job_runs(self):
        done = self.run_job("--profile", "strict", "--", "sh", "-c", "id -u; ls /sys/fs/cgroup | wc -l",
                            seconds=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(done.stdout.split()[0], "0")

    def test_a_strict_job_in_a_sandbox_that_stood_ready_has_its_own_limits(self):
        self.assertEqual(self.run_job("--profile", "strict", "--", "true", seconds=PATIENCE).returncode, 0)
        waiting = str(meshes.wait_until(self.node.ready_pids, "a sandbox stands ready", PATIENCE)[0][1])
        ready = next(path for path in self.groups() if waiting in self.read(path, "cgroup.procs").split())
        job = self.submit("--profile", "strict", "--mem", "100M", "--", "python3", "-c", WAITING)
        self.mesh.wait_running(self.node, job, PATIENCE)
        self.assertIn(waiting, self.read(ready, "cgroup.procs").split())
        self.assertEqual(self.read(ready, "memory.max"), str(100 << 20))
        self.node.command("cancel", str(job), seconds=PATIENCE)
        too_much = self.run_job("--profile", "strict", "--mem", "64M", "--", "python3", "-c", "bytearray(300 << 20)",
                                seconds=PATIENCE)
        self.assertEqual(too_much.returncode, 137, too_much.stderr)
        self.assertIn("[job.out_of_memory]", too_much.stderr)


@unittest.skipUnless(has_version_2() and os.geteuid() == 0, "takes control groups of version 2, and root to give some away")
class DelegatedGroups(unittest.TestCase):
    """A daemon that is not root, in a group that was given to its user: as a service manager does with Delegate=yes."""

    USER = 61_234

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="swarmlet-delegated-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        self.binary = shutil.copy(meshes.build_binary(), os.path.join(self.folder, "swarmlet"))
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        os.chown(self.home, self.USER, self.USER)
        self.group = os.path.join(GROUPS, os.path.basename(self.folder))
        os.mkdir(self.group)
        for name in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
            os.chown(os.path.join(self.group, name), self.USER, self.USER)

    def enter(self):
        with open(os.path.join(self.group, "cgroup.procs"), "w", encoding="ascii") as stream:
            stream.write("0")
        os.setgroups([])
        os.setgid(self.USER)
        os.setuid(self.USER)

    def swarmlet(self, *arguments, inside=False):
        """As the user; what starts the daemon is inside the group."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "SWARMLET_DATA_DIR": os.path.join(self.home, "data")}
        who = {"preexec_fn": self.enter} if inside else {"user": self.USER, "group": self.USER, "extra_groups": []}
        return subprocess.run([self.binary, *arguments], cwd=self.home, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, **who)

    def end_daemon(self):
        with open(os.path.join(self.home, "data", "daemon.pid"), encoding="ascii") as stream:
            processes.kill_tree([int(stream.read().split()[0])])

    def test_a_user_to_whom_a_group_was_given_limits_his_jobs(self):
        up = self.swarmlet("up", "--listen", "127.0.0.1:0", inside=True)
        self.assertEqual(up.returncode, 0, up.stderr)
        self.addCleanup(self.end_daemon)
        self.assertRegex(self.swarmlet("doctor").stdout, r"limits +ok +cgroup v2: memory enforced, cpu enforced")
        too_much = self.swarmlet("run", "--no-send", "--mem", "64M", "--", "python3", "-c", "bytearray(300 << 20)")
        self.assertEqual(too_much.returncode, 137, too_much.stderr)
        self.assertIn("[job.out_of_memory]", too_much.stderr)
        fits = self.swarmlet("run", "--no-send", "--mem", "64M", "--", "echo", "here")
        self.assertEqual((fits.returncode, fits.stdout), (0, "here\n"), fits.stderr)


if __name__ == "__main__":
    unittest.main()
