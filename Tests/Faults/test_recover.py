"""The log of the mesh in an operator's hands: who has it, who leads, a copy, and going on from one host alone."""

import json
import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import meshes  # noqa: E402
from test_guests import GuestCase  # noqa: E402
from test_voters import VoterCase  # noqa: E402
import processes  # noqa: E402


class RaftCase(VoterCase):
    def raft(self, node):
        return node.command_json("raft", "ls")

    def stop_daemon(self, node):
        pid = node.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        self.assertFalse(processes.wait_gone([pid], 10))

    def new_node(self, invited_by):
        node = meshes.Node(self.mesh, len(self.mesh.nodes) + 1)
        self.mesh.nodes.append(node)
        node.join(invited_by.command("invite"))
        return node

    def keep_snapshot(self, node):
        path = os.path.join(self.folder(), "snapshot")
        with open(path, "wb") as stream:
            stream.write(node.snapshot())
        return path

    def run_true(self, node):
        job = self.submit("--no-send", "--", "true", node=node)
        self.assertEqual(self.mesh.attempt(node, "wait", str(job), seconds=60).returncode, 0)
        return job


class Operator(RaftCase):
    node_count = 3

    def test_ls_says_the_same_on_every_member_and_transfer_moves_the_leadership(self):
        leader = self.leader(self.node)
        for node in self.mesh.nodes:
            view = self.raft(node)
            self.assertEqual(view["leader"], leader.name)
            self.assertEqual([member["name"] for member in view["members"]], ["n1", "n2", "n3"])
            self.assertEqual({member["state"] for member in view["members"]}, {"ok"})
        table = self.node.command("raft", "ls").splitlines()
        self.assertEqual(table[0].split(), ["NAME", "ID", "RAFT", "TERM", "COMMITTED", "BEHIND", "HEARD", "STATE"])
        self.assertEqual(len(table), 4)
        target = self.other(leader)
        asked = next(node for node in self.mesh.nodes if node not in (leader, target))
        asked.command("raft", "transfer", target.name)
        self.assertEqual(self.raft(asked)["leader"], target.name)
        self.assert_refused(self.mesh.attempt(asked, "raft", "transfer", "n9"), 3, "node.not_found")

    def test_a_snapshot_is_written_to_a_pipe(self):
        self.node.command("config", "set", "user.in-snapshot", "yes")
        content = self.node.snapshot()
        self.assertTrue(content.startswith(b"swarmlet snapshot 1\n"))
        self.assertIn(b"user.in-snapshot", content)

    def test_recover_wants_the_daemon_stopped(self):
        self.assert_refused(self.mesh.attempt(self.node, "raft", "recover", "--yes"), 125, "raft.recover.running")


