"""Strict sandboxes that stand ready before there is a job: whose they become, and when they are of no use."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import processes  # noqa: E402
from base import meshes  # noqa: E402
from test_disk import MNT_DETACH, libc, own_mounts  # noqa: E402
from test_sandbox import SandboxCase  # noqa: E402


class ReadySandboxes(SandboxCase):
    """A host with mounts of its own, where a test can change them."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("no sandbox is kept ready by a daemon that is not root")
        reason = own_mounts()
        if reason:
            raise unittest.SkipTest(f"no mount namespace here: {reason}")
        super().setUpClass()

    def strict(self, *command):
        return self.run_job("--no-send", "--profile", "strict", "--", *command)

    def waiting(self):
        """The supervisor without a job and the first process that waits in it, once there is one."""
        self.assertEqual(self.strict("true").returncode, 0)
        return meshes.wait_until(self.node.ready_pids, "a sandbox stands ready")[0]

    def supervisor_of(self, job):
        return self.node.supervisor_pids().get(str(job))

    def test_the_next_strict_job_begins_in_it(self):
        for _ in range(50):
            supervisor, first = self.waiting()
            job = self.submit("--no-send", "--profile", "strict", "--", "sleep", "600")
            self.mesh.wait_running(self.node, job)
            self.assertEqual(self.supervisor_of(job), supervisor)
            inside = [pid for pid in processes.tree([supervisor]) if "sleep" in processes.command_line(pid)]
            self.assertEqual(len(inside), 1)
            is_inside = inside[0] in processes.tree([first])
            self.mesh.command(self.node, "cancel", str(job))
            meshes.wait_until(lambda: self.supervisor_of(job) is None, "its supervisor is gone")
            if is_inside:
                return
            # The job came before it stood.
        self.fail("no job began in a sandbox that stood ready")

    def test_a_job_finds_what_is_mounted_when_it_begins(self):
        # One that is taken along by its name, and one in what is.
        for place in ("/etc/alternatives", "/usr/local/src"):
            self.waiting()
            self.assertEqual(libc.mount(b"tmpfs", place.encode(), b"tmpfs", 0, None), 0, place)
            self.addCleanup(libc.umount2, place.encode(), MNT_DETACH)
            with open(f"{place}/mark", "w", encoding="utf-8") as file:
                file.write("there")
            found = self.strict("cat", f"{place}/mark")
            self.assertEqual(found.stdout, "there", found.stderr)
            self.waiting()
            self.assertEqual(libc.umount2(place.encode(), MNT_DETACH), 0)
            self.assertEqual(self.strict("ls", f"{place}/mark").returncode, 2)

    def test_after_another_profile_there_is_none(self):
        self.waiting()
        self.assertEqual(self.run_job("--no-send", "--profile", "standard", "--", "true").returncode, 0)

        def one_spare_without():
            spares = [name for name in self.node.supervisor_pids() if name.startswith(meshes.SPARE)]
            return len(spares) == 1 and not self.node.ready_pids()

        meshes.wait_until(one_spare_without, "a supervisor waits with nothing in it")

    def test_nothing_is_left_of_it_when_daemon_and_supervisor_are_killed(self):
        for with_supervisor in (True, False):
            supervisor, first = self.waiting()
            self.node.kill_daemon()
            if with_supervisor:
                processes.signal_all([supervisor], signal.SIGKILL)
            self.assertEqual(processes.wait_gone([supervisor, first], 20), [])
            self.node.start_again()
            self.assertEqual(self.strict("echo", "again").stdout, "again\n")


if __name__ == "__main__":
    unittest.main()
