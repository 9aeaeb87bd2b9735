"""The signed log of what happened: the same on every node, checked by each, and proved to somebody who was not there."""

import base64
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import unittest

from base import MeshCase, meshes
import processes


def leaf(line):
    return hashlib.sha256(b"\0" + line).digest()


def root(index, size, node, path):
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    last = size - 1
    for sibling in path:
        assert last > 0, "a proof that is too long"
        if index & 1 or index == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    assert last == 0, "a proof that is too short"
    return node


class AuditCase(MeshCase):
    def events(self, node, *flags):
        return node.command_json("audit", "ls", *flags)["events"]

    def verdict(self, node, *flags):
        done = self.mesh.attempt(node, "audit", "verify", "--json", *flags)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual(said["good"], done.returncode == 0)
        return said

    def wait_signed(self, node, names):
        """The verdict of a node once these have signed all that there is."""
        def signed():
            said = self.verdict(node)
            return said if said["signed_events"] == said["events"] and sorted(said["signers"]) == sorted(names) else None

        return meshes.wait_until(signed, f"{names} have signed", 60, every=0.3)

    def wait_level(self, node):
        meshes.wait_until(lambda: self.mesh.attempt(node, "audit", "ls").returncode == 0, "the mesh keeps a log", 40)

    def leader(self):
        return self.mesh.node(next(row["name"] for row in self.mesh.members(self.mesh.nodes[0])
                                   if row["raft"] == "leader"))

    def stop_daemon(self, node):
        pid = node.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        self.assertFalse(processes.wait_gone([pid], 10))

    def database(self, node):
        database = sqlite3.connect(os.path.join(node.data, "audit.db"), timeout=20)
        self.addCleanup(database.close)
        return database


