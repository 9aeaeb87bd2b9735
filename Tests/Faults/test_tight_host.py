"""A host that itself has less than a processor, as containers do, or few open files: jobs have what they ask for within that."""

import collections
import json
import os
import resource
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
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


class FewFiles(MeshCase):
    """Daemons are started with a soft limit of open files that the attempts of one supervisor need more than."""

    LIMIT = 200

    @classmethod
    def setUpClass(cls):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (cls.LIMIT, before[1]))
        try:
            super().setUpClass()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    def test_a_supervisor_opens_what_its_attempts_need_and_more_of_them_wait(self):
        go, count = os.path.join(self.folder(), "go"), 300
        job = self.submit("--no-send", "--profile", "none", "--array", str(count), "--cpus", "0.005", "--mem", "8M",
                          "--", "sh", "-c", 'echo began $(ulimit -Sn); until test -e "$0"; do sleep 1; done', go)

        def states():
            view = json.loads(self.mesh.command(self.node, "inspect", str(job), "--json"))
            return collections.Counter(attempt["state"] for attempt in view["job"]["attempts_list"])

        meshes.wait_until(lambda: states() == {"running": 256, "placed": 44}, "as many run as one supervisor takes")
        supervisor = self.node.supervisor_pids()[str(job)]
        self.assertGreater(len(os.listdir(f"/proc/{supervisor}/fd")), self.LIMIT)
        # Nor does a daemon that takes it over give it more, or anything twice.
        self.node.kill_daemon()
        self.node.start_again()
        self.mesh.wait_alive(self.node, 1)
        self.assertEqual(states(), {"running": 256, "placed": 44})
        with open(go, "w", encoding="ascii"):
            pass
        done = self.mesh.attempt(self.node, "wait", str(job), seconds=120)
        self.assertEqual((done.returncode, states()), (0, {"succeeded": count}), done.stderr)
        self.assertEqual(self.mesh.command(self.node, "logs", str(job)), f"began {self.LIMIT}\n")


if __name__ == "__main__":
    unittest.main()
