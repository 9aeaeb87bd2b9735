"""What a disk does to a voter's log behind its back: it is noticed, said, repaired by the others, and nothing is lost."""

import contextlib
import os
import shutil
import signal
import sqlite3
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import meshes  # noqa: E402
from test_voters import VoterCase  # noqa: E402
import processes  # noqa: E402

PAGE_BYTES = 4096
WAL_HEADER_BYTES = 32
FRAME_BYTES = 24 + PAGE_BYTES


def flip(path, offset, mask=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def frames(path):
    """Offsets of the frames of a write-ahead log that count: those of its newest round."""
    with open(path, "rb") as file:
        content = file.read()
    salts = content[16:24]
    found = []
    for offset in range(WAL_HEADER_BYTES, len(content) - FRAME_BYTES + 1, FRAME_BYTES):
        if content[offset + 8:offset + 16] != salts:
            break
        found.append((offset, struct.unpack(">I", content[offset + 4:offset + 8])[0] > 0))
    return found


class DamageCase(VoterCase):
    def log_file(self, node, suffix=""):
        return os.path.join(node.data, "raft.db" + suffix)

    def check(self, node, name="raft log"):
        """One line of this node's `doctor`."""
        done = self.mesh.attempt(node, "doctor", "--json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        checks = meshes.json.loads(done.stdout)["checks"]
        found = [check for check in checks if check["check"] == name]
        if not found:
            with open(os.path.join(node.data, "daemon.log"), encoding="utf-8") as log:
                self.fail(f"doctor says {checks}; daemon.log: {log.read()[-2000:]}")
        return found[0]

    def wait_whole(self, node, seconds=30):
        meshes.wait_until(lambda: self.check(node)["result"] != "FAIL", f"the log of {node.name} is whole", seconds)

    def set_values(self, node, first, last):
        for number in range(first, last + 1):
            node.command("config", "set", f"user.k{number}", f"value {number}")

    def assert_values(self, node, last):
        values = {setting["key"]: setting["value"] for setting in node.command_json("config", "ls")["settings"]}
        missing = [number for number in range(1, last + 1) if values.get(f"user.k{number}") != f"value {number}"]
        self.assertEqual(missing, [], f"{node.name} has lost what was acknowledged")

    def stop_daemon(self, node):
        pid = node.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        self.assertFalse(processes.wait_gone([pid], 10))

    def flip_last_write(self, node):
        """A bit in the last transaction of the log of a daemon that was killed."""
        path = self.log_file(node, "-wal")
        found = frames(path)
        self.assertTrue(found and found[-1][1], "the log ends with a whole transaction")
        flip(path, found[-1][0] + 24 + PAGE_BYTES - 40)

    def assert_equal_logs(self):
        """Stops all daemons: every entry that two of them have is the same, with everything before it."""
        chains = {}
        for node in self.mesh.nodes:
            if node.daemon_pid():
                self.stop_daemon(node)
            with contextlib.closing(sqlite3.connect(self.log_file(node))) as database:
                chains[node.name] = dict(database.execute("SELECT idx, hex(chain) FROM entry"))
        names = sorted(chains)
        for one, other in zip(names, names[1:]):
            common = set(chains[one]) & set(chains[other])
            self.assertGreater(len(common), 20)
            different = sorted(index for index in common if chains[one][index] != chains[other][index])
            self.assertEqual(different, [], f"{one} and {other} differ")


class DamagedVoter(DamageCase):
    node_count = 3

    def test_a_voter_that_lost_its_newest_writes_does_not_vote_says_so_and_is_repaired_by_the_leader(self):
        self.set_values(self.node, 1, 12)
        leader = self.leader(self.node)
        damaged, other = [node for node in self.mesh.nodes if node is not leader]
        damaged.kill_host()
        self.flip_last_write(damaged)
        self.set_values(leader, 13, 20)
        leader.kill_host()
        other.kill_host()
        damaged.start_again()

        line = self.check(damaged)
        self.assertEqual(line["result"], "FAIL")
        self.assertRegex(line["detail"], r"^damaged: .*raft\.db has lost its newest writes: .* kept as raft\.db\.damaged; "
                         r"it neither votes nor leads until a leader has sent entries up to \d+ again$")
        self.assertIn("swarmlet raft recover", line["hint"])
        done = self.mesh.attempt(damaged, "doctor")
        self.assertEqual(done.returncode, 1)
        self.assertIn("raft log", done.stdout)
        listed = self.mesh.attempt(damaged, "raft", "ls")
        self.assertEqual(listed.returncode, 0)
        self.assertRegex(listed.stdout, rf"{damaged.name} .* damaged")
        self.assertIn(f"{damaged.name} has lost entries that it had acknowledged", listed.stderr)
        self.assertTrue(os.path.exists(self.log_file(damaged, ".damaged")))
        with open(os.path.join(damaged.data, "daemon.log"), encoding="utf-8") as log:
            self.assertIn("has lost its newest writes", log.read())

        # Two of three run, but one of them does not vote: nobody leads, and a command says why.
        other.start_again()
        refused = self.mesh.attempt(damaged, "config", "set", "user.x", "1")
        self.assert_refused(refused, 125, "raft.log.damaged")
        self.assertNotIn("leader", self.seats(damaged).values())

        leader.start_again()
        self.mesh.wait_alive(damaged, 3, voters=3)
        self.wait_whole(damaged)
        self.assertEqual(self.check(damaged)["result"], "warn")
        self.assert_values(damaged, 20)
        # It is a voter like the others again: with one of them it is a majority.
        other.kill_host()
        self.set_values(damaged, 21, 25)
        other.start_again()
        self.mesh.wait_alive(damaged, 3, voters=3)
        self.set_values(other, 26, 30)
        self.assert_values(damaged, 30)
        self.assert_equal_logs()

    def tearDown(self):
        # Each test ends with all daemons stopped; the next begins with all of them.
        for node in self.mesh.nodes:
            if not node.daemon_pid():
                node.start_again()
        self.mesh.wait_alive(self.node, 3, voters=3)

    def test_a_database_that_is_no_database_any_more_is_put_aside_and_filled_again(self):
        self.set_values(self.node, 1, 12)
        damaged = next(node for node in self.mesh.nodes if node is not self.leader(self.node))
        self.stop_daemon(damaged)
        for offset in (0, 100, PAGE_BYTES + 3, 2 * PAGE_BYTES + 100):
            flip(self.log_file(damaged), offset)
        damaged.start_again()
        self.mesh.wait_alive(damaged, 3, voters=3)
        self.wait_whole(damaged)
        self.assertIn("raft.db.damaged", self.check(damaged)["detail"])
        self.assert_values(damaged, 12)
        self.set_values(damaged, 13, 20)
        self.assert_values(self.node, 20)
        self.assert_equal_logs()

    def test_a_voter_without_its_mark_goes_on_and_says_so(self):
        self.set_values(self.node, 1, 12)
        node = next(node for node in self.mesh.nodes if node is not self.leader(self.node))
        for content in (None, b"\xa5" * 8192):
            node.kill_host()
            mark = os.path.join(node.data, "raft.mark")
            os.remove(mark)
            if content:
                with open(mark, "wb") as file:
                    file.write(content)
            node.start_again()
            line = self.check(node)
            self.assertEqual(line["result"], "warn")
            self.assertIn("raft.mark is missing or is not what was written", line["detail"])
            self.mesh.wait_alive(node, 3, voters=3)
        self.set_values(node, 13, 15)
        self.assert_equal_logs()

    def test_a_voter_that_lost_log_and_mark_asks_for_a_later_leader_and_votes_again_under_it(self):
        self.set_values(self.node, 1, 12)
        leader = self.leader(self.node)
        damaged, other = [node for node in self.mesh.nodes if node is not leader]
        damaged.kill_host()
        for name in ("raft.db", "raft.db-wal", "raft.db-shm", "raft.mark"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(damaged.data, name))
        shutil.rmtree(os.path.join(damaged.data, "snapshots"))
        damaged.start_again()
        self.mesh.wait_alive(damaged, 3, voters=3)
        self.assert_values(damaged, 12)
        with open(os.path.join(damaged.data, "daemon.log"), encoding="utf-8") as log:
            self.assertIn("raft.db, which this node has had, is gone", log.read())
        self.wait_whole(damaged)
        self.assertIs(self.leader(damaged), other)
        self.set_values(damaged, 13, 20)
        self.assert_values(self.node, 20)
        self.assert_equal_logs()


class OnlyVoter(DamageCase):
    def test_the_only_voter_says_what_is_lost_and_goes_on_when_a_person_says_so(self):
        self.set_values(self.node, 1, 20)
        self.node.kill_host()
        self.flip_last_write(self.node)
        self.node.start_again()
        line = self.check(self.node)
        self.assertEqual(line["result"], "FAIL")
        self.assertIn(f"{self.node.data}/raft.db has lost its newest writes", line["detail"])
        self.assertIn("no other voter", line["detail"])
        self.assertIn("swarmlet raft recover", line["hint"])
        # What is left can be looked at, and nothing is changed.
        self.assertEqual(self.mesh.attempt(self.node, "ps").returncode, 0)
        refused = self.mesh.attempt(self.node, "config", "set", "user.x", "1")
        self.assert_refused(refused, 125, "raft.log.damaged")
        self.assertIn("swarmlet raft recover", refused.stderr)
        self.stop_daemon(self.node)
        asked = self.mesh.attempt(self.node, "raft", "recover")
        self.assertEqual(asked.returncode, 125)
        self.assertRegex(asked.stderr, r"its log is damaged: entries up to \d+ were acknowledged here")
        done = self.mesh.attempt(self.node, "raft", "recover", "--yes")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.node.start_again()
        self.mesh.wait_alive(self.node, 1)
        # Each was acknowledged before the next was asked for: all but the end is there.
        self.assert_values(self.node, 18)
        self.node.command("config", "set", "user.after", "yes")
        self.assertNotEqual(self.check(self.node)["result"], "FAIL")


class NothingLeft(DamageCase):
    def test_a_log_with_nothing_left_is_not_made_a_new_mesh_behind_anybodys_back(self):
        self.set_values(self.node, 1, 3)
        self.stop_daemon(self.node)
        for page in range(os.path.getsize(self.log_file(self.node)) // PAGE_BYTES):
            flip(self.log_file(self.node), page * PAGE_BYTES, 0xFF)
        self.node.start_again()
        self.assertEqual(self.check(self.node)["result"], "FAIL")
        self.assert_refused(self.mesh.attempt(self.node, "config", "set", "user.x", "1"), 125, "raft.log.damaged")
        self.stop_daemon(self.node)
        self.assert_refused(self.mesh.attempt(self.node, "raft", "recover", "--yes"), 125, "raft.recover.nothing_left")


class OtherFormat(DamageCase):
    def test_a_log_of_another_format_is_refused_with_its_file_and_both_formats(self):
        self.stop_daemon(self.node)
        for number in (1, 99):
            with contextlib.closing(sqlite3.connect(self.log_file(self.node))) as database:
                before = database.execute("PRAGMA user_version").fetchone()[0]
                database.execute(f"PRAGMA user_version={number}")
            done = self.mesh.attempt(self.node, "up")
            self.assert_refused(done, 125, "raft.log.unknown_version")
            self.assertIn(f"{self.log_file(self.node)} has format {number}, ", done.stderr)
            self.assertIn("start the version of swarmlet that wrote it", done.stderr)
            with contextlib.closing(sqlite3.connect(self.log_file(self.node))) as database:
                database.execute(f"PRAGMA user_version={before}")
        self.node.start_again()
        self.mesh.wait_alive(self.node, 1)


if __name__ == "__main__":
    unittest.main()
