"""What people do with jobs that run: pause them, look at what they used, work beside them."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

COUNTS = "import itertools, time\nfor n in itertools.count():\n    print(n, flush=True)\n    time.sleep(0.02)\n"
USES = """
import os, time
memory = bytearray(os.urandom(1 << 20)) * 100
with open("written", "wb") as file:
    file.write(memory[:30 << 20])
    os.fsync(file.fileno())
while time.process_time() < 1.5:
    pass
"""


@unittest.skipUnless(os.geteuid() == 0, "only root's daemons are sure to have a freezer")
class Pauses(MeshCase):
    node_count = 3

    def lines(self, job):
        return len(self.mesh.command(self.node, "logs", str(job)).splitlines())

    def counting(self, *flags):
        """A job that counts, and the node it runs on."""
        job = self.submit("--no-send", *flags, "--", "python3", "-uc", COUNTS)
        host = self.mesh.node(self.mesh.wait_running(self.node, job))
        meshes.wait_until(lambda: self.lines(job) > 10, "it counts")
        return job, host

    def reader(self, host):
        return next(node for node in self.mesh.nodes if node is not host)

    def shown(self, job, node=None):
        jobs = (node or self.node).command_json("ps", "-a")["jobs"]
        return next(one for one in jobs if one["id"] == str(job))

    def wait_still(self, job):
        """Until it writes nothing more."""
        def stands():
            before = self.lines(job)
            time.sleep(0.3)
            return self.lines(job) == before
        meshes.wait_until(stands, "it stands still")

    def wait_counting(self, job):
        before = self.lines(job)
        meshes.wait_until(lambda: self.lines(job) > before, "it goes on")

    def test_a_paused_job_stands_still_through_a_restart_of_its_daemon_and_goes_on_where_it_was(self):
        job, host = self.counting()
        self.reader(host).command("pause", str(job))
        self.wait_still(job)
        shown = self.shown(job)
        self.assertEqual((shown["state"], shown["reason"]), ("frozen", "paused by root"))
        host.kill_daemon()
        host.start_again()
        self.mesh.wait_alive(self.node, 3)
        meshes.wait_until(lambda: self.shown(job)["state"] == "frozen", "it is still paused")
        self.wait_still(job)
        self.mesh.command(self.node, "resume", str(job))
        self.wait_counting(job)
        self.assertEqual(self.shown(job)["state"], "running")
        self.assertEqual(self.shown(job)["attempts"], 1)
        numbers = self.mesh.command(self.node, "logs", str(job)).split()
        self.assertEqual(numbers, [str(number) for number in range(len(numbers))])
        self.mesh.command(self.node, "cancel", str(job))

    def test_a_paused_job_is_cancelled_and_gets_its_signal(self):
        trap = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
        job = self.submit("--no-send", "--", "sh", "-c", trap)
        meshes.wait_until(lambda: "ready" in self.mesh.command(self.node, "logs", str(job)), "it is ready")
        self.mesh.command(self.node, "pause", str(job))
        meshes.wait_until(lambda: self.shown(job)["state"] == "frozen", "it is paused")
        self.mesh.command(self.node, "cancel", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 130)
        self.assertIn("asked", self.mesh.command(self.node, "logs", str(job)))

    def test_the_time_of_a_pause_does_not_count_against_the_time_limit(self):
        started = time.monotonic()
        job = self.submit("--no-send", "--time", "4s", "--grace", "1s", "--", "python3", "-uc", COUNTS)
        self.mesh.wait_running(self.node, job)
        self.mesh.command(self.node, "pause", str(job))
        meshes.wait_until(lambda: time.monotonic() > started + 7, "its limit would be over")
        self.assertEqual(self.shown(job)["state"], "frozen")
        self.mesh.command(self.node, "resume", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 124)

    def test_a_job_that_is_paused_before_it_has_a_place_gets_none_until_it_is_resumed(self):
        job = self.submit("--no-send", "--allow-pending", "--gpus", "50", "--", "true")
        self.mesh.command(self.node, "pause", str(job))
        shown = self.shown(job)
        self.assertEqual((shown["state"], shown["reason"]), ("pending", "paused by root"))
        self.mesh.command(self.node, "resume", str(job))
        self.assertIn("50 GPUs", self.shown(job)["reason"])
        self.mesh.command(self.node, "cancel", str(job))
        self.assert_refused(self.mesh.attempt(self.node, "pause", str(job)), 125, "job.ended")

    def test_a_paused_job_whose_host_is_lost_starts_again_elsewhere_once_it_is_resumed(self):
        job, host = self.counting()
        other = self.reader(host)
        other.command("pause", str(job))
        host.kill_host()
        meshes.wait_until(lambda: self.shown(job, other)["state"] == "pending", "its loss is known", 60)
        self.assertEqual(self.shown(job, other)["reason"], "paused by root")
        other.command("resume", str(job))
        self.assertNotEqual(self.mesh.wait_running(other, job), host.name)
        other.command("cancel", str(job))
        host.start_again()
        self.mesh.wait_alive(self.node, 3, 60)


class Usage(MeshCase):
    def used(self, *command, exits=0):
        job = self.submit("--no-send", *command)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=60).returncode, exits)
        return self.mesh.job(self.node, job).newest_attempt["usage"]

    def test_what_an_attempt_used_is_told(self):
        usage = self.used("--", "python3", "-c", USES)
        self.assertGreater(usage["cpu_seconds"], 1.4)
        self.assertLess(usage["cpu_seconds"], 20)
        self.assertGreaterEqual(usage["peak_memory_bytes"], 100 << 20)
        self.assertGreaterEqual(usage["written_bytes"], 30 << 20)
        self.assertIn(usage["counted_by"], ("cgroup v1", "cgroup v2", "processes"))

    def test_what_ran_in_processes_that_forked_away_counts_too(self):
        burn = "import time\nwhile time.process_time() < 1: pass"
        usage = self.used("--", "sh", "-c", f"(setsid python3 -c '{burn}' &); sleep 3")
        self.assertGreater(usage["cpu_seconds"], 0.3)


if __name__ == "__main__":
    unittest.main()
