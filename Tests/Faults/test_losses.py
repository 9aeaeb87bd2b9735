"""Daemons that die while something is under way, and links that are cut."""

import concurrent.futures
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

SUBMITS = 100


def leader(mesh, asked):
    """The node that leads, as the asked one sees it."""
    name = meshes.wait_until(
        lambda: next((member["name"] for member in mesh.members(asked) if member.get("raft") == "leader"), None),
        "a leader is known")
    return mesh.node(name)


class Submits(MeshCase):
    node_count = 3

    def test_no_submit_is_lost_or_doubled_when_the_leader_dies_while_a_hundred_are_in_flight(self):
        lost = leader(self.mesh, self.node)
        others = [node for node in self.mesh.nodes if node is not lost]
        folder = self.folder()

        def submit(number):
            done = self.mesh.attempt(others[number % 2], "run", "-d", "--no-send", "-J", f"in-flight-{number}", "--",
                                     "true", cwd=folder, seconds=90)
            return number, done

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            futures = [pool.submit(submit, number) for number in range(SUBMITS)]
            next(concurrent.futures.as_completed(futures))
            lost.kill_daemon()
            results = [future.result() for future in futures]

        acknowledged = {number: int(done.stdout.split()[0]) for number, done in results if done.returncode == 0}
        for number, done in results:
            if number not in acknowledged:
                self.assertIn("swarmlet: ", done.stderr, "who gets no number is told why")
        self.assertEqual(len(set(acknowledged.values())), len(acknowledged), "every number is given once")
        for job in acknowledged.values():
            self.assertEqual(self.mesh.attempt(others[0], "wait", str(job), seconds=120).returncode, 0)
        names = [job["name"] for job in others[0].command_json("ps", "-a")["jobs"]]
        names = [name for name in names if name.startswith("in-flight-")]
        self.assertEqual(len(set(names)), len(names), "no submit has two jobs")
        for number in acknowledged:
            self.assertIn(f"in-flight-{number}", names)
        lost.start_again()
        self.mesh.wait_alive(others[0], 3)


class Restarts(MeshCase):
    node_count = 3

    def test_a_mesh_that_was_switched_off_and_on_again_goes_on_where_it_was(self):
        before = self.submit("--no-send", "--", "true")
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(before)).returncode, 0)
        for node in self.mesh.nodes:
            node.kill_host()
        for node in self.mesh.nodes:
            node.start_again()
        self.mesh.wait_alive(self.node, 3)
        self.assertEqual(self.mesh.job(self.mesh.nodes[2], before).state, "succeeded")
        after = self.submit("--no-send", "--", "true", node=self.mesh.nodes[1])
        self.assertGreater(after, before)
        self.assertEqual(self.mesh.attempt(self.mesh.nodes[2], "wait", str(after)).returncode, 0)

    def test_run_goes_on_when_its_own_daemon_is_restarted(self):
        run = self.mesh.run(self.node, "--no-send", "--", "sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i; sleep 1; done",
                            cwd=self.folder())
        run.wait_line(lambda line: line == "line 2", "the job goes on", 30)
        self.node.kill_daemon()
        self.node.start_again()
        self.assertEqual(run.finish(60), 0)
        self.assertEqual([line for _, line in run.out], [f"line {number}" for number in range(1, 7)])


class TwoNodes(MeshCase):
    node_count = 2

    def test_a_job_is_frozen_while_the_only_voter_is_away_and_then_goes_on(self):
        voter = leader(self.mesh, self.node)
        worker = next(node for node in self.mesh.nodes if node is not voter)
        job = self.submit("--no-send", "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done", node=voter)
        meshes.wait_until(lambda: self.mesh.job(voter, job).running_on == worker.name,
                          "the job runs beside the voter, not on it")
        voter.kill_daemon()
        frozen = meshes.wait_until(lambda: is_frozen(worker), "the job is frozen", 20)
        self.assertTrue(frozen)
        voter.start_again()
        self.assertEqual(self.mesh.attempt(voter, "wait", str(job), seconds=60).returncode, 0)
        detail = self.mesh.job(voter, job)
        self.assertEqual((detail.state, len(detail.attempts)), ("succeeded", 1))
        said = self.mesh.command(voter, "logs", str(job)).split()
        self.assertEqual(said, [str(number) for number in range(1, 9)])


def is_frozen(node):
    """Whether the processes of the node's jobs stand still: stopped, or held by the freezer of their cgroup."""
    for pid in node.job_pids():
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
                groups = [line.strip().split(":", 2) for line in stream]
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                state = stream.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state == "T":
            return True
        for _, controllers, path in groups:
            for file, marks in ((f"/sys/fs/cgroup/freezer{path}/freezer.state", ("FROZEN",)),
                                (f"/sys/fs/cgroup{path}/cgroup.events", ("frozen 1",)),
                                (f"/sys/fs/cgroup/unified{path}/cgroup.events", ("frozen 1",))):
                if ("freezer" in controllers or controllers == "") and os.path.exists(file):
                    with open(file, encoding="utf-8") as stream:
                        if any(mark in stream.read() for mark in marks):
                            return True
    return False


class CutLinks(unittest.TestCase):
    """The same three daemons in a network of their own, whose only link can be taken down."""

    def test_after_all_links_were_cut_for_ten_seconds_the_job_goes_on_and_ends_once(self):
        probe = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
        if probe.returncode != 0:
            self.skipTest(f"no network namespace can be made here: {probe.stderr.strip()}")
        here = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run(["unshare", "--net", sys.executable, os.path.join(here, "cut_links.py")], text=True,
                              capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
