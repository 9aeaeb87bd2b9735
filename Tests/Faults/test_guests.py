"""Somebody outside the mesh, with nothing but the binary and a token: what he can do, and what he cannot."""

import json
import os
import subprocess
import unittest

from base import MeshCase, meshes


class Guests(MeshCase):
    node_count = 3

    @classmethod
    def setUpClass(cls):
        base = "/var/lib" if os.geteuid() == 0 else os.path.expanduser("~")
        os.environ["SWARMLET_MESH_FOLDER"] = base
        try:
            super().setUpClass()
        finally:
            del os.environ["SWARMLET_MESH_FOLDER"]
        checks = json.loads(cls.mesh.command(cls.node, "doctor", "--json", exits=(0, 1)))["checks"]
        detail = next(check["detail"] for check in checks if check["check"] == "sandbox")
        if detail.split(":")[0] != "strict":
            raise unittest.SkipTest(f"guests run under profile strict, which this host does not give: {detail}")

    def token(self, *flags):
        path = os.path.join(self.folder(), "guest.token")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.node.command("token", "create", "--mem", "1G", "--time", "5m", *flags))
        return path

    def guest(self, token, *arguments, seconds=90, stdin=None):
        """A command of somebody whose host has no daemon and no data directory."""
        folder = os.path.join(self.folder(), "home")
        os.makedirs(folder, exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "SWARMLET_TOKEN_FILE": token, "CI": "true"}
        return subprocess.run([self.mesh.binary, *arguments], input=stdin or "", text=True, capture_output=True,
                              cwd=self.folder(), env=environment, timeout=seconds)

    def ok(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def run_as_guest(self, token, *arguments):
        return self.guest(token, "run", "--yes", *arguments)

    def test_a_guest_runs_one_job_reads_its_log_and_fetches_its_files_and_no_more(self):
        token = self.token("--uses", "1")
        before = self.submit("--", "echo", "of a member")
        with open(os.path.join(self.folder(), "job.sh"), "w", encoding="utf-8") as stream:
            stream.write("echo hello; mkdir -p result; echo 42 > result/x; id -u")
        first = self.guest(token, "run", "--", "sh", "job.sh")
        self.assert_refused(first, 125, "guest.mesh_unknown")
        self.assert_refused(self.run_as_guest(token, "--gpus", "2", "--", "true"), 125, "token.limit.gpu")
        done = self.run_as_guest(token, "--out", "result/*", "--", "sh", "job.sh")
        said = self.ok(done).split()
        self.assertEqual(said[0], "hello")
        self.assertNotIn(said[1], ("0", str(os.geteuid())) if os.geteuid() == 0 else ("0",))
        with open(os.path.join(self.folder(), "result", "x"), encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "42\n")
        jobs = json.loads(self.ok(self.guest(token, "ps", "--json")))["jobs"]
        self.assertEqual([job["state"] for job in jobs], ["succeeded"], "its own job, and no other")
        job = str(jobs[0]["id"])
        self.assertTrue(jobs[0]["user"].startswith("token:"))
        self.assertIn("hello", self.ok(self.guest(token, "logs", job)))
        self.ok(self.guest(token, "cp", f"job:{job}:/result/x", "again"))
        for command, code in ((("logs", str(before)), "token.scope.job"), (("cancel", str(before)), "token.scope.job"),
                              (("members",), "auth.denied"), (("inspect", str(before)), "token.scope.job")):
            self.assert_refused(self.guest(token, *command), 4, code)
        again = self.run_as_guest(token, "--", "sh", "job.sh")
        self.assert_refused(again, 125, "token.used")
        self.assertIn(f"this token has started its only job: {job}, at ", again.stderr)

    def test_a_token_that_was_withdrawn_ends_what_goes_on_and_opens_nothing(self):
        token = self.token("--uses", "2")
        job = self.ok(self.run_as_guest(token, "-d", "--", "sh", "-c", "while :; do echo x; sleep 0.2; done")).strip()
        following = subprocess.Popen(
            [self.mesh.binary, "logs", "-f", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "CI": "true"})
        self.addCleanup(following.kill)
        self.assertEqual(following.stdout.readline(), "x\n")
        self.node.command("token", "revoke", f"file:{token}")
        _, errors = following.communicate(timeout=15 + 20)
        self.assertIn("[token.revoked]", errors)
        for command in (("logs", job), ("ps",), ("cancel", job), ("run", "--yes", "--", "true")):
            done = self.guest(token, *command)
            self.assertIn("[token.revoked]", done.stderr)
            self.assertIn(done.returncode, (4, 125))
        self.node.command("cancel", job)

    def test_a_narrower_token_sees_its_own_jobs_alone_and_the_wider_one_both(self):
        token = self.token("--uses", "5")
        less = os.path.join(self.folder(), "less.token")
        with open(less, "w", encoding="utf-8") as stream:
            stream.write(self.ok(self.guest(token, "token", "narrow", f"file:{token}", "--uses", "1")))
        self.ok(self.run_as_guest(token, "--", "echo", "wide"))
        self.ok(self.run_as_guest(less, "--", "echo", "narrow"))
        count = [len(json.loads(self.ok(self.guest(one, "ps", "--json")))["jobs"]) for one in (token, less)]
        self.assertEqual(count, [2, 1])
        self.assert_refused(self.run_as_guest(less, "--", "true"), 125, "token.used")

    def test_the_output_goes_on_through_another_member_when_the_one_it_came_from_dies(self):
        token = self.token("--uses", "1", "--address", f"127.0.0.1:{self.mesh.nodes[2].port}")
        job = self.ok(self.run_as_guest(token, "-d", "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done"))
        job = job.strip()
        ran = meshes.wait_until(lambda: self.mesh.job(self.node, job).running_on, "the job runs")
        following = subprocess.Popen(
            [self.mesh.binary, "logs", "-f", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "CI": "true"})
        self.addCleanup(following.kill)
        self.assertEqual(following.stdout.readline(), "1\n", ran)
        self.mesh.nodes[2].kill_daemon()
        out, errors = following.communicate(timeout=120)
        self.assertEqual(out.split(), list("2345678"), errors)
        self.assertIn("going on through", errors)
        self.mesh.nodes[2].start_again()
        self.mesh.wait_alive(self.node, 3)
