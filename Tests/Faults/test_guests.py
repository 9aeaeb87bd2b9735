"""Somebody outside the mesh, with nothing but the binary and a token: what he can do, and what he cannot."""

import json
import os
import pty
import subprocess
import unittest

from base import meshes
from test_sandbox import SandboxCase


class GuestCase(SandboxCase):
    """What somebody outside the mesh types, whose host has no daemon."""

    tokens = 0

    def token(self, *flags):
        GuestCase.tokens += 1
        path = os.path.join(self.folder(), f"guest{GuestCase.tokens}.token")
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

    def start(self, token, *arguments):
        """A command of a guest that goes on, both streams in pipes."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "CI": "true"}
        process = subprocess.Popen([self.mesh.binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=environment, cwd=self.folder())
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def on_terminal(self, token, typed, *arguments):
        """What a command writes to stdout, and what it says on a terminal on which somebody types."""
        master, slave = pty.openpty()
        os.write(master, typed.encode())
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "TERM": "dumb"}
        process = subprocess.Popen([self.mesh.binary, *arguments], stdin=slave, stderr=slave, stdout=subprocess.PIPE,
                                   env=environment, cwd=self.folder(), start_new_session=True)
        os.close(slave)
        said = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # The other side has closed it.
                break
            if not piece:
                break
            said += piece
        os.close(master)
        out = process.stdout.read().decode()
        process.stdout.close()
        said = said.decode()
        self.assertEqual(process.wait(timeout=90), 0, said)
        return out, said

    def ok(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def run_as_guest(self, token, *arguments):
        return self.guest(token, "run", "--yes", *arguments)

    def wait(self, condition, what):
        meshes.wait_until(condition, what, every=0.2)


class Guests(GuestCase):
    node_count = 3

    def test_a_guest_runs_one_job_reads_its_log_and_fetches_its_files_and_no_more(self):
        token = self.token("--uses", "1")
        before = self.submit("--", "echo", "of a member")
        with open(os.path.join(self.folder(), "job.sh"), "w", encoding="utf-8") as stream:
            stream.write("echo hello; mkdir -p result; echo 42 > result/x; id -u")
        first = self.guest(token, "run", "--", "sh", "job.sh")
        self.assert_refused(first, 125, "guest.mesh_unknown")
        self.assert_refused(self.run_as_guest(token, "--gpus", "2", "--", "true"), 125, "token.limit.gpu")
        dry = ("run", "--dry-run", "--", "sh", "job.sh")
        said = dict(line.split(None, 1) for line in self.ok(self.guest(token, *dry)).splitlines())
        self.assertRegex(said.pop("send"), r"^[12] files?, [0-9]+ B from ")
        self.assertEqual(said, {"place": "now, on a host of the mesh", "limit": "1 CPU, 1 GiB, 5m; no network",
                                "token": "would use 1 of 1 jobs"})
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
        self.assert_refused(self.guest(token, *dry), 125, "token.used")
        self.assertIn(f"this token has started its only job: {job}, at ", again.stderr)

    def test_a_guest_is_told_the_same_of_a_job_that_is_not_there_and_of_one_that_is_not_his(self):
        token = self.token("--uses", "1")
        others, absent = str(self.submit("--", "true")), "987654"
        self.mesh.command(self.node, "wait", others)
        for command in (["logs", "JOB"], ["logs", "-f", "JOB"], ["inspect", "JOB"], ["cancel", "JOB"], ["wait", "JOB"],
                        ["attach", "JOB"], ["cp", "job:JOB:/x", "x"]):
            said = []
            for job in (others, absent):
                done = self.guest(token, *[word.replace("JOB", job) for word in command])
                self.assert_refused(done, done.returncode, "token.scope.job")
                said.append((done.returncode, done.stderr.replace(job, "JOB")))
            self.assertEqual(*said, command)

    def test_a_token_that_was_withdrawn_ends_what_goes_on_and_opens_nothing(self):
        token = self.token("--uses", "2")
        job = self.ok(self.run_as_guest(token, "-d", "--", "sh", "-c", "while :; do echo x; sleep 0.2; done")).strip()
        following = self.start(token, "logs", "-f", job)
        self.assertEqual(following.stdout.readline(), "x\n")
        self.node.command("token", "revoke", f"file:{token}")
        _, errors = following.communicate(timeout=120)
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
        entry = self.mesh.nodes[2]
        # So that what dies is the node that is asked, and not the one that runs the job.
        self.addCleanup(self.mesh.wait_alive, self.node, 3)
        self.addCleanup(self.node.command, "node", "uncordon", entry.name)
        self.node.command("node", "cordon", entry.name)
        token = self.token("--uses", "1", "--address", f"127.0.0.1:{entry.port}")
        script = "echo 1; while [ ! -e go ]; do sleep 0.05; done; for i in 2 3 4 5; do echo $i; done"
        running = self.start(token, "run", "--yes", "--", "sh", "-c", script)
        self.assertEqual(running.stdout.readline(), "1\n")
        job = self.mesh.newest_job(self.node)
        following = self.start(token, "logs", "-f", str(job))
        self.assertEqual(following.stdout.readline(), "1\n")
        host = self.mesh.node(self.mesh.job(self.node, job).running_on)
        entry.kill_daemon()
        self.addCleanup(entry.start_again)
        with open(os.path.join(host.data, "work", f"{job}.0.1", "go"), "w", encoding="utf-8"):
            pass
        for process in (running, following):
            out, errors = process.communicate(timeout=120)
            self.assertEqual(out.split(), list("2345"), errors)
            self.assertIn("going on through", errors)
            self.assertEqual(process.returncode, 0, errors)

    def test_a_guest_is_asked_before_files_leave_and_told_how_many_jobs_are_left(self):
        token = self.token("--uses", "2")
        with open(os.path.join(self.folder(), "job.sh"), "w", encoding="utf-8") as stream:
            stream.write("echo hello; env; hostname")
        out, said = self.on_terminal(token, "y\n", "run", "--", "sh", "job.sh")
        self.assertRegex(said, r"first contact with mesh fault \([a-z0-9-]{39}\)\. Send it 1 file, 25 B from .*\? \[y/N\]")
        self.assertRegex(said, r"job \d+: attempt 1 on a host of the mesh; the token has 1 job left\r?\n")
        self.assertIn("hello", out)
        for node in self.mesh.nodes:
            # As a word: the fingerprint of the mesh is of such letters, and another in each run.
            self.assertNotRegex(said, rf"\b{node.name}\b", "nobody outside learns who the members are")
            # But in the path of its data directory, which tests call so.
            self.assertNotRegex(out, rf"(?<!/)\b{node.name}\b")
        _, said = self.on_terminal(token, "", "run", "--gpus", "0", "--", "sh", "job.sh")
        self.assertNotIn("first contact", said)
        self.assertIn("the token has 0 jobs left", said)
        jobs = json.loads(self.ok(self.guest(token, "ps", "--json")))["jobs"]
        self.assertEqual([job["nodes"] for job in jobs], [[], []])

    def test_what_no_guest_may_ask_is_refused_and_costs_no_use(self):
        token = self.token("--uses", "1")
        for flags in (["--profile", "none"], ["--image", "/srv"], ["--mount", "/etc"], ["--user", "0"], ["-i"],
                      ["--run-as", "root"], ["--nodes", "1"], ["--checkpoint", "ckpt"]):
            self.assert_refused(self.run_as_guest(token, *flags, "--", "true"), 125, "auth.denied")
        for flags, code in ((["--network", "on"], "token.limit.network"), (["--mem", "2G"], "token.limit.mem"),
                            (["--time", "1h"], "token.limit.time"), (["--array", "2"], "token.limit.tasks")):
            self.assert_refused(self.run_as_guest(token, *flags, "--", "true"), 125, code)
        self.ok(self.run_as_guest(token, "--", "true"))

    def test_whoever_holds_a_token_may_withdraw_it(self):
        token = self.token("--uses", "1")
        job = self.ok(self.run_as_guest(token, "-d", "--", "true")).strip()
        self.ok(self.guest(token, "wait", job))
        self.ok(self.guest(token, "token", "revoke", f"file:{token}"))
        done = self.guest(token, "logs", job)
        self.assert_refused(done, 4, "token.revoked")
        self.assertIn("this token was revoked by its holder at ", done.stderr)
