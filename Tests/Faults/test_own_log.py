"""Whom a host turned away: its own log, chained line by line, and its end in the log of what happened."""

import hashlib
import json
import os
import unittest

from base import meshes
from test_guests import GuestCase


class OwnLog(GuestCase):
    node_count = 1

    def path(self, suffix=""):
        return os.path.join(self.node.data, "refusals" + suffix)

    def lines(self):
        with open(self.path(), "rb") as stream:
            return stream.read().splitlines()

    def turn_away(self, token):
        """Once; the line of it is there then."""
        before = len(self.lines()) if os.path.exists(self.path()) else 0
        self.assertNotEqual(self.guest(token, "ps").returncode, 0)
        meshes.wait_until(lambda: len(self.lines()) > before, "it is written down")

    def anchors(self):
        return [event["about"] for event in self.node.command_json("audit", "ls")["events"] if event["act"] == "log.anchored"]

    def wait_anchored(self):
        last = self.lines()[-1]
        wanted = f"n1, {json.loads(last)['seq'] + 1} lines, sha256 {hashlib.sha256(last).hexdigest()}"
        # Once a minute at most.
        meshes.wait_until(lambda: wanted in self.anchors(), "the mesh knows its end", 90, 0.2)

    def verdict(self):
        done = self.mesh.attempt(self.node, "audit", "verify", "--json")
        document = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if document["good"] else 1, done.stderr)
        return document["code"], document["own_lines"]

    def test_who_is_turned_away_is_written_down_and_whoever_alters_it_is_found_out(self):
        meshes.wait_until(lambda: self.mesh.attempt(self.node, "audit", "ls").returncode == 0, "the mesh keeps a log", 40)
        token = self.token()
        self.node.command("token", "revoke", f"file:{token}")
        self.turn_away(token)
        first = json.loads(self.lines()[0])
        self.assertEqual((first["seq"], first["door"], first["code"], first["prev"]), (0, "guest", "token.revoked", "0" * 64))
        self.assertTrue(first["from"].startswith("127.0.0.1:"), first)
        self.wait_anchored()
        self.assertEqual(self.verdict(), (None, 1))
        # It goes on over a kill, and what the kill left of a line is no line.
        self.node.kill_daemon()
        with open(self.path(), "ab") as stream:
            stream.write(b'{"seq":1,"t":"2026')
        self.node.start_again()
        self.turn_away(token)
        self.turn_away(token)
        self.assertEqual(json.loads(self.lines()[1])["prev"], hashlib.sha256(self.lines()[0]).hexdigest())
        self.wait_anchored()
        count = len(self.lines())
        self.assertEqual(self.verdict(), (None, count))
        with open(self.path(), "rb") as stream:
            content = stream.read()
        for what, changed, code in (
            ("another address", content.replace(b"127.0.0.1", b"127.0.0.2", 1), "audit.own_altered"),
            ("a line less", content.split(b"\n", 1)[1], "audit.own_missing"),
            ("the last one less", content[:content.rindex(b"\n", 0, -1) + 1], "audit.own_missing"),
            ("nothing", b"", "audit.own_missing"),
        ):
            with self.subTest(what):
                # In place: the daemon goes on writing to this file.
                with open(self.path(), "r+b") as stream:
                    stream.truncate(0)
                    stream.write(changed)
                self.assertEqual(self.verdict(), (code, None))
        with open(self.path(), "r+b") as stream:
            stream.truncate(0)
            stream.write(content)
        self.assertEqual(self.verdict(), (None, count))
        # A file that is gone is not forgotten by what comes after it.
        self.node.kill_daemon()
        os.remove(self.path())
        self.node.start_again()
        self.turn_away(token)
        self.assertEqual(json.loads(self.lines()[0])["seq"], count)
        self.assertEqual(self.verdict(), ("audit.own_missing", None))


if __name__ == "__main__":
    unittest.main()