class Audit(AuditCase):
    node_count = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        meshes.wait_until(lambda: cls.mesh.attempt(cls.node, "audit", "ls").returncode == 0, "a log", 40)

    def test_what_is_done_anywhere_is_in_the_log_of_every_node(self):
        first, second, third = self.mesh.nodes
        job = self.submit("--no-send", "-J", "caf\u00e9", "--", "sleep", "600", node=second)
        third.command("cancel", str(job))
        second.command("config", "set", "jobs.keep", "5000")
        second.command("config", "set", "user.secret", "hidden-value")
        line = third.command("token", "create", "--gpus", "0")
        identifier = json.loads(subprocess.run([self.mesh.binary, "token", "inspect", "-", "--json"], input=line, text=True,
                                               capture_output=True, check=True).stdout)["id"]
        first.command("token", "revoke", identifier)
        first.command("node", "cordon", "n3")
        first.command("node", "uncordon", "n3")
        first.command("invite")
        found = self.events(first)
        self.assertEqual([event["seq"] for event in found], list(range(len(found))))
        mine = [event for event in found if event.get("job") == job]
        self.assertEqual([event["act"] for event in mine], ["job.submitted", "job.cancelled"])
        self.assertRegex(mine[0]["actor"], r"@n2$")
        self.assertRegex(mine[1]["actor"], r"@n3$")
        self.assertEqual(mine[0]["about"], "caf\u00e9")
        acts = [event["act"] for event in found]
        for act in ("level.raised", "member.admitted", "setting.changed", "token.created", "token.revoked", "node.cordoned",
                    "node.uncordoned", "invitation.made"):
            self.assertIn(act, acts)
        self.assertNotIn("hidden-value", json.dumps(found))
        self.assertNotIn("swa1.", json.dumps(found))
        for node in (second, third):
            self.assertEqual(self.events(node)[:len(found)], found)
            self.wait_signed(node, ["n1", "n2", "n3"])
        said = self.mesh.command(second, "audit", "verify")
        self.assertRegex(said, r"^audit log: \d+ events, tree good, signed by n\d, n\d, n\d; nothing missing since "
                               r"\d\d:\d\d UTC( on \d{4}-\d\d-\d\d)?\n$")
        self.assertEqual(self.events(first, "--tail", "2"), self.events(first)[-2:])
        about = self.events(first, "--token", identifier)
        self.assertEqual([event["act"] for event in about], ["token.created", "token.revoked"])
        self.assertEqual(self.events(first, "--since", "2100-01-01T00:00:00Z"), [])
        table = first.command("audit", "ls").splitlines()
        self.assertEqual(table[0].split(), ["SEQ", "TIME", "WHO", "ACT", "NODE", "JOB", "ABOUT"])
        self.assertGreater(len(table), len(found))

    def test_a_proof_leads_from_the_event_to_the_signed_root(self):
        job = self.submit("--no-send", "--", "true")
        for node in self.mesh.nodes:
            proof = node.command_json("audit", "proof", str(job))
            event = json.loads(proof["leaf"])
            self.assertEqual((event["job"], event["act"], event["seq"]), (job, "job.submitted", proof["seq"]))
            origin, size, wanted = proof["checkpoint"].splitlines()[:3]
            self.assertRegex(origin, r"^swarmlet\.dev/k4\.pid\.")
            hashes = [base64.b64decode(text) for text in proof["hashes"]]
            self.assertEqual(root(proof["seq"], int(size), leaf(proof["leaf"].encode()), hashes), base64.b64decode(wanted))
            text = node.command("audit", "proof", f"seq:{proof['seq']}")
            self.assertTrue(text.startswith("c2sp.org/tlog-proof@v1\nextra "), text[:60])
        self.assert_refused(self.mesh.attempt(self.node, "audit", "proof", "99999"), 3, "audit.not_found")
        self.assert_refused(self.mesh.attempt(self.node, "audit", "proof", "seq:99999"), 3, "audit.not_found")
        self.assert_refused(self.mesh.attempt(self.node, "audit", "proof", "many"), 2)

    def test_a_receipt_is_written_when_the_job_is_accepted_and_a_guest_gets_that_of_his_own_job_alone(self):
        receipt = os.path.join(self.folder(), "job.tlog-proof")
        done = self.run_job("--no-send", "--receipt", receipt, "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(receipt, encoding="utf-8") as stream:
            lines = stream.read().split("\n")
        self.assertEqual(lines[0], "c2sp.org/tlog-proof@v1")
        event = json.loads(base64.b64decode(lines[1].removeprefix("extra ")))
        self.assertEqual(event["act"], "job.submitted")
        end = lines.index("")
        size, wanted = lines[end + 2:end + 4]
        path = [base64.b64decode(line) for line in lines[3:end]]
        self.assertEqual(root(event["seq"], int(size), leaf(base64.b64decode(lines[1].removeprefix("extra "))), path),
                         base64.b64decode(wanted))
        # The job is not in doubt because its receipt cannot be written.
        done = self.run_job("--no-send", "--receipt", "/nowhere/file", "--", "echo", "ran")
        self.assertEqual((done.returncode, done.stdout), (0, "ran\n"))
        self.assertIn("no receipt", done.stderr)

        token = os.path.join(self.folder(), "guest.token")
        with open(token, "w", encoding="utf-8") as stream:
            stream.write(self.node.command("token", "create"))
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "CI": "true"}
        mine = os.path.join(self.folder(), "mine.tlog-proof")
        done = subprocess.run([self.mesh.binary, "run", "-d", "--yes", "--no-send", "--receipt", mine, "--", "true"], text=True,
                              capture_output=True, env=environment, cwd=self.folder(), timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(mine, encoding="utf-8") as stream:
            guest = json.loads(base64.b64decode(stream.read().split("\n")[1].removeprefix("extra ")))
        self.assertEqual(guest["job"], int(done.stdout))
        self.assertRegex(guest["actor"], r"^k4\.pid\.")
        self.assertEqual((len(guest["tokens"]), len(guest["req"])), (1, 64))
        self.assertNotIn("n1", (guest["node"], guest["actor"]))

    def test_each_alteration_of_a_copy_is_named_by_its_first_event(self):
        for number in range(6):
            self.node.command("config", "set", "jobs.keep", str(4000 + number))
        last = self.mesh.nodes[2]
        self.wait_signed(last, ["n1", "n2", "n3"])
        database = self.database(last)
        rows = database.execute("SELECT seq, job, leaf, line FROM event ORDER BY seq").fetchall()
        count = len(rows)
        fifth = bytes(rows[5][3])
        consistent = fifth.replace(b'"decision":"done"', b'"decision":"none"')
        self.assertNotEqual(consistent, fifth)
        cases = [
            ("audit.altered", 5, ["UPDATE event SET line = CAST(line || ' ' AS BLOB) WHERE seq = 5"]),
            ("audit.missing", 5, ["DELETE FROM event WHERE seq = 5"]),
            ("audit.missing", count - 2, [f"DELETE FROM event WHERE seq >= {count - 2}"]),
            ("audit.missing", 0, ["DELETE FROM event"]),
            ("audit.misplaced", 5, ["UPDATE event SET seq = -1 WHERE seq = 5", "UPDATE event SET seq = 5 WHERE seq = 6",
                                    "UPDATE event SET seq = 6 WHERE seq = -1"]),
            # With its hash: it looks right by itself, and another member has it otherwise.
            ("audit.altered", 5, [f"UPDATE event SET line = X'{consistent.hex()}', leaf = X'{leaf(consistent).hex()}' "
                                  "WHERE seq = 5"]),
        ]
        for code, first, statements in cases:
            with self.subTest(code=code, statements=statements[0][:40]):
                with database:
                    for statement in statements:
                        database.execute(statement)
                said = self.verdict(last)
                self.assertEqual((said["code"], said["first_bad"]), (code, first), said)
                done = self.mesh.attempt(last, "audit", "verify")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout, rf"^audit log: .*\b{first}\b.* on n3 \[{re.escape(code)}\]\n$")
                self.assertTrue(self.verdict(self.node)["good"])
                with database:
                    database.execute("DELETE FROM event")
                    database.executemany("INSERT INTO event VALUES(?, ?, ?, ?)", rows)
                self.assertTrue(self.verdict(last)["good"])

    def test_a_line_that_was_altered_does_not_come_right_by_a_restart_and_does_when_the_file_is_moved_away(self):
        last = self.mesh.nodes[2]
        self.wait_signed(last, ["n1", "n2", "n3"])
        with self.database(last) as database:
            database.execute("DELETE FROM event WHERE seq = 3")
        self.stop_daemon(last)
        last.start_again()
        self.assertEqual(self.verdict(last)["first_bad"], 3)
        self.stop_daemon(last)
        for suffix in ("", "-wal", "-shm"):
            path = os.path.join(last.data, "audit.db" + suffix)
            if os.path.exists(path):
                os.unlink(path)
        last.start_again()
        meshes.wait_until(lambda: self.verdict(last)["good"], "the copy is whole again", 60)
        self.assertEqual(self.events(last), self.events(self.node)[:len(self.events(last))])

    def test_a_checkpoint_that_was_kept_is_still_the_beginning_of_the_log(self):
        kept = os.path.join(self.folder(), "checkpoint")
        with open(kept, "w", encoding="utf-8") as stream:
            stream.write(self.wait_signed(self.node, ["n1", "n2", "n3"])["checkpoint"])
        self.node.command("config", "set", "jobs.keep", "4444")
        for node in self.mesh.nodes:
            self.assertTrue(self.verdict(node, "--file", kept)["good"])
        with open(kept, encoding="utf-8") as stream:
            lines = stream.read().split("\n")
        lines[2] = base64.b64encode(bytes(32)).decode()
        with open(kept, "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines))
        self.assert_refused(self.mesh.attempt(self.node, "audit", "verify", "--file", kept), 125, "audit.unsigned")
        lines[0] = "elsewhere.example/log"
        with open(kept, "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines))
        self.assert_refused(self.mesh.attempt(self.node, "audit", "verify", "--file", kept), 125, "audit.other_log")

    def test_the_log_goes_on_when_the_leader_is_killed(self):
        leader = self.leader()
        other = next(node for node in self.mesh.nodes if node is not leader)
        before = self.events(other)
        leader.kill_daemon()
        meshes.wait_until(
            lambda: self.mesh.attempt(other, "config", "set", "jobs.keep", "3333").returncode == 0, "a leader", 40)
        said = meshes.wait_until(
            lambda: (lambda verdict: verdict if verdict["signed_events"] == verdict["events"] else None)(
                self.verdict(other)), "the new leader signs", 40)
        self.assertTrue(said["good"], said)
        self.assertNotEqual(said["signers"][0], leader.name)
        leader.start_again()
        self.mesh.wait_alive(other, 3, voters=3)
        self.wait_signed(leader, ["n1", "n2", "n3"])
        after = self.events(leader)
        self.assertEqual(after[:len(before)], before)
        self.assertEqual(len([event for event in after if event.get("about") == "jobs.keep=3333"]), 1)

    def test_what_is_refused_is_counted_and_not_told_line_by_line(self):
        path = os.path.join(self.folder(), "guest.token")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.node.command("token", "create", "--act", "logs"))
        self.node.command("token", "revoke", f"file:{path}")
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": path, "CI": "true"}
        for _ in range(5):
            done = subprocess.run([self.mesh.binary, "ps"], text=True, capture_output=True, env=environment, timeout=60)
            self.assertEqual(done.returncode, 4, done.stderr)

        def counted():
            told = [event for node in self.mesh.nodes for event in self.events(node)
                    if event["act"] == "refused" and event["code"] == "token.revoked"]
            return told or None

        told = meshes.wait_until(counted, "the refusals are in the log", 90, every=0.5)
        self.assertEqual({event["decision"] for event in told}, {"refused"})
        self.assertTrue(all(event["count"] >= 1 and event["node"] in ("n1", "n2", "n3") for event in told))


class Contradiction(AuditCase):
    node_count = 3

    def test_a_voter_never_signs_two_roots_of_one_size_and_keeps_both_notes(self):
        self.wait_level(self.node)
        self.wait_signed(self.node, ["n1", "n2", "n3"])
        leader = self.leader()
        voter = next(node for node in self.mesh.nodes if node is not leader)
        said = self.verdict(voter)
        self.stop_daemon(voter)
        with self.database(voter) as database:
            # As if it had signed another log before: whoever leads now shows it a second one.
            for size in range(said["events"] + 1, said["events"] + 20):
                note = said["checkpoint"].split("\n")
                note[1], note[2] = str(size), base64.b64encode(bytes(32)).decode()
                database.execute("INSERT INTO signed VALUES(?, ?, ?)", (size, bytes(32), "\n".join(note)))
        voter.start_again()
        self.mesh.wait_alive(leader, 3, voters=3)
        leader.command("config", "set", "jobs.keep", "4321")
        found = meshes.wait_until(lambda: (lambda verdict: verdict if verdict["evidence"] else None)(self.verdict(voter)),
                                  "the voter has seen two logs", 40)
        self.assertEqual(found["code"], "audit.contradiction")
        self.assertEqual(len(found["evidence"]) % 2, 0)
        first, second = [note.split("\n") for note in found["evidence"][:2]]
        self.assertEqual(first[:2], second[:2])
        self.assertNotEqual(first[2], second[2])
        doctor = self.mesh.attempt(voter, "doctor", "--json")
        self.assertEqual(doctor.returncode, 1)
        checks = {check["check"]: check["result"] for check in json.loads(doctor.stdout)["checks"]}
        self.assertEqual(checks["audit log"], "FAIL")
        # It has not put its name to it, and the others say so.
        self.assertIn(voter.name, self.verdict(leader)["voters_missing"])


class LateMember(AuditCase):
    """The log of the first node begins with a snapshot: who joins now cannot learn from entries what happened."""

    node_count = 2
    joined = False

    def test_a_member_that_joins_later_gets_all_of_it_and_checks_it(self):
        first, late = self.mesh.nodes
        first.found("fault")
        self.wait_level(first)
        self.compact(first)
        late.join(first.command("invite"))
        self.mesh.wait_alive(first, 2)
        said = meshes.wait_until(lambda: (lambda verdict: verdict if verdict["good"] else None)(self.verdict(late)),
                                 "the late member has the whole log", 60)
        self.assertGreater(said["events"], 300)
        found = self.events(first)
        self.assertEqual(self.events(late)[:len(found)], found)
        self.assertEqual(late.command_json("audit", "proof", "seq:0")["seq"], 0)


class Recovered(AuditCase):
    node_count = 3

    def test_after_a_recovery_the_log_goes_on_from_what_is_left_and_is_another_one(self):
        first, second, last = self.mesh.nodes
        self.wait_level(first)
        self.wait_signed(last, ["n1", "n2", "n3"])
        kept = len(self.events(last))
        self.stop_daemon(last)
        for number in range(3):
            first.command("config", "set", "jobs.keep", str(7000 + number))
        self.wait_signed(first, ["n1", "n2"])
        lost = self.events(first)
        self.assertGreater(len(lost), kept)
        first.kill_daemon()
        second.kill_daemon()
        last.command("raft", "recover", "--yes")
        last.start_again()
        meshes.wait_until(lambda: self.mesh.attempt(last, "config", "set", "jobs.keep", "7777").returncode == 0,
                          "the mesh goes on", 40)
        found = self.events(last)
        # What was stopped on the way may have been in the log of the last one already.
        self.assertEqual(found[:kept], lost[:kept])
        self.assertIn("mesh.recovered", [event["act"] for event in found])
        said = self.wait_signed(last, ["n3"])
        self.assertTrue(said["checkpoint"].split("\n")[0].endswith("/1"), said["checkpoint"])
        # Who has what was lost gives it up, and has the log that goes on.
        first.start_again()
        second.start_again()
        self.mesh.wait_alive(last, 3, voters=3)
        for node in (first, second):
            meshes.wait_until(lambda node=node: self.verdict(node)["good"], f"{node.name} has the log", 60)
            self.assertEqual(self.events(node)[:len(found)], found)


class NoLogYet(AuditCase):
    node_count = 1
    joined = False

    def test_a_mesh_below_the_level_says_that_it_has_no_log(self):
        self.mesh.environment["SWARMLET_LEVELS"] = "1-5"
        self.node.found("fault")
        for arguments in (["ls"], ["verify"], ["proof", "1"]):
            self.assert_refused(self.mesh.attempt(self.node, "audit", *arguments), 125, "audit.not_yet")
        self.node.command("invite")
        self.assertNotIn("FAIL", self.mesh.attempt(self.node, "doctor").stdout)
        self.stop_daemon(self.node)
        del self.mesh.environment["SWARMLET_LEVELS"]
        self.node.start_again()
        self.wait_level(self.node)
        self.assertEqual(self.events(self.node)[0]["act"], "level.raised")
        self.wait_signed(self.node, ["n1"])


if __name__ == "__main__":
    unittest.main()
