"""Disks that are full or fail under a voter's log: the voter stops and says so, the mesh goes on, and it comes back by itself."""

import ctypes
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import processes  # noqa: E402
from base import meshes  # noqa: E402
from test_damage import DamageCase  # noqa: E402

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 1 << 18, 2
DISK_MIB = 48
libc = ctypes.CDLL(None, use_errno=True)


def own_mounts():
    """A mount namespace for this process and the daemons it starts; why not, where that is not allowed."""
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return os.strerror(ctypes.get_errno())
    return None


class DiskCase(DamageCase):
    joined = False

    def say_stopped(self, node, what):
        """Doctor and refused commands of a node whose log failed."""
        meshes.wait_until(lambda: self.check(node)["result"] == "FAIL", f"{node.name} has stopped")
        line = self.check(node)
        self.assertIn("this node takes no part in its mesh: ", line["detail"])
        self.assertIn(what, line["detail"])
        self.assertIn(f"{node.data}/raft.db", line["detail"])
        self.assertIn("goes on by itself", line["hint"])
        refused = self.mesh.attempt(node, "config", "set", "user.x", "1")
        self.assert_refused(refused, 125, "node.log_failed")
        self.assertIn(what, refused.stderr)

    def running_job(self, asked):
        job = self.submit("--no-send", "--", "sh", "-c",
                          "for i in $(seq 150); do sleep 0.1; done", node=asked)
        return job, self.mesh.node(self.mesh.wait_running(asked, job))


class SmallDisks(DiskCase):
    """Each node's data directory is a file system of its own."""

    disk_mib = DISK_MIB

    @classmethod
    def setUpClass(cls):
        reason = own_mounts()
        if reason:
            raise unittest.SkipTest(f"no mount namespace here: {reason}")
        super().setUpClass()
        for node in cls.mesh.nodes:
            os.mkdir(node.data)
            options = f"size={cls.disk_mib}m,mode=0711".encode()
            if libc.mount(b"tmpfs", node.data.encode(), b"tmpfs", 0, options) != 0:
                raise unittest.SkipTest(f"no tmpfs here: {os.strerror(ctypes.get_errno())}")
            cls.addClassCleanup(libc.umount2, node.data.encode(), MNT_DETACH)
        # Cleanups run last to first: the daemons end before their disks go.
        cls.addClassCleanup(cls.mesh.stop)
        cls.mesh.start()
        cls.mesh.wait_alive(cls.mesh.nodes[0], cls.node_count, voters=3 if cls.node_count >= 3 else 1)

    def fill(self, node):
        with open(os.path.join(node.data, "filler"), "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self, node):
        os.remove(os.path.join(node.data, "filler"))


class FullDisk(SmallDisks):
    node_count = 3

    def test_a_voter_with_a_full_disk_stops_the_mesh_goes_on_and_it_comes_back_when_there_is_room(self):
        self.set_values(self.node, 1, 5)
        leader = self.leader(self.node)
        follower, other = [node for node in self.mesh.nodes if node is not leader]
        job, host = self.running_job(other)
        for full in (follower, leader):
            asked = other if full is not leader else follower
            self.fill(full)
            first = 6 if full is follower else 21
            meshes.wait_until(
                lambda: self.mesh.attempt(asked, "config", "set", "user.filling", "x" * 1000).returncode == 0
                and self.check(full)["result"] == "FAIL", f"{full.name} runs into the end of its disk", every=0)
            self.say_stopped(full, "the disk is full")
            meshes.wait_until(lambda: self.seats(asked).get(full.name) != "leader"
                              and "leader" in self.seats(asked).values(), "another node leads")
            self.set_values(asked, first, first + 14)
            self.free(full)
            self.mesh.wait_alive(full, 3, voters=3, seconds=60)
            self.assertNotEqual(self.check(full)["result"], "FAIL")
            self.assert_values(full, first + 14)
        self.assertEqual(self.mesh.attempt(other, "wait", str(job), seconds=60).returncode, 0)
        self.assert_equal_logs()


class FullDiskAlone(SmallDisks):
    def test_tasks_that_end_while_the_disk_is_full_have_ended_as_they_did(self):
        gate, count = os.path.join(self.folder(), "gate"), 100
        # So many that what is to be noted of their ends does not fit into the block that its file has already.
        job = self.submit("--no-send", "--profile", "none", "--retry", "never", "--cpus", "0.01", "--mem", "1M",
                          "--array", str(count), "--", "sh", "-c",
                          'while [ ! -e "$0" ]; do sleep 1; done; exit 7', gate)

        def running():
            return sum(gate in processes.command_line(int(name)) for name in os.listdir("/proc") if name.isdigit())

        meshes.wait_until(lambda: running() == count, "they run", 60)
        self.fill(self.node)
        meshes.wait_until(
            lambda: self.mesh.attempt(self.node, "config", "set", "user.filling", "x" * 1000).returncode != 0,
            "the disk is full", every=0)
        self.say_stopped(self.node, "the disk is full")
        with open(gate, "w", encoding="utf-8"):
            pass
        meshes.wait_until(lambda: running() == 0, "they have ended")
        self.free(self.node)
        self.mesh.wait_alive(self.node, 1, seconds=60)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=60).returncode, 7)
        outcomes = [attempt["outcome"] for attempt in self.mesh.job(self.node, job).attempts]
        self.assertEqual(outcomes, ["exit 7"] * count)

    def test_a_mesh_of_one_with_a_full_disk_says_so_and_its_job_goes_on_when_there_is_room(self):
        self.set_values(self.node, 1, 5)
        job, _ = self.running_job(self.node)
        self.fill(self.node)
        refused = meshes.wait_until(
            lambda: next((done for done in [self.mesh.attempt(self.node, "config", "set", "user.x", "x" * 1000)]
                          if done.returncode != 0), None), "the disk is full", every=0)
        self.assert_refused(refused, 125, "node.log_failed")
        self.assertIn("the disk is full", refused.stderr)
        self.say_stopped(self.node, "the disk is full")
        self.free(self.node)
        self.mesh.wait_alive(self.node, 1, seconds=60)
        self.set_values(self.node, 6, 10)
        self.assert_values(self.node, 10)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=60).returncode, 0)
        attempts = self.mesh.job(self.node, job).attempts
        self.assertEqual(len(attempts), 1, attempts)


