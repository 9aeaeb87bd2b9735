"""What a job can do wrong, and what swarmlet makes of it: exit codes, limits, output of any kind."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import processes_marker  # noqa: E402
from base import MeshCase, meshes  # noqa: E402

import processes  # noqa: E402


class Endings(MeshCase):
    def test_the_exit_code_is_the_jobs_own(self):
        for code in (0, 1, 3, 255):
            self.assertEqual(self.run_job("--", "sh", "-c", f"exit {code}").returncode, code)

    def test_a_dry_run_says_what_a_job_would_come_to_and_starts_nothing(self):
        before = self.node.command("ps", "-a", "--json")
        with open(os.path.join(self.folder(), "file"), "w", encoding="utf-8") as stream:
            stream.write("x" * 1000)
        done = self.run_job("--dry-run", "--mem", "64M", "--time", "1m", "--network", "off", "--", "false")
        self.assertEqual(done.returncode, 0, done.stderr)
        said = dict(line.split(None, 1) for line in done.stdout.splitlines())
        self.assertEqual(said.pop("send").split(" from ")[0], "1 file, 1000 B")
        self.assertIn(said.pop("place"), [f"now, on {node.name}" for node in self.mesh.nodes])
        self.assertEqual(said, {"limit": "1 CPU, 64 MiB, 1m; no network"})
        self.assertIn("later: ", self.run_job("--dry-run", "--allow-pending", "--gpus", "99", "--", "true").stdout)
        refused = self.run_job("--dry-run", "--gpus", "99", "--", "true")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertEqual(self.node.command("ps", "-a", "--json"), before)

    def test_a_job_that_dies_of_signal_9_exits_with_137(self):
        self.assertEqual(self.run_job("--", "sh", "-c", "kill -9 $$").returncode, 137)

    def test_a_command_that_is_not_there_exits_with_127_and_says_where_it_was_searched(self):
        done = self.run_job("--", "no-such-command-anywhere")
        self.assert_refused(done, 127, "job.command_not_found")
        self.assertIn("no-such-command-anywhere", done.stderr)
        self.assertIn("/usr/bin", done.stderr)

    def test_a_file_that_is_not_executable_exits_with_126(self):
        with open(os.path.join(self.folder(), "plain.txt"), "w", encoding="utf-8") as stream:
            stream.write("no program\n")
        self.assert_refused(self.run_job("--", "./plain.txt"), 126)

    def test_a_job_past_its_time_limit_exits_with_124(self):
        self.assertEqual(self.run_job("--time", "1s", "--grace", "1s", "--", "sleep", "60").returncode, 124)

    def test_a_job_out_of_memory_exits_with_137_and_it_is_said(self):
        if os.geteuid() != 0:
            self.skipTest("memory limits are enforced for daemons of root only")
        done = self.run_job("--mem", "64M", "--", "/usr/bin/python3", "-c", "x = bytearray(1 << 30); print(len(x))")
        self.assertEqual(done.returncode, 137, done.stderr)
        self.assertIn("memory", done.stderr)

    def test_a_job_that_does_not_exist_is_exit_3(self):
        for command in ("wait", "logs", "cancel", "inspect"):
            self.assert_refused(self.mesh.attempt(self.node, command, "4242"), 3)

    def test_a_request_that_no_member_could_hold_is_refused_before_anything_is_sent(self):
        self.assert_refused(self.run_job("--gpus", "64", "--", "true"), 2)

    def test_a_job_that_ignores_sigterm_is_killed_after_its_grace_time(self):
        job = self.submit("--grace", "1s", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
        meshes.wait_until(lambda: "ready" in self.mesh.command(self.node, "logs", str(job)), "the job is ready")
        started = time.monotonic()
        self.mesh.command(self.node, "cancel", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 130)
        self.assertLess(time.monotonic() - started, 10)

    def test_what_a_job_forks_away_ends_with_it(self):
        marker = processes_marker.new()
        done = self.run_job("--", "sh", "-c", f"setsid sleep {marker} & echo left")
        self.assertEqual((done.returncode, done.stdout), (0, "left\n"))
        meshes.wait_until(lambda: not processes_marker.holders(marker), "what was forked away is gone", 10)

    def test_without_a_terminal_an_interrupt_cancels_the_job(self):
        run = self.mesh.run(self.node, "--grace", "1s", "--", "sh", "-c", "echo ready; sleep 60", cwd=self.folder())
        run.wait_line(lambda line: line == "ready", "the job is ready", 20)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.finish(20), 130)


class Output(MeshCase):
    def raw(self, *arguments, seconds=120):
        """`run` with its streams as bytes."""
        command = [self.mesh.binary, *self.mesh.arguments(self.node, ["run", *arguments])]
        return subprocess.run(command, cwd=self.folder(), env=self.mesh.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=seconds)

    def test_stdout_and_stderr_arrive_apart(self):
        done = self.run_job("--", "sh", "-c", "echo out; echo err >&2")
        self.assertEqual((done.returncode, done.stdout), (0, "out\n"))
        self.assertIn("err\n", done.stderr)

    def test_binary_output_arrives_byte_for_byte(self):
        program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)"
        done = self.raw("--", "/usr/bin/python3", "-c", program)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout == bytes(range(256)) * 4096, f"{len(done.stdout)} bytes came")

    def test_200_mb_of_output_grow_neither_the_daemon_nor_the_log_without_bound(self):
        size = 200_000_000
        pid = self.node.daemon_pid()
        done = self.raw("--", "sh", "-c", f"yes 0123456 | head -c {size}", seconds=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.node.daemon_pid(), pid, "the daemon is the same as before")
        self.assertLess(processes.resident_bytes(pid), 150_000_000)
        if len(done.stdout) < size:
            # A bounded log may have passed over some of it; then that is said.
            self.assertRegex((done.stderr + done.stdout[-10_000:]).decode(errors="replace"), "(?i)gap|skipped|dropped|lost")
        else:
            self.assertTrue(done.stdout == (b"0123456\n" * (size // 8 + 1))[:size])

    def test_a_progress_bar_without_newlines_is_seen_while_it_moves(self):
        command = [self.mesh.binary, *self.mesh.arguments(
            self.node, ["run", "--", "sh", "-c", "printf 'at 10%%\\r'; sleep 3; printf 'at 99%%\\r'"])]
        run = subprocess.Popen(command, cwd=self.folder(), env=self.mesh.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
        try:
            self.assertEqual(os.read(run.stdout.fileno(), 100), b"at 10%\r")
            seen = time.monotonic()
            self.assertEqual(os.read(run.stdout.fileno(), 100), b"at 99%\r")
            self.assertGreater(time.monotonic() - seen, 1.5)
            self.assertEqual(run.wait(20), 0)
        finally:
            run.kill()
            run.wait()
            run.stdout.close()


class WorkingDirectory(MeshCase):
    """A directory with something odd in it either travels without that, or is refused by name; never quietly wrong."""

    def assert_travels_or_is_refused(self, name, listing):
        done = self.run_job("--", "sh", "-c", listing)
        if done.returncode != 0:
            self.assert_refused(done, 125)
            self.assertIn(name, done.stderr)
        self.assertEqual(self.run_job("--no-send", "--", "true").returncode, 0, "the daemon serves on")
        return done

    def test_a_symlink_out_of_the_tree_brings_nothing_from_outside(self):
        outside = os.path.join(self.mesh.folder, "outside-the-tree")
        with open(outside, "w", encoding="utf-8") as stream:
            stream.write("must stay here")
        os.symlink(outside, os.path.join(self.folder(), "link"))
        done = self.assert_travels_or_is_refused("link", "test -L link || test ! -e link; ls")
        self.assertNotIn("must stay here", done.stdout)

    def test_a_socket_in_the_tree(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.folder(), "odd.socket"))
            self.assert_travels_or_is_refused("odd.socket", "test ! -S odd.socket; ls")

    def test_a_file_that_cannot_be_read(self):
        path = os.path.join(self.folder(), "closed.txt")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("closed")
        os.chmod(path, 0)
        self.addCleanup(os.chmod, path, 0o600)
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        self.assert_travels_or_is_refused("closed.txt", "test ! -e closed.txt")

    def test_what_out_names_comes_back_and_ignored_files_do_not_travel(self):
        folder = self.folder()
        for name, text in ((".gitignore", "big\n"), ("big", "x"), ("small", "y")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        done = self.run_job("--out", "result.txt", "--", "sh", "-c", "ls > result.txt")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(folder, "result.txt"), encoding="utf-8") as stream:
            names = stream.read().split()
        self.assertIn("small", names)
        self.assertNotIn("big", names)

    def test_cp_fetches_a_file_of_an_ended_job(self):
        job = self.submit("--out", "made.txt", "--", "sh", "-c", "echo made > made.txt")
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 0)
        target = os.path.join(self.folder(), "fetched.txt")
        self.mesh.command(self.node, "cp", f"job:{job}:/made.txt", target)
        with open(target, encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "made\n")


if __name__ == "__main__":
    unittest.main()