class TwoDestroyed(RaftCase):
    node_count = 3

    def test_the_mesh_goes_on_from_one_host_when_the_data_of_two_are_gone(self):
        last = self.mesh.nodes[2]
        job = self.run_true(last)
        last.command("config", "set", "user.kept", "yes")
        for node in self.mesh.nodes[:2]:
            node.kill_host()
            shutil.rmtree(node.data)
        self.stop_daemon(last)
        asked = self.mesh.attempt(last, "raft", "recover")
        self.assertEqual(asked.returncode, 125)
        self.assertIn("[usage.needs_answer]", asked.stderr)
        self.assertIn("given up: n1, n2.", asked.stderr)
        done = self.mesh.attempt(last, "raft", "recover", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self.mesh.attempt(last, "raft", "recover", "--yes")
        self.assertIn("only voter of mesh fault already", again.stderr)
        last.start_again()
        meshes.wait_until(lambda: self.seats(last).get("n3") == "leader", "n3 leads")
        self.assertEqual(self.mesh.job(last, job).state, "succeeded")
        self.assertEqual(last.command("config", "get", "user.kept"), "yes\n")
        after = self.run_true(last)
        self.assertGreater(after, job + 1_000, "numbers that were given elsewhere are not given again")
        added = self.new_node(last)
        self.run_true(added)
        self.assertEqual(self.raft(added)["epoch"], 1)
        self.new_node(last)
        meshes.wait_until(lambda: len(self.voters(last)) == 3, "three vote again", seconds=40)


class BesideTheLiving(RaftCase):
    node_count = 3

    def test_recover_is_refused_while_a_majority_lives_and_changes_nothing_unless_all_that_answer_are_named(self):
        first, second, last = self.mesh.nodes
        self.stop_daemon(last)
        done = self.mesh.attempt(last, "raft", "recover", "--yes")
        self.assert_refused(done, 125, "raft.recover.mesh_lives")
        self.assertIn("n1, n2 answer, and that is a majority of its 3 voters", done.stderr)
        self.assertIn("swarmlet up", done.stderr)
        last.start_again()
        self.mesh.wait_alive(first, 3, voters=3)
        self.assertEqual(self.raft(last)["epoch"], 0)
        self.stop_daemon(last)
        first.kill_host()
        done = self.mesh.attempt(last, "raft", "recover", "--yes")
        self.assert_refused(done, 125, "raft.recover.mesh_lives")
        self.assertIn("n2 answers, and with this host that is a majority", done.stderr)
        for names in ("n1", "n1,n2", "n9"):
            self.assert_refused(self.mesh.attempt(last, "raft", "recover", "--yes", "--give-up", names), 125,
                                "raft.recover.give_up")
        done = self.mesh.attempt(last, "raft", "recover", "--yes", "--give-up", "n2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("n2 answers", done.stderr)
        last.start_again()
        meshes.wait_until(lambda: self.seats(last).get("n3") == "leader", "n3 leads")
        meshes.wait_until(lambda: self.mesh.attempt(second, "raft", "ls", "--json").returncode == 0
                          and self.raft(second)["epoch"] == 1, "n2 learns from n3")
        self.stop_daemon(second)
        self.assert_refused(self.mesh.attempt(first, "raft", "recover", "--yes"), 125, "raft.recover.elsewhere")


class FromSnapshot(RaftCase):
    node_count = 3

    def test_a_mesh_whose_logs_are_all_gone_goes_on_from_a_snapshot(self):
        first, second, last = self.mesh.nodes
        job = self.run_true(first)
        first.command("config", "set", "user.kept", "yes")
        path = self.keep_snapshot(second)
        first.command("config", "set", "user.later", "yes")
        self.stop_daemon(last)
        self.assert_refused(self.mesh.attempt(last, "raft", "recover", "--from", path, "--yes"), 125,
                            "raft.recover.mesh_lives")
        for node in (first, second):
            node.kill_host()
        for node in self.mesh.nodes:
            for name in os.listdir(node.data):
                if name.startswith("raft."):
                    os.remove(os.path.join(node.data, name))
        with open(path, "rb") as stream:
            content = bytearray(stream.read())
        content[len(content) // 2] ^= 1
        broken = path + ".broken"
        with open(broken, "wb") as stream:
            stream.write(content)
        for wrong in (broken, path + ".none", __file__):
            done = self.mesh.attempt(last, "raft", "recover", "--from", wrong, "--yes")
            self.assert_refused(done, 125)
        done = self.mesh.attempt(last, "raft", "recover", "--from", path, "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        last.start_again()
        meshes.wait_until(lambda: self.seats(last).get("n3") == "leader", "n3 leads")
        self.assertEqual(last.command("config", "get", "user.kept"), "yes\n")
        self.assertEqual(self.mesh.attempt(last, "config", "get", "user.later").returncode, 3)
        self.assertEqual(self.mesh.job(last, job).state, "succeeded")
        for node in (first, second):
            node.start_again()
        self.mesh.wait_alive(last, 3, voters=3, seconds=60)
        self.assertGreater(self.run_true(first), job + 1_000)

    def test_a_snapshot_of_another_mesh_is_refused(self):
        stranger = meshes.Node(self.mesh, 9)
        self.mesh.nodes.append(stranger)
        stranger.found("other")
        path = self.keep_snapshot(stranger)
        self.stop_daemon(stranger)
        last = self.mesh.nodes[2]
        if last.daemon_pid():
            self.stop_daemon(last)
        done = self.mesh.attempt(last, "raft", "recover", "--from", path, "--yes")
        self.assert_refused(done, 125, "raft.recover.other_mesh")
        last.start_again()


class TokensOfBefore(GuestCase, RaftCase):
    """What was issued before a recovery is void: nobody knows what of it was used or withdrawn since the snapshot."""

    node_count = 1

    def join(self, line):
        node = meshes.Node(self.mesh, len(self.mesh.nodes) + 1)
        self.mesh.nodes.append(node)
        return self.mesh.attempt(node, "join", "-", "--name", node.name, "--listen", f"127.0.0.1:{node.port}",
                                 stdin=line, seconds=60)

    def test_what_was_issued_before_the_recovery_is_void_and_what_is_issued_after_it_works(self):
        node = self.node
        revoked, spent, good = self.token(), self.token("--uses", "1"), self.token("--uses", "1")
        used, unused = (node.command("invite") for _ in range(2))
        kept = self.run_true(node)
        path = self.keep_snapshot(node)
        # What the snapshot does not know.
        node.command("token", "revoke", f"file:{revoked}")
        self.assertEqual(self.ok(self.run_as_guest(spent, "--", "echo", "once")), "once\n")
        joined = self.join(used)
        self.assertEqual(joined.returncode, 0, joined.stderr)
        self.mesh.nodes[1].command("leave", "--forget", "--yes")
        # Of a higher epoch than the snapshot's.
        for _ in range(3):
            node.command("token", "revoke", "--all")
        late = self.token()
        node.command("token", "revoke", f"file:{late}")
        self.stop_daemon(node)
        done = self.mesh.attempt(node, "raft", "recover", "--from", path, "--yes", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["void"], ["tokens", "invitations"])
        for words in ("all tokens and invitations of before are void", "swarmlet node revoke NAME"):
            self.assertIn(words, done.stderr)
        node.start_again()
        meshes.wait_until(lambda: self.seats(node).get("n1") == "leader", "n1 leads")
        for token in (revoked, spent, good, late):
            refused = self.run_as_guest(token, "--", "echo", "again")
            self.assert_refused(refused, 125, "token.revoked")
            self.assertIn("all tokens of the time of this one were revoked", refused.stderr)
            self.assert_refused(self.guest(token, "ps"), 4, "token.revoked")
        for line in (used, unused):
            self.assert_refused(self.join(line), 125, "mesh.join.token_void")
        self.assertEqual(len(self.raft(node)["members"]), 1)
        self.assertEqual(self.mesh.job(node, kept).state, "succeeded", "members have their jobs' results as before")
        fresh = self.token("--uses", "1")
        self.assertEqual(self.ok(self.run_as_guest(fresh, "--", "echo", "fresh")), "fresh\n")
        added = self.join(node.command("invite"))
        self.assertEqual(added.returncode, 0, added.stderr)
        said = node.command("audit", "ls", "--json")
        self.assertIn("tokens and invitations of before are void", said)


class OldVotersComeBack(RaftCase):
    node_count = 3

    def test_voters_with_a_longer_log_put_it_aside_and_learn_from_the_host_that_was_recovered(self):
        first, second, last = self.mesh.nodes
        job = self.run_true(first)
        last.kill_host()
        meshes.wait_until(lambda: self.mesh.attempt(first, "config", "set", "user.lost", "1").returncode == 0,
                          "the two go on")
        for number in range(20):
            first.command("config", "set", "user.lost", f"{number}")
        lost_job = self.run_true(first)
        first.kill_host()
        second.kill_host()
        done = self.mesh.attempt(last, "raft", "recover", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        last.start_again()
        meshes.wait_until(lambda: self.seats(last).get("n3") == "leader", "n3 leads")
        last.command("config", "set", "user.after", "yes")
        first.start_again()
        second.start_again()
        self.mesh.wait_alive(last, 3, voters=3, seconds=60)
        for node in (first, second, last):
            self.assertEqual(node.command("config", "get", "user.after"), "yes\n")
            self.assertEqual(self.mesh.attempt(node, "config", "get", "user.lost").returncode, 3)
            self.assertEqual(self.mesh.job(node, job).state, "succeeded")
            self.assertIsNone(self.mesh.job(node, lost_job))
        self.assertTrue(os.path.exists(os.path.join(first.data, "raft-before-epoch-1", "raft.db")))
        self.run_true(second)


class Levels(RaftCase):
    node_count = 3
    joined = False

    def start(self, node, levels):
        self.mesh.environment["SWARMLET_LEVELS"] = levels
        node.start_again()

    def test_the_mesh_speaks_the_next_level_once_all_can_and_refuses_who_cannot(self):
        first, second, third = self.mesh.nodes
        self.mesh.environment["SWARMLET_LEVELS"] = "1-1"
        first.found("fault")
        self.mesh.environment["SWARMLET_LEVELS"] = "1-2"
        second.join(first.command("invite"))
        third.join(first.command("invite"))
        self.mesh.wait_alive(first, 3, voters=3)
        self.assertEqual(self.raft(first)["level"], 1)
        self.run_true(third)
        self.stop_daemon(first)
        self.start(first, "1-2")
        meshes.wait_until(lambda: self.raft(first)["level"] == 2, "level 2", seconds=40)
        self.run_true(third)
        self.mesh.environment["SWARMLET_LEVELS"] = "1-1"
        old = meshes.Node(self.mesh, 4)
        self.mesh.nodes.append(old)
        done = self.mesh.attempt(old, "join", "-", "--name", "n4", "--listen", f"127.0.0.1:{old.port}",
                                 stdin=first.command("invite"))
        self.assert_refused(done, 125, "mesh.level.too_old")
        self.stop_daemon(second)
        self.start(second, "1-1")
        meshes.wait_until(lambda: "[mesh.level.too_old]" in self.mesh.attempt(second, "ps").stderr,
                          "the downgraded member says that it is too old", seconds=30)
        self.run_true(first)


if __name__ == "__main__":
    unittest.main()
