"""What a token may take of a mesh at most, and which tokens a mesh believes."""

import json
import os
import subprocess
import threading
import time
import unittest

from raft_bench import load_program
from test_guests import GuestCase

# A bound that no share of a busy machine reaches; what is said about speed is measured by scripts/bench.
OTHERS_SECONDS = 30


class TokenLimits(GuestCase):
    node_count = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.load = load_program()

    def loaded(self, *arguments, seconds=300):
        done = subprocess.run([self.load, *arguments], capture_output=True, text=True, timeout=seconds, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.strip()

    def set(self, key, value):
        self.addCleanup(self.node.command, "config", "unset", key)
        self.node.command("config", "set", key, value)

    def offline_token(self, model, uses=5):
        """Made with the key of an issuer that somebody has stolen, without the mesh."""
        seed, key = self.loaded("key").split()
        self.node.command("token", "issuer", "add", key, "ci")
        path = os.path.join(self.folder(), "offline.token")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.loaded("mint", seed, model, str(uses)))
        return path

    def test_a_token_that_asks_too_often_is_refused_with_the_time_to_wait_and_works_again_then(self):
        token = self.token("--uses", "1", "--address", f"127.0.0.1:{self.node.port}")
        began = time.monotonic()
        told = json.loads(self.loaded("flood", token, "8", "600"))
        speed = 600 / (time.monotonic() - began)
        if speed < 25:
            self.skipTest(f"this machine asks {speed:.0f} times a second now, and 20 are allowed")
        self.assertGreater(told.get("token.rate", 0), 0, told)
        self.assertEqual(told.get("submitted"), 1, told)
        other = self.token("--uses", "1")
        self.ok(self.run_as_guest(other, "--", "true"))

        def answered():
            done = self.guest(token, "ps")
            if done.returncode == 0:
                return True
            self.assert_refused(done, 125, "token.rate")
            self.assertRegex(done.stderr, r"Try again in [0-9]+ s")
            return False

        self.wait(answered, "the token is heard again")

    def test_one_token_has_so_many_unfinished_jobs_and_others_go_on_while_it_asks_for_thousands(self):
        self.set("tokens.jobs", "7")
        token = self.token("--uses", "10000")
        told = {}
        flood = threading.Thread(target=lambda: told.update(json.loads(
            self.loaded("flood", token, "16", os.environ.get("SWARMLET_FLOOD", "4000"), seconds=900))))
        flood.start()
        slowest, rounds = 0.0, 0
        try:
            while flood.is_alive() or rounds == 0:
                began = time.monotonic()
                done = self.run_job("--", "echo", "of a member", seconds=OTHERS_SECONDS)
                self.assertEqual((done.returncode, done.stdout), (0, "of a member\n"), done.stderr)
                slowest = max(slowest, time.monotonic() - began)
                rounds += 1
        finally:
            flood.join()
        print(f"slowest of {rounds} jobs of a member beside the flood: {slowest:.2f} s; the flood was told {told}")
        self.assertGreater(told.get("token.rate", 0) + told.get("token.limit.jobs", 0), 0, told)
        mine = json.loads(self.ok(self.patient(token, "ps", "--json")))["jobs"]
        self.assertLessEqual(len([job for job in mine if job["state"] in ("pending", "running", "preparing")]), 7)

    def test_the_jobs_beyond_the_quota_are_refused_with_a_way_out_and_follow_when_one_has_ended(self):
        self.set("tokens.jobs", "2")
        token = self.token("--uses", "10000")
        jobs = [self.ok(self.run_as_guest(token, "-d", "--", "sleep", "600")).strip() for _ in range(2)]
        refused = self.run_as_guest(token, "-d", "--", "true")
        self.assert_refused(refused, 125, "token.limit.jobs")
        self.assertIn("has 2 unfinished jobs", refused.stderr)
        self.assert_refused(self.run_as_guest(token, "--dry-run", "--", "true"), 125, "token.limit.jobs")
        other = self.token("--uses", "1")
        self.ok(self.run_as_guest(other, "--", "true"))
        self.ok(self.guest(token, "cancel", jobs[0]))
        self.wait(lambda: self.run_as_guest(token, "--", "true").returncode == 0, "another one may start")
        self.ok(self.guest(token, "cancel", jobs[1]))

    def test_where_only_issued_tokens_work_a_stolen_key_makes_none(self):
        issued = self.token("--uses", "2")
        offline = self.offline_token(issued)
        self.ok(self.run_as_guest(offline, "--", "true"))
        job = self.ok(self.run_as_guest(offline, "-d", "--", "sleep", "600")).strip()
        self.addCleanup(self.node.command, "cancel", job)
        self.set("tokens.issued-only", "yes")
        self.assert_refused(self.run_as_guest(offline, "--", "true"), 125, "token.not_issued")
        for command in (("ps",), ("logs", job), ("cancel", job)):
            self.assert_refused(self.guest(offline, *command), 4, "token.not_issued")
        self.ok(self.run_as_guest(issued, "--", "true"))
        self.ok(self.run_as_guest(self.token("--uses", "1"), "--", "true"))
        self.node.command("config", "unset", "tokens.issued-only")
        self.ok(self.run_as_guest(offline, "--", "true"))

    def test_what_no_setting_can_be_is_refused_and_changes_nothing(self):
        for key, value in (("tokens.jobs", "0"), ("tokens.jobs", "many"), ("tokens.issued-only", "maybe")):
            before = self.node.command("config", "get", key)
            self.assert_refused(self.mesh.attempt(self.node, "config", "set", key, value), 2, "config.bad_value")
            self.assertEqual(self.node.command("config", "get", key), before)

    def patient(self, token, *arguments):
        """A command of a guest, again while his token is asked with too often."""
        done = []

        def answered():
            done[:] = [self.guest(token, *arguments)]
            return "token.rate" not in done[0].stderr

        self.wait(answered, "the token is heard again")
        return done[0]


class Watched(GuestCase):
    """A mesh of its own: a host says once a second at most that it refused somebody."""

    def test_whoever_watches_a_token_sees_it_made_used_refused_and_withdrawn(self):
        # Seen by the host that is asked.
        watched = self.token("--uses", "1", "--address", f"127.0.0.1:{self.node.port}")
        identifier = json.loads(self.node.command("token", "inspect", f"file:{watched}", "--json"))["id"]
        self.token("--uses", "1")
        watch = subprocess.Popen(
            [self.mesh.binary, *self.mesh.arguments(self.node, ("token", "watch", identifier, "--json"))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.mesh.environment)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.stderr.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        job = self.ok(self.run_as_guest(watched, "-d", "--", "true")).strip()
        self.assert_refused(self.run_as_guest(watched, "-d", "--", "true"), 125, "token.used")
        self.node.command("token", "revoke", identifier)
        seen = []
        while not seen or seen[-1]["event"] != "revoked":
            line = watch.stdout.readline()
            self.assertTrue(line, "the watch has ended")
            seen.append(json.loads(line))
        self.assertEqual({event["id"] for event in seen}, {identifier})
        self.assertEqual([event["event"] for event in seen], ["issued", "used", "refused", "revoked"])
        self.assertEqual(seen[1]["detail"], f"job {job}")
        self.assertTrue(seen[2]["detail"].startswith("token.used"))
        unknown = self.mesh.attempt(self.node, "token", "watch", "zzzz")
        self.assert_refused(unknown, 3, "token.not_found")


if __name__ == "__main__":
    unittest.main()