class ReservedRoom(SmallDisks):
    disk_mib = 128

    def test_a_node_that_kept_room_for_its_log_goes_on_with_a_full_disk_and_its_job_too(self):
        reserve = os.path.join(self.node.data, "raft.reserve")
        meshes.wait_until(lambda: os.path.exists(reserve), "room is kept for the log")
        self.set_values(self.node, 1, 5)
        job, _ = self.running_job(self.node)
        self.fill(self.node)
        meshes.wait_until(
            lambda: self.mesh.attempt(self.node, "config", "set", "user.filling", "x" * 1000).returncode != 0,
            "the disk is full", every=0)
        # It comes back after a second, before the lease of its job is over.
        meshes.wait_until(
            lambda: self.mesh.attempt(self.node, "config", "set", "user.after", "yes").returncode == 0,
            "the node goes on", 10, 0.05)
        self.assertFalse(os.path.exists(reserve))
        self.set_values(self.node, 6, 20)
        self.assert_values(self.node, 20)
        self.assertEqual(self.check(self.node, "room")["result"], "warn")
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=60).returncode, 0)
        attempts = self.mesh.job(self.node, job).attempts
        self.assertEqual(len(attempts), 1, attempts)
        with open(os.path.join(self.node.data, "daemon.log"), encoding="utf-8") as log:
            self.assertIn("goes on in the room that was kept for it", log.read())
        self.free(self.node)


@unittest.skipUnless(shutil.which("strace"), "strace is not here: scripts/setup installs it")
class FailingDisk(DiskCase):
    """A real daemon whose calls on one file fail, as a disk with a bad sector lets them."""

    node_count = 3
    joined = True

    def break_calls(self, node, calls, suffix):
        path = self.log_file(node, suffix)
        tracer = subprocess.Popen(
            ["strace", "-f", "-p", str(node.daemon_pid()), "-P", path, "-e", f"inject={calls}:error=EIO", "-o",
             os.path.join(self.mesh.folder, "strace.out")], stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.mend, tracer)
        line = tracer.stderr.readline()
        if "attached" not in line:
            self.skipTest(f"strace may not attach here: {line.strip()}")
        return tracer

    @staticmethod
    def mend(tracer):
        if tracer.poll() is None:
            tracer.terminate()
        tracer.communicate(timeout=10)

    def test_a_voter_whose_disk_fails_stops_the_mesh_goes_on_and_it_comes_back_when_the_disk_works(self):
        self.set_values(self.node, 1, 5)
        last = 5
        for calls, suffix in (("fdatasync,fsync", "-wal"), ("pwrite64", "-wal"), ("fdatasync,fsync,pwrite64", "")):
            broken = self.leader(self.node)
            asked = self.other(broken)
            with self.subTest(calls=calls, file="raft.db" + suffix):
                tracer = self.break_calls(broken, calls, suffix)
                # raft.db itself is written once the log before it has become long.
                meshes.wait_until(
                    lambda: self.mesh.attempt(asked, "config", "set", "user.writing", "x" * 1000).returncode == 0
                    and self.check(broken)["result"] == "FAIL", f"{broken.name} fails", seconds=90, every=0)
                self.say_stopped(broken, "the disk failed")
                self.set_values(asked, last + 1, last + 10)
                last += 10
                self.mend(tracer)
                self.mesh.wait_alive(broken, 3, voters=3, seconds=90)
                self.assertNotEqual(self.check(broken)["result"], "FAIL")
                self.assert_values(broken, last)
        self.assert_equal_logs()


if __name__ == "__main__":
    unittest.main()
