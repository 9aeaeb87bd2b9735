"""Tokens as a member makes, narrows and withdraws them, and as their holders read them."""

import json
import os
import re
import subprocess

from base import MeshCase


class Tokens(MeshCase):
    def token(self, *flags):
        return self.node.command("token", "create", *flags)

    def plain(self, *arguments, stdin=None):
        """A command that needs no mesh and no daemon."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder()}
        return subprocess.run([self.mesh.binary, *arguments], input=stdin or "", text=True, capture_output=True,
                              env=environment, timeout=60)

    def inspect(self, line):
        return json.loads(self.plain("token", "inspect", "-", "--json", stdin=line).stdout)

    def listed(self, identifier):
        tokens = self.node.command_json("token", "ls")["tokens"]
        return next(token for token in tokens if token["id"] == identifier)

    def test_a_token_says_in_plain_words_what_it_allows(self):
        line = self.token("--gpus", "1", "--mem", "32G", "--time", "4h", "--network", "setup-only", "--uses", "1",
                          "--ttl", "2h", "--out-bytes", "10G")
        self.assertRegex(line, r"\Aswa1\.[A-Za-z0-9_-]+\n\Z")
        self.assertLess(len(line), 1800)
        said = self.plain("token", "inspect", "-", stdin=line)
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        rows = dict(re.match(r"(\w+(?: by)?) +(.*)", row).groups() for row in said.stdout.splitlines())
        self.assertRegex(rows["mesh"], r"^fault, fingerprint ([0-9a-z]{4}-){7}[0-9a-z]{4}$")
        self.assertRegex(rows["issuer"], r" on n1$")
        self.assertEqual(rows["allows"], "start 1 job; read its log, fetch its files, cancel it")
        self.assertEqual(rows["limits"], "1 GPU, 32 GiB, 4h, 10 GiB fetched; network during setup only")
        self.assertRegex(rows["start by"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(in (1h59m|2h00m)\)$")
        self.assertEqual(rows["results"], "until 24h after the job ends")
        self.assertEqual(rows["holder"], "the key in this file: whoever has the file can use it")
        self.assertTrue(rows["checked"].startswith("format and links are good; not asked (offline)"))

    def test_a_token_that_was_cut_or_altered_on_its_way_is_noticed(self):
        line = self.token().strip()
        cut = self.plain("token", "inspect", "-", stdin=line[:700])
        self.assert_refused(cut, 2, "token.truncated")
        self.assertIn(f"the token is cut off: 700 of {len(line)} characters", cut.stderr)
        middle = len(line) // 2
        altered = line[:middle] + ("A" if line[middle] != "A" else "B") + line[middle + 1:]
        self.assert_refused(self.plain("token", "inspect", "-", stdin=altered), 2, "token.damaged")
        self.assert_refused(self.plain("token", "inspect", "swm1.AAAA"), 2, "token.not_a_token")
        broken = "\n".join(line[start:start + 76] for start in range(0, len(line), 76))
        self.assertEqual(self.plain("token", "inspect", "-", stdin=broken).returncode, 0, "only broken into lines")

    def test_a_token_is_narrowed_without_a_mesh_and_never_widened(self):
        line = self.token("--gpus", "2", "--ttl", "2h")
        less = self.plain("token", "narrow", "-", "--act", "logs,fetch", "--gpus", "1", stdin=line)
        self.assertEqual(less.returncode, 0, less.stderr)
        document = self.inspect(less.stdout)
        self.assertEqual((document["acts"], document["limits"]["gpu"]), (["logs", "fetch"], 1))
        self.assertEqual((len(document["links"]), document["further_links"]), (2, 3))
        for wider in (("--act", "run"), ("--gpus", "2"), ("--ttl", "3h"), ("--uses", "2")):
            self.assert_refused(self.plain("token", "narrow", "-", *wider, stdin=less.stdout), 125, "token.wider")
        for _ in range(3):
            less = self.plain("token", "narrow", "-", stdin=less.stdout)
            self.assertEqual(less.returncode, 0, less.stderr)
        self.assert_refused(self.plain("token", "narrow", "-", stdin=less.stdout), 125, "token.wider")

    def test_tokens_are_listed_and_withdrawn(self):
        line, other = self.token("--uses", "3"), self.token()
        identifier = self.inspect(line)["id"]
        self.assertEqual(self.listed(identifier)["state"], "good")
        self.assertNotIn(line.strip()[10:60], self.node.command("token", "ls", "--json"), "the token itself is nowhere")
        self.node.command("token", "revoke", identifier)
        self.assertEqual(self.listed(identifier)["state"], "revoked")
        self.assertEqual(self.listed(self.inspect(other)["id"])["state"], "good")
        # By the token itself, and what was narrowed from it by itself.
        less = self.plain("token", "narrow", "-", stdin=other).stdout
        self.node.command("token", "revoke", "-", stdin=less)
        self.assertEqual(self.listed(self.inspect(other)["id"])["state"], "good")
        self.node.command("token", "revoke", "-", stdin=other)
        self.assertEqual(self.listed(self.inspect(other)["id"])["state"], "revoked")
        self.assert_refused(self.mesh.attempt(self.node, "token", "revoke", "0000"), 3, "token.not_found")

    def test_what_the_mesh_does_not_allow_is_not_issued(self):
        for flags, code in ((("--ttl", "25h"), "token.wider"), (("--act", "run,fly"), "usage.bad_value"),
                            (("--path", "../x"), "tokens.malformed"), (("--holder", "k4.public.AAAA"), "usage.bad_value")):
            done = self.mesh.attempt(self.node, "token", "create", *flags)
            self.assertNotEqual(done.returncode, 0, flags)
            self.assert_refused(done, done.returncode, code)

    def test_issuers_outside_the_mesh_are_added_and_revoked(self):
        key = self.inspect(self.token())["holder"]
        self.node.command("token", "issuer", "add", key, "ci", "--max-ttl", "1h")
        issuer = self.node.command_json("token", "issuer", "ls")["issuers"][0]
        self.assertEqual((issuer["name"], issuer["max_ttl_seconds"], issuer["revoked"]), ("ci", 3600, False))
        self.assertEqual(issuer["ttl_seconds"], 30 * 86_400, "it ends by itself where nothing is said")
        for seconds in ("59m", "401d"):
            refused = self.mesh.attempt(self.node, "token", "issuer", "add", key, "ci", "--ttl", seconds)
            self.assert_refused(refused, 2, "usage.bad_value")
        self.node.command("token", "issuer", "add", key, "ci", "--ttl", "1h")
        self.assertEqual(self.node.command_json("token", "issuer", "ls")["issuers"][0]["ttl_seconds"], 3600)
        self.node.command("token", "issuer", "revoke", key)
        self.assertTrue(self.node.command_json("token", "issuer", "ls")["issuers"][0]["revoked"])
