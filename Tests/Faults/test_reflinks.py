"""File systems whose files can share blocks: what a setup made is kept and given to each job without being copied."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase  # noqa: E402
from test_disk import MNT_DETACH, libc, own_mounts  # noqa: E402

# Sparse: a host keeps a small part of its disk.
DISK_BYTES = 60 << 30
SETUP_BYTES = 100_000_000
SETUP = f"head -c {SETUP_BYTES} /dev/urandom > big"


class Reflinks:
    """A mesh of one whose data directory is such a file system, in a file of its own."""

    joined = False

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.make[0]):
            raise unittest.SkipTest(f"{cls.make[0]} is not installed")
        reason = own_mounts()
        if reason:
            raise unittest.SkipTest(f"no mount namespace here: {reason}")
        super().setUpClass()
        disk = os.path.join(cls.mesh.folder, "disk")
        with open(disk, "wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run([*cls.make, disk], check=True, stdout=subprocess.DEVNULL)
        os.mkdir(cls.node.data)
        mounted = subprocess.run(["mount", "-t", cls.kind, "-o", "loop", disk, cls.node.data], stderr=subprocess.PIPE,
                                 text=True)
        if mounted.returncode != 0:
            raise unittest.SkipTest(f"no {cls.kind} here: {mounted.stderr.strip()}")
        os.chmod(cls.node.data, 0o711)
        cls.addClassCleanup(libc.umount2, cls.node.data.encode(), MNT_DETACH)
        # Cleanups run last to first: the daemon ends before its disk goes.
        cls.addClassCleanup(cls.mesh.stop)
        cls.mesh.start()
        cls.mesh.wait_alive(cls.node, 1)

    def used(self):
        subprocess.run(["sync", "-f", self.node.data], check=True)
        facts = os.statvfs(self.node.data)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize

    def digest(self, *command):
        """What the file of the setup is to a job, before the job does that to it."""
        done = self.run_job("--no-send", "--setup", SETUP, "--", "sh", "-c", " ; ".join(("sha256sum < big", *command)))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()[0]

    def test_a_kept_setup_is_given_to_each_job_and_is_there_once(self):
        first = self.digest()
        before = self.used()
        self.assertEqual(self.digest("echo other | dd of=big conv=notrunc status=none"), first)
        self.assertEqual(self.digest(), first, "what one job writes is seen by no other")
        newest = self.mesh.job(self.node, self.mesh.newest_job(self.node)).newest_attempt
        self.assertEqual(newest["setup"]["use"], "reused", newest)
        self.assertLess(self.used() - before, SETUP_BYTES // 4)


class XFS(Reflinks, MeshCase):
    kind, make = "xfs", ("mkfs.xfs", "-q", "-m", "reflink=1")


class Btrfs(Reflinks, MeshCase):
    kind, make = "btrfs", ("mkfs.btrfs", "-q")


if __name__ == "__main__":
    unittest.main()
