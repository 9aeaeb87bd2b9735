"""Hosts that are emptied on purpose: what runs there moves or ends, and no order is lost."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import meshes  # noqa: E402
from test_voters import VoterCase  # noqa: E402

# Counts in a file that is its checkpoint, until it is cancelled.
COUNTING = """
mkdir -p ckpt; i=$(cat ckpt/count.pt 2>/dev/null || echo 0); echo "from $i"
while :; do i=$((i + 1)); echo $i > ckpt/next; mv ckpt/next ckpt/count.pt; sleep 2; done
"""


class Drained(VoterCase):
    node_count = 4

    def states(self, asked):
        return {member["name"]: member["state"] for member in self.mesh.members(asked)}

    def start_job(self, *flags):
        """A job that runs until it is cancelled; its number and the node it runs on."""
        job = self.submit(*flags, "--no-send", "--", "sh", "-c", COUNTING)
        return job, self.mesh.node(self.mesh.wait_running(self.node, job))

    def end(self, job, asked):
        asked.command("cancel", str(job))
        self.assertEqual(self.mesh.attempt(asked, "wait", str(job), seconds=60).returncode, 130)

    def uncordon(self, host, asked):
        asked.command("node", "uncordon", host.name)
        self.assertEqual(self.states(asked)[host.name], "alive")

    def test_a_job_moves_with_its_checkpoint_and_a_voter_that_is_drained_hands_over_and_learns_after_a_restart(self):
        job, host = self.start_job("--checkpoint", "ckpt", "--checkpoint-every", "500ms")
        meshes.wait_until(lambda: self.mesh.job(self.node, job).checkpoints, "a checkpoint is safe")
        done = self.mesh.attempt(self.other(host), "node", "drain", host.name, "--deadline", "10m", "-m", "driver",
                                 seconds=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rf"{host.name}: job {job} moves to n\d with its checkpoint \(.*\); no new work is")
        asked = self.other(host)
        self.assertNotIn(host.name, self.voters(asked))
        self.assertEqual(len(self.voters(asked)), 3)
        self.assertEqual(self.states(asked)[host.name], "drained")
        moved = self.mesh.wait_running(asked, job)
        self.assertNotEqual(moved, host.name)
        detail = self.mesh.job(asked, job)
        self.assertEqual(len(detail.attempts), 2)
        self.assertIsNotNone(detail.newest_attempt.get("resumed_from") or detail.newest_attempt.get("from"),
                             detail.newest_attempt)
        host.kill_host()
        host.start_again()
        self.mesh.attempt(asked, "members")
        meshes.wait_until(lambda: self.states(asked).get(host.name) == "drained", "it is back, and still drained")
        self.assertNotIn(host.name, self.voters(asked))
        jobs = [self.submit("--no-send", "--", "true", node=asked) for _ in range(4)]
        for number in jobs:
            self.assertEqual(self.mesh.attempt(asked, "wait", str(number)).returncode, 0)
            self.assertNotEqual(self.mesh.job(asked, number).newest_attempt["node"], host.name)
        self.uncordon(host, asked)
        self.end(job, asked)

    def test_what_cannot_move_ends_in_time_or_starts_again_elsewhere_and_what_must_not_repeat_stays(self):
        job, host = self.start_job()
        asked = self.other(host)
        asked.command("node", "drain", host.name, "--deadline", "2s", seconds=60)
        detail = self.mesh.job(asked, job)
        meshes.wait_until(lambda: self.mesh.job(asked, job).running_on not in (None, host.name), "it runs elsewhere")
        self.assertEqual(detail.attempts[0]["node"], host.name)
        self.uncordon(host, asked)
        self.end(job, asked)
        never, host = self.start_job("--retry", "never")
        asked = self.other(host)
        done = self.mesh.attempt(asked, "node", "drain", host.name, "--force", "-d")
        self.assertIn(f"job {never} must never be repeated", done.stderr)
        self.assertEqual(self.states(asked)[host.name], "draining")
        self.end(never, asked)
        self.assertEqual(len(self.mesh.job(asked, never).attempts), 1)
        meshes.wait_until(lambda: self.states(asked)[host.name] == "drained", "nothing runs there")
        asked.command("node", "uncordon", host.name)

    def test_a_leader_that_is_drained_lets_another_one_lead(self):
        leader = self.leader(self.node)
        asked = self.other(leader)
        asked.command("node", "drain", leader.name, seconds=60)
        self.assertNotEqual(self.leader(asked).name, leader.name)
        self.assertNotIn(leader.name, self.voters(asked))
        self.assertEqual(self.mesh.attempt(leader, "config", "set", "user.x", "1").returncode, 0)
        asked.command("node", "uncordon", leader.name)

    def test_a_cordoned_host_keeps_what_it_has_and_gets_no_more(self):
        job, host = self.start_job("--checkpoint", "ckpt")
        asked = self.other(host)
        before = self.voters(asked)
        asked.command("node", "cordon", host.name)
        self.assertEqual(self.states(asked)[host.name], "cordoned")
        added = self.submit("--no-send", "--", "true", node=asked)
        self.assertEqual(self.mesh.attempt(asked, "wait", str(added)).returncode, 0)
        self.assertNotEqual(self.mesh.job(asked, added).newest_attempt["node"], host.name)
        self.assertEqual(self.mesh.job(asked, job).running_on, host.name)
        self.assertEqual(self.voters(asked), before)
        self.uncordon(host, asked)
        self.end(job, asked)

    def test_slips_change_nothing_and_say_what_to_do(self):
        refuse = self.assert_refused
        refuse(self.mesh.attempt(self.node, "node", "drain", "n9"), 3, "node.not_found")
        refuse(self.mesh.attempt(self.node, "node", "uncordon", "n2"), 125, "node.not_drained")
        refuse(self.mesh.attempt(self.node, "node", "drain", "n2", "--force", "--deadline", "1m"), 2, "usage.conflict")
        refuse(self.mesh.attempt(self.node, "node", "drain"), 2, "usage.missing_operand")
        refuse(self.mesh.attempt(self.node, "node", "drian", "n2"), 2, "usage.unknown_command")
        refuse(self.mesh.attempt(self.node, "drain", "n2"), 2, "usage.not_yet")


if __name__ == "__main__":
    unittest.main()
