"""Who votes: seats that are handed over before a node goes, and those of the dead."""

import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
import processes  # noqa: E402

VOTING = ("leader", "voter")


class VoterCase(MeshCase):
    def seats(self, asked):
        """Name -> leader, voter or learner, as this node sees it."""
        return {member["name"]: member.get("raft") for member in self.mesh.members(asked)}

    def voters(self, asked):
        return sorted(name for name, seat in self.seats(asked).items() if seat in VOTING)

    def leader(self, asked):
        return self.mesh.node(meshes.wait_until(
            lambda: next((name for name, seat in self.seats(asked).items() if seat == "leader"), None),
            "a leader is known"))

    def other(self, node):
        return next(other for other in self.mesh.nodes if other is not node and other.daemon_pid())


class TwoNodes(VoterCase):
    node_count = 2

    def test_the_only_voter_of_two_leaves_and_the_other_goes_on_with_all_that_was_acknowledged(self):
        first, second = self.mesh.nodes
        self.assertEqual(self.voters(first), ["n1"])
        first.command("config", "set", "user.kept", "yes")
        job = self.submit("--no-send", "--", "true")
        self.assertEqual(self.mesh.attempt(first, "wait", str(job)).returncode, 0)
        first.command("leave")
        self.assertEqual(self.voters(second), ["n2"])
        self.assertEqual(list(self.seats(second)), ["n2"])
        self.assertEqual(second.command("config", "get", "user.kept"), "yes\n")
        self.assertEqual(self.mesh.job(second, job).state, "succeeded")
        after = self.submit("--no-send", "--", "true", node=second)
        self.assertEqual(self.mesh.attempt(second, "wait", str(after)).returncode, 0)


class NoSuccessor(VoterCase):
    node_count = 2

    def test_the_only_voter_does_not_leave_while_nobody_can_take_its_seat(self):
        first, second = self.mesh.nodes
        second.kill_host()
        done = self.mesh.attempt(first, "leave", seconds=60)
        self.assert_refused(done, 125, "mesh.leave.no_successor")
        self.assertEqual(self.mesh.attempt(first, "config", "set", "user.x", "1").returncode, 0)
        second.start_again()
        self.mesh.wait_alive(first, 2)
        first.command("leave", seconds=60)
        self.assertEqual(self.voters(second), ["n2"])


class ThreeNodes(VoterCase):
    node_count = 3

    def test_a_leader_that_stops_hands_over_at_once_and_keeps_its_seat(self):
        leader = self.leader(self.node)
        asked = self.other(leader)
        before = self.voters(asked)
        pid = leader.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        began = time.monotonic()
        meshes.wait_until(lambda: self.seats(asked).get(leader.name) != "leader" and "leader" in
                          self.seats(asked).values(), "another one leads")
        self.assertEqual(self.mesh.attempt(asked, "config", "set", "user.x", "1").returncode, 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse(processes.wait_gone([pid], 10))
        leader.start_again()
        self.mesh.wait_alive(asked, 3, voters=3)
        self.assertEqual(self.voters(asked), before)


class FourNodes(VoterCase):
    node_count = 4

    def test_a_dead_voter_is_replaced_and_learns_when_it_is_back_and_a_voter_that_leaves_gives_its_seat_away(self):
        leader = self.leader(self.node)
        leader.command("config", "set", "autopilot.replace-dead-voter-after", "5s")
        lost = next(node for node in self.mesh.nodes
                    if node is not leader and node.name in self.voters(leader))
        lost.kill_host()
        meshes.wait_until(lambda: lost.name not in self.voters(leader) and len(self.voters(leader)) == 3,
                          "another one votes instead", seconds=40)
        lost.start_again()
        self.mesh.wait_alive(leader, 4, voters=3)
        self.assertEqual(self.seats(leader)[lost.name], "learner")
        self.assertEqual(len(self.voters(leader)), 3)
        leader.command("leave", seconds=60)
        asked = self.other(leader)
        meshes.wait_until(lambda: len(self.voters(asked)) == 3, "three vote again", seconds=40)
        self.assertIn(lost.name, self.voters(asked))
        self.assertNotIn(leader.name, self.seats(asked))
        job = self.submit("--no-send", "--", "true", node=asked)
        self.assertEqual(self.mesh.attempt(asked, "wait", str(job)).returncode, 0)


if __name__ == "__main__":
    unittest.main()
