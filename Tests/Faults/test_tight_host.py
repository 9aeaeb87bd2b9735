"""A host that itself has less than a processor, as containers do: jobs have what they ask for within that."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase  # noqa: E402
import test_rootless  # noqa: E402

SHARE = 60_000


class TightHost(MeshCase):
    joined = False

    @classmethod
    def setUpClass(cls):
        parent = test_rootless.own_group("cpu")
        if parent is None:
            raise unittest.SkipTest("this host has no controller cpu of version 1 that gives groups")
        super().setUpClass()
        cls.group = os.path.join(parent, os.path.basename(cls.mesh.folder))
        os.mkdir(cls.group)
        cls.addClassCleanup(test_rootless.AsSomebodyElse.remove, cls.group)
        cls.write("cpu.cfs_quota_us", str(SHARE))
        # Daemons are started by this process, and are where it is.
        cls.write("tasks", "0")
        cls.addClassCleanup(cls.leave, parent)
        cls.addClassCleanup(cls.mesh.stop)
        cls.mesh.start()
        cls.mesh.wait_alive(cls.node, 1)

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.group, name), "w", encoding="ascii") as stream:
            stream.write(text)

    @staticmethod
    def leave(parent):
        with open(os.path.join(parent, "tasks"), "w", encoding="ascii") as stream:
            stream.write("0")

    def test_a_share_below_that_of_the_host_is_given(self):
        done = self.run_job("--no-send", "--cpus", "0.5", "--", "echo", "here")
        self.assertEqual((done.returncode, done.stdout), (0, "here\n"), done.stderr)



if __name__ == "__main__":
    unittest.main()
