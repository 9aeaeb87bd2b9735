"""What people do with jobs that run: pause them, look at what they used, work beside them."""

import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

COUNTS = "import itertools, time\nfor n in itertools.count():\n    print(n, flush=True)\n    time.sleep(0.02)\n"
USES = """
import os, time
memory = bytearray(os.urandom(1 << 20)) * 100
with open("written", "wb") as file:
    file.write(memory[:30 << 20])
    os.fsync(file.fileno())
while time.process_time() < 1.5:
    pass
"""

# Answers each line with itself, upper case; the number of the port is its argument.
SERVES = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
def answer(connection):
    with connection, connection.makefile("rwb") as lines:
        for line in lines:
            lines.write(line.upper())
            lines.flush()
while True:
    threading.Thread(target=answer, args=(server.accept()[0],)).start()
"""
STATUS = "NoNewPrivs Seccomp CapEff CapPrm CapBnd CapInh CapAmb Uid Gid Groups".split()


class Beside(MeshCase):
    """On two hosts; what is typed is typed on both, so on one of them it goes through the other."""

    node_count = 2

    def sleeping(self, *flags, command=("sh", "-c", "echo ready; sleep 600")):
        job = self.submit("--no-send", *flags, "--", *command)
        meshes.wait_until(lambda: self.mesh.command(self.node, "logs", str(job)), "it is ready")
        # What it wrote can be read before its daemon has heard that it began.
        self.mesh.wait_running(self.node, job)
        self.addCleanup(lambda: self.mesh.attempt(self.node, "cancel", str(job)))
        return job

    def exec(self, node, *arguments, stdin=None):
        return self.mesh.attempt(node, "exec", *arguments, stdin=stdin)

    def test_a_command_runs_where_the_job_runs_and_its_exit_code_and_streams_are_its_own(self):
        job = self.sleeping("-e", "COLOUR=red")
        for node in self.mesh.nodes:
            done = self.exec(node, str(job), "--", "sh", "-c",
                             "echo $SWARMLET_JOB_ID $COLOUR; pwd >&2; cat; ps ax | grep -c 'sleep 600'; exit 7")
            self.assertEqual(done.returncode, 7, done.stderr)
            out = done.stdout.split("\n")
            self.assertEqual(out[0], f"{job} red")
            self.assertGreaterEqual(int(out[1]), 1)
            self.assertRegex(done.stderr, rf"/{job}\.0\.1\n")
            done = self.exec(node, "-i", str(job), "--", "sh", "-c", "tr a-z A-Z | wc -c", stdin="x" * 300_000)
            self.assertEqual((done.returncode, done.stdout.strip()), (0, "300000"), done.stderr)
            self.assert_refused(self.exec(node, str(job), "--", "no-such-thing"), 127, "job.command_not_found")
            done = self.exec(node, str(job), "--", "sh", "-c", "kill -9 $$")
            self.assertEqual(done.returncode, 137)

    def test_a_command_has_no_more_rights_than_the_job(self):
        shows = "cat /proc/self/status; readlink /proc/self/ns/*"
        for profile in ("none", "standard", "strict"):
            if profile == "strict" and "strict" not in self.mesh.attempt(self.node, "doctor").stdout:
                continue
            with self.subTest(profile=profile):
                job = self.sleeping("--profile", profile, command=("sh", "-c", shows + "; echo ready; sleep 600"))
                meshes.wait_until(lambda: "ready" in self.mesh.command(self.node, "logs", str(job)), "it has shown all")
                done = self.exec(self.node, str(job), "--", "sh", "-c", shows)
                self.assertEqual(done.returncode, 0, done.stderr)
                own, beside = (
                    ([line for line in text.splitlines() if line.split(":")[0] in STATUS],
                     sorted(line for line in text.splitlines() if re.fullmatch(r"[a-z_]+:\[\d+\]", line)))
                    for text in (self.mesh.command(self.node, "logs", str(job)), done.stdout))
                self.assertEqual(len(own[0]), len(STATUS))
                self.assertEqual(own, beside)

    def test_a_terminal_is_one_with_its_window_and_its_keys(self):
        job = self.sleeping()
        for node in self.mesh.nodes:
            process, terminal = pty.fork()
            if process == 0:
                arguments = self.mesh.arguments(node, ["exec", "-it", str(job), "--", "bash", "--norc", "-i"])
                os.execve(self.mesh.binary, [self.mesh.binary, *arguments], self.mesh.environment | {"TERM": "vt100"})
            seen = b""

            def until(text):
                nonlocal seen
                deadline = time.monotonic() + 20
                while text not in seen:
                    self.assertLess(time.monotonic(), deadline, f"{text} in {seen}")
                    if select.select([terminal], [], [], 1)[0]:
                        seen += os.read(terminal, 65536)
                seen = seen[seen.index(text) + len(text):]

            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
            until(b"$ ")
            os.write(terminal, b"stty size; echo $TERM:$((6*7)); tty >/dev/tty; test -t 0 && echo is-one\r")
            until(b"33 111")
            until(b"vt100:42")
            until(b"is-one\r\n")
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 99, 0, 0))
            os.write(terminal, b"stty size\r")
            until(b"44 99")
            # Ctrl-C is for the program there.
            os.write(terminal, b"sleep 100; echo interrupted $?\r")
            until(b"echo interrupted $?\r\n")
            meshes.wait_until(lambda: self.exec(self.node, str(job), "--", "pgrep", "-fx", "sleep 100").returncode == 0,
                              "it sleeps")
            os.write(terminal, b"\x03")
            until(b"$ ")
            os.write(terminal, b"exit 5\r")
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), 5)
            os.close(terminal)

    def test_a_job_reads_what_is_piped_into_run_once_and_to_its_end_though_the_daemon_here_is_killed(self):
        for node in self.mesh.nodes:
            process = subprocess.Popen(
                [self.mesh.binary, *self.mesh.arguments(node, [
                    "run", "-i", "--no-send", "--setup", "cat", "--", "sh", "-c", "sha256sum; exit 3"])],
                env=self.mesh.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            content = hashlib.sha256()
            for number in range(60):
                piece = os.urandom(40_000 + number)
                content.update(piece)
                process.stdin.write(piece)
                process.stdin.flush()
                if number in (20, 40):
                    node.kill_daemon()
                    node.start_again()
            out, said = process.communicate(timeout=90)
            self.assertEqual((process.returncode, out.decode().split()), (3, [content.hexdigest(), "-"]), said)

    def test_files_come_into_a_job_that_runs_and_out_of_it_and_nothing_outside_of_it_is_reached(self):
        watches = "echo ready; while [ ! -e in/new/name ]; do sleep 0.05; done; cat in/new/name; ./tool; ls -l in/new; sleep 600"
        job = self.sleeping(command=("sh", "-c", watches))
        folder = self.folder()
        outside = os.path.join(folder, "outside")
        os.makedirs(os.path.join(folder, "tree", "deep"))
        for name, text in (("tool", "#!/bin/sh\necho tool runs\n"), ("tree/deep/file", "deep\n"), ("given", "hello job\n")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        os.chmod(os.path.join(folder, "tool"), 0o755)
        def cp(node, *words):
            return self.mesh.attempt(node, "cp", *words, cwd=folder)
        for node in self.mesh.nodes:
            for words in (("tool", f"job:{job}:/"), ("tree", f"job:{job}:/in/"), ("given", f"job:{job}:/in/new/name")):
                done = cp(node, *words)
                self.assertEqual(done.returncode, 0, done.stderr)
            name = f"back-{node.name}"
            self.assertEqual(cp(node, f"job:{job}:/in/tree/deep/file", name).returncode, 0)
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                self.assertEqual(stream.read(), "deep\n")
        said = meshes.wait_until(lambda: "name" in (text := self.mesh.command(self.node, "logs", str(job))) and text,
                                 "it has found it")
        self.assertIn("hello job\ntool runs\n", said)
        # Links that the job has put in the way lead nowhere.
        os.makedirs(outside)
        links = f"ln -s {outside} way; ln -s /etc/passwd in/passwd; ln -s {outside}/made file"
        self.assertEqual(self.exec(self.node, str(job), "--", "sh", "-c", links).returncode, 0)
        for node in self.mesh.nodes:
            self.assert_refused(cp(node, "given", f"job:{job}:/way/made"), 125)
            self.assertEqual(cp(node, "given", f"job:{job}:/file").returncode, 0)
            self.assertNotEqual(cp(node, f"job:{job}:/in/passwd", "stolen").returncode, 0)
            self.assert_refused(cp(node, "given", f"job:{job}:/../up"), 2, "usage.bad_operand")
        self.assertEqual(os.listdir(outside), [])
        self.assertFalse(os.path.exists(os.path.join(folder, "stolen", "passwd")))
        self.assert_refused(cp(self.node, "nothing-here", f"job:{job}:/x"), 125, "local.file")
        self.mesh.command(self.node, "cancel", str(job))
        meshes.wait_until(lambda: not self.mesh.job(self.node, job).live, "it has ended")
        self.assert_refused(cp(self.node, "given", f"job:{job}:/x"), 125, "job.ended")

    def test_a_job_that_reads_no_more_ends_by_itself_and_one_without_i_reads_nothing(self):
        done = self.run_job("-i", "--no-send", "--", "sh", "-c", "read line; exec <&-; echo got $line; exit 5", seconds=90)
        self.assertEqual((done.returncode, done.stdout), (5, "got\n"), done.stderr)
        folder = self.folder()
        done = subprocess.run(
            [self.mesh.binary, *self.mesh.arguments(self.node, ["run", "-i", "--no-send", "--", "head", "-c", "5"])],
            cwd=folder, env=self.mesh.environment, input=b"hello" + bytes(9_000_000), capture_output=True, timeout=90)
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"), done.stderr)
        done = subprocess.run(
            [self.mesh.binary, *self.mesh.arguments(self.node, ["run", "--no-send", "--", "wc", "-c"])],
            cwd=folder, env=self.mesh.environment, input=b"hello", capture_output=True, timeout=90)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, b"0"), done.stderr)
        for flags in (["-d"], ["--array", "2"], ["--nodes", "2"], ["--retry", "2"]):
            self.assert_refused(self.run_job("-i", *flags, "--", "cat"), 2, "usage.conflict")

    def test_what_is_left_of_a_command_ends_when_its_caller_goes(self):
        job = self.sleeping()
        for node in self.mesh.nodes:
            command = [self.mesh.binary, *self.mesh.arguments(node, ["exec", str(job), "--", "sleep", "4711"])]
            caller = subprocess.Popen(command, env=self.mesh.environment, stdin=subprocess.DEVNULL)
            there = lambda: self.exec(self.node, str(job), "--", "pgrep", "-fx", "sleep 4711").returncode == 0  # noqa: E731
            meshes.wait_until(there, "it runs")
            caller.send_signal(signal.SIGKILL)
            caller.wait()
            meshes.wait_until(lambda: not there(), "it is gone")

    def test_who_comes_back_sees_what_follows_and_gets_the_exit_code(self):
        job = self.sleeping(command=("sh", "-c", "echo before; while ! test -e go; do echo tick; sleep 0.05; done; echo after; exit 9"))
        followers = []
        for node in self.mesh.nodes:
            command = [self.mesh.binary, *self.mesh.arguments(node, ["attach", str(job)])]
            followers.append(subprocess.Popen(command, env=self.mesh.environment, stdin=subprocess.DEVNULL, text=True,
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        for follower in followers:
            meshes.wait_until(lambda: self.blocks_hangup(follower.pid), "it takes signals as it should")
        for follower in followers:
            self.assertEqual(follower.stdout.readline(), "tick\n")
        # An end without a cancel: it detaches, and the job goes on.
        followers[0].send_signal(signal.SIGHUP)
        self.assertEqual(followers[0].wait(20), 0)
        self.assertEqual(self.exec(self.node, str(job), "--", "touch", "go").returncode, 0)
        out, _ = followers[1].communicate(timeout=30)
        self.assertEqual((followers[1].returncode, out.splitlines()[-1]), (9, "after"))
        self.assertNotIn("before", out)
        self.assertEqual(self.mesh.attempt(self.node, "attach", str(job)).returncode, 9)
        self.assert_refused(self.exec(self.node, str(job), "--", "true"), 125, "job.ended")
        self.assert_refused(self.mesh.attempt(self.node, "attach", "4242"), 3)

    @staticmethod
    def blocks_hangup(process):
        with open(f"/proc/{process}/status", encoding="utf-8") as status:
            mask = next(line.split()[1] for line in status if line.startswith("SigBlk:"))
        return int(mask, 16) & 1 << signal.SIGHUP - 1

    def test_ports_of_a_job_are_reached_through_any_member_even_of_one_without_network(self):
        for network in ("off", "on"):
            port = meshes.free_port()
            job = self.sleeping("--network", network, command=("python3", "-c", SERVES, str(port)))
            for node in self.mesh.nodes:
                command = [self.mesh.binary,
                           *self.mesh.arguments(node, ["port-forward", str(job), f"0:{port}", "0:1"])]
                forward = subprocess.Popen(command, env=self.mesh.environment, stdin=subprocess.DEVNULL, text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.addCleanup(forward.stdout.close)
                self.addCleanup(forward.stderr.close)
                local, closed = (int(forward.stdout.readline().rsplit(":", 1)[1]) for _ in range(2))
                connections = [socket.create_connection(("127.0.0.1", local), 10) for _ in range(5)]
                for number, connection in enumerate(connections):
                    with connection, connection.makefile("rwb") as lines:
                        text = f"line {number} ".encode() * 20_000 + b"\n"
                        lines.write(text)
                        lines.flush()
                        self.assertEqual(lines.readline(), text.upper())
                with socket.create_connection(("127.0.0.1", closed), 10) as nobody:
                    self.assertEqual(nobody.recv(1), b"")
                self.assertIn("job.port_closed", forward.stderr.readline())
                forward.send_signal(signal.SIGINT)
                self.assertEqual(forward.wait(20), 0)


@unittest.skipUnless(os.geteuid() == 0, "only root's daemons are sure to have a freezer")
class Pauses(MeshCase):
    node_count = 3

    def lines(self, job):
        return len(self.mesh.command(self.node, "logs", str(job)).splitlines())

    def counting(self, *flags):
        """A job that counts, and the node it runs on."""
        job = self.submit("--no-send", *flags, "--", "python3", "-uc", COUNTS)
        host = self.mesh.node(self.mesh.wait_running(self.node, job))
        meshes.wait_until(lambda: self.lines(job) > 10, "it counts")
        return job, host

    def reader(self, host):
        return next(node for node in self.mesh.nodes if node is not host)

    def shown(self, job, node=None):
        jobs = (node or self.node).command_json("ps", "-a")["jobs"]
        return next(one for one in jobs if one["id"] == str(job))

    def wait_still(self, job):
        """Until it writes nothing more."""
        def stands():
            before = self.lines(job)
            time.sleep(0.3)
            return self.lines(job) == before
        meshes.wait_until(stands, "it stands still")

    def wait_counting(self, job):
        before = self.lines(job)
        meshes.wait_until(lambda: self.lines(job) > before, "it goes on")

    def test_a_paused_job_stands_still_through_a_restart_of_its_daemon_and_goes_on_where_it_was(self):
        job, host = self.counting()
        self.reader(host).command("pause", str(job))
        self.wait_still(job)
        shown = self.shown(job)
        self.assertEqual((shown["state"], shown["reason"]), ("frozen", "paused by root"))
        host.kill_daemon()
        host.start_again()
        self.mesh.wait_alive(self.node, 3)
        meshes.wait_until(lambda: self.shown(job)["state"] == "frozen", "it is still paused")
        self.wait_still(job)
        self.mesh.command(self.node, "resume", str(job))
        self.wait_counting(job)
        self.assertEqual(self.shown(job)["state"], "running")
        self.assertEqual(self.shown(job)["attempts"], 1)
        numbers = self.mesh.command(self.node, "logs", str(job)).split()
        self.assertEqual(numbers, [str(number) for number in range(len(numbers))])
        self.mesh.command(self.node, "cancel", str(job))

    def test_a_paused_job_is_cancelled_and_gets_its_signal(self):
        trap = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
        job = self.submit("--no-send", "--", "sh", "-c", trap)
        meshes.wait_until(lambda: "ready" in self.mesh.command(self.node, "logs", str(job)), "it is ready")
        self.mesh.command(self.node, "pause", str(job))
        meshes.wait_until(lambda: self.shown(job)["state"] == "frozen", "it is paused")
        self.mesh.command(self.node, "cancel", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 130)
        self.assertIn("asked", self.mesh.command(self.node, "logs", str(job)))

    def test_the_time_of_a_pause_does_not_count_against_the_time_limit(self):
        started = time.monotonic()
        job = self.submit("--no-send", "--time", "4s", "--grace", "1s", "--", "python3", "-uc", COUNTS)
        self.mesh.wait_running(self.node, job)
        self.mesh.command(self.node, "pause", str(job))
        meshes.wait_until(lambda: time.monotonic() > started + 7, "its limit would be over")
        self.assertEqual(self.shown(job)["state"], "frozen")
        self.mesh.command(self.node, "resume", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 124)

    def test_a_job_that_is_paused_before_it_has_a_place_gets_none_until_it_is_resumed(self):
        job = self.submit("--no-send", "--allow-pending", "--gpus", "50", "--", "true")
        self.mesh.command(self.node, "pause", str(job))
        shown = self.shown(job)
        self.assertEqual((shown["state"], shown["reason"]), ("pending", "paused by root"))
        self.mesh.command(self.node, "resume", str(job))
        self.assertIn("50 GPUs", self.shown(job)["reason"])
        self.mesh.command(self.node, "cancel", str(job))
        self.assert_refused(self.mesh.attempt(self.node, "pause", str(job)), 125, "job.ended")

    def test_a_paused_job_whose_host_is_lost_starts_again_elsewhere_once_it_is_resumed(self):
        job, host = self.counting()
        other = self.reader(host)
        other.command("pause", str(job))
        host.kill_host()
        meshes.wait_until(lambda: self.shown(job, other)["state"] == "pending", "its loss is known", 60)
        self.assertEqual(self.shown(job, other)["reason"], "paused by root")
        other.command("resume", str(job))
        self.assertNotEqual(self.mesh.wait_running(other, job), host.name)
        other.command("cancel", str(job))
        host.start_again()
        self.mesh.wait_alive(self.node, 3, 60)


class Usage(MeshCase):
    def used(self, *command, exits=0):
        job = self.submit("--no-send", *command)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=60).returncode, exits)
        return self.mesh.job(self.node, job).newest_attempt["usage"]

    def test_what_an_attempt_used_is_told(self):
        usage = self.used("--", "python3", "-c", USES)
        self.assertGreater(usage["cpu_seconds"], 1.4)
        self.assertLess(usage["cpu_seconds"], 20)
        self.assertGreaterEqual(usage["peak_memory_bytes"], 100 << 20)
        self.assertGreaterEqual(usage["written_bytes"], 30 << 20)
        self.assertIn(usage["counted_by"], ("cgroup v1", "cgroup v2", "processes"))

    def test_what_ran_in_processes_that_forked_away_and_outlive_the_command_counts_too(self):
        burn = "import signal, time\nwhile time.process_time() < 1: pass\nopen(\"burnt\", \"w\")\nsignal.pause()"
        usage = self.used("--", "sh", "-c", f"(setsid python3 -c '{burn}' &); while [ ! -e burnt ]; do sleep 0.1; done")
        self.assertGreater(usage["cpu_seconds"], 0.9)


if __name__ == "__main__":
    unittest.main()
