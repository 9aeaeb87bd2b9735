"""Hosts whose owners come back: they get them at once, jobs go on elsewhere, and nothing begins where the owner is."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import meshes  # noqa: E402
from test_drain import COUNTING  # noqa: E402
from test_voters import VoterCase  # noqa: E402


class Owner(VoterCase):
    node_count = 2

    def member(self, asked, name):
        return next(member for member in self.mesh.members(asked) if member["name"] == name)

    def restart(self, node, *flags):
        """The daemon alone stops and starts again; its jobs go on meanwhile."""
        pid = node.daemon_pid()
        os.kill(pid, signal.SIGTERM)
        meshes.wait_until(lambda: node.daemon_pid() is None, "the daemon has ended")
        node.command("up", *node._flags, *flags)
        meshes.wait_until(lambda: self.member(self.node, node.name)["state"] == "alive", f"{node.name} is back")

    def test_a_job_leaves_when_the_owner_is_back_though_it_does_not_want_to_and_the_host_opens_again(self):
        there = os.path.join(self.mesh.folder, "there")
        asks = os.path.join(self.mesh.folder, "away")
        with open(asks, "w", encoding="utf-8") as program:
            program.write(f"#!/bin/sh\ntest ! -e {there}\n")
        os.chmod(asks, 0o755)
        job = self.submit("--checkpoint", "ckpt", "--checkpoint-every", "500ms", "--no-send", "--", "sh", "-c",
                          "trap '' TERM; " + COUNTING)
        host = self.mesh.node(self.mesh.wait_running(self.node, job))
        asked = next(node for node in self.mesh.nodes if node is not host)
        meshes.wait_until(lambda: self.mesh.job(asked, job).checkpoints, "a checkpoint is safe")
        self.restart(host, "--idle-only", f"command={asks}", "--share", "50")
        self.assertEqual(len(self.mesh.job(asked, job).attempts), 1)
        # The host itself is the first to know that it is back.
        meshes.wait_until(lambda: len(self.member(asked, host.name)["gpus"]) == 1, "one device of two is for jobs")
        processes = host.job_pids()
        self.assertTrue(processes)
        with open(there, "w", encoding="utf-8"):
            pass
        meshes.wait_until(lambda: not host.job_pids(), "nothing of the job is left")
        meshes.wait_until(lambda: self.mesh.job(asked, job).running_on == asked.name, "it goes on elsewhere")
        closed = self.member(asked, host.name)
        self.assertEqual((closed["state"], closed["closed"]), ("closed", f"{asks} says so (exit code 1)"))
        self.assertIn(f"no: {asks} says so", asked.command("inspect", host.name))
        asked.command("cancel", str(job))
        self.mesh.attempt(asked, "wait", str(job), seconds=60)
        for number in [self.submit("--no-send", "--", "true", node=asked) for _ in range(3)]:
            self.assertEqual(self.mesh.attempt(asked, "wait", str(number)).returncode, 0)
            self.assertEqual(self.mesh.job(asked, number).newest_attempt["node"], asked.name)
        os.unlink(there)
        meshes.wait_until(lambda: self.member(asked, host.name)["state"] == "alive", "it is open again")
        # Only one device of two is for jobs, so this fits on no other host than the owner's or not at all.
        never = self.submit("--no-send", "--retry", "never", "--gpus", "1", "--", "sleep", "1000", node=asked)
        if self.mesh.wait_running(asked, never) != host.name:
            asked.command("cancel", str(never))
            asked.command("node", "cordon", asked.name)
            never = self.submit("--no-send", "--retry", "never", "--gpus", "1", "--", "sleep", "1000", node=asked)
            self.assertEqual(self.mesh.wait_running(asked, never), host.name)
            asked.command("node", "uncordon", asked.name)
        with open(there, "w", encoding="utf-8"):
            pass
        done = self.mesh.attempt(asked, "wait", str(never), seconds=60)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(self.mesh.job(asked, never).state, "failed")
        os.unlink(there)

    def test_labels_are_changed_by_name_and_stay(self):
        asked, other = self.mesh.nodes
        self.assertEqual(asked.command("node", "labels", other.name), "")
        self.assertEqual(asked.command("node", "labels", other.name, "rack=a", "room=2"), "rack=a\nroom=2\n")
        self.assertEqual(asked.command("node", "labels", other.name, "room-", "rack=b"), "rack=b\n")
        self.restart(other)
        self.assertEqual(other.command_json("node", "labels", other.name)["labels"], {"rack": "b"})
        self.assert_refused(self.mesh.attempt(asked, "node", "labels", other.name, "rack"), 2)
        self.assert_refused(self.mesh.attempt(asked, "node", "labels", other.name, "a=1", "a-"), 2)
        self.assert_refused(self.mesh.attempt(asked, "node", "labels", "nobody", "a=1"), 3)

    def test_what_is_no_rule_is_refused_before_anything_starts(self):
        for flags in (["--idle-only", "input=1s"], ["--hours", "mon 25:00-26:00"], ["--share", "0"],
                      ["--idle-only", "command=away"]):
            self.assert_refused(self.mesh.attempt(self.node, "up", *flags), 2)


if __name__ == "__main__":
    unittest.main()
