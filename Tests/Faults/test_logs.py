"""What a job wrote is read when its host is gone."""

import os
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

# Numbers its lines, so that what is missing shows.
COUNTS = """
import itertools, time
for number in itertools.count():
    print(number, flush=True)
    time.sleep(0.02)
"""
NUMBERS = 'n=0; while [ ! -e "$0" ]; do echo $n; n=$((n+1)); sleep 0.01; done; exit 7'
# The first 256 MiB and the newest three times as much, with what frames it (docs/host.md).
LOG_BYTES = 1_100 << 20
SAYS = "import sys; print('all of it'); print('and this', file=sys.stderr)"


def written(path):
    """What whole records of a log's file say (docs/host.md, LogRecord)."""
    header = struct.Struct("<qIBBH")
    with open(path, "rb") as file:
        data = file.read()
    text, at = b"", 0
    while at + header.size <= len(data):
        _, length, _, _, _ = header.unpack_from(data, at)
        if at + header.size + length > len(data):
            break
        text += data[at + header.size:at + header.size + length]
        at += header.size + length
    return text.decode()


class Copies(MeshCase):
    node_count = 4

    def elsewhere(self, job):
        """The host on which the job runs, and another one; jobs that run where they were typed are typed again."""
        host = self.mesh.node(self.mesh.wait_running(self.node, job))
        return host, next(node for node in self.mesh.nodes if node is not host)

    def copies(self, job, but):
        """What other hosts keep of the first attempt's log, by name of the file."""
        found = {}
        for node in self.mesh.nodes:
            if node is but:
                continue
            path = os.path.join(node.data, "logs", str(job), "0.1")
            for name in (path, path + ".whole"):
                if os.path.exists(name):
                    found[name] = os.path.getsize(name)
        return found

    def test_every_line_that_was_copied_is_read_when_the_host_is_killed_and_the_end_is_said_to_be_missing(self):
        job = self.submit("--no-send", "--retry", "never", "--", "python3", "-uc", COUNTS)
        host, reader = self.elsewhere(job)
        meshes.wait_until(lambda: sum(self.copies(job, host).values()) > 4_000, "a hundred lines are copied", 60)
        copied = max(self.copies(job, host).items(), key=lambda item: item[1])[0]
        host.kill_host()
        done = self.mesh.attempt(reader, "logs", str(job), seconds=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.split()
        self.assertEqual(lines, [str(number) for number in range(len(lines))])
        self.assertEqual(done.stdout, written(copied))
        self.assertGreater(len(lines), 50)
        self.assertIn("last second may be missing", done.stderr)
        tail = self.mesh.attempt(reader, "logs", "--tail", "3", str(job), seconds=60)
        self.assertEqual(tail.stdout.split(), lines[-3:])
        host.start_again()
        self.mesh.wait_alive(reader, 4, seconds=60)

    def test_the_log_of_a_job_that_had_ended_is_read_whole_and_nothing_is_said_to_be_missing(self):
        job = self.submit("--no-send", "--", "python3", "-c", SAYS)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 0)
        name = self.node.command_json("inspect", str(job))["job"]["attempts_list"][0]["node"]
        host = self.mesh.node(name)
        reader = next(node for node in self.mesh.nodes if node is not host)
        meshes.wait_until(
            lambda: any(name.endswith(".whole") for name in self.copies(job, host)), "the copy is whole", 60)
        host.kill_host()
        done = self.mesh.attempt(reader, "logs", str(job), seconds=60)
        self.assertEqual((done.returncode, sorted(done.stdout.splitlines())), (0, ["all of it", "and this"]))
        self.assertNotIn("missing", done.stderr)
        self.assertEqual(self.mesh.attempt(reader, "logs", "--stderr", str(job)).stdout, "and this\n")
        host.start_again()
        self.mesh.wait_alive(reader, 4, seconds=60)

    def test_only_what_came_since_a_moment_is_read_here_and_from_elsewhere(self):
        gate = os.path.join(self.folder(), "gate")
        job = self.submit("--no-send", "--profile", "none", "--", "sh", "-c",
                          'echo early; while [ ! -e "$0" ]; do sleep 0.01; done; echo late; echo last', gate)
        host, reader = self.elsewhere(job)
        meshes.wait_until(lambda: self.mesh.command(reader, "logs", str(job)), "it has begun")
        with open(gate, "w", encoding="utf-8"):
            pass
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 0)
        times = {line.split()[1]: line.split()[0]
                 for line in self.mesh.command(reader, "logs", "-t", str(job)).splitlines()}
        for node in (host, reader):
            def since(*words):
                return self.mesh.command(node, "logs", "--since", *words, str(job)).split()
            self.assertEqual(since(times["late"]), ["late", "last"])
            self.assertEqual(since("1h"), ["early", "late", "last"])
            self.assertEqual(since(times["late"], "--tail", "1"), ["last"])
            self.assertEqual(since("2199-01-01T00:00:00Z"), [])
        self.assert_refused(self.mesh.attempt(reader, "logs", "--since", "yesterday", str(job)), 2, "usage.bad_value")

    def test_another_member_takes_over_when_the_one_that_keeps_the_copies_is_killed(self):
        job = self.submit("--no-send", "--retry", "never", "--", "python3", "-uc", COUNTS)
        host, _ = self.elsewhere(job)
        meshes.wait_until(lambda: self.copies(job, host), "it is copied", 60)
        keeper = next(node for node in self.mesh.nodes if self.copies(job, host).keys() & {
            os.path.join(node.data, "logs", str(job), "0.1")})
        keeper.kill_host()
        others = {os.path.join(node.data, "logs", str(job), "0.1")
                  for node in self.mesh.nodes if node not in (host, keeper)}
        meshes.wait_until(lambda: others & self.copies(job, host).keys(), "another one copies it", 60)
        asked = next(node for node in self.mesh.nodes if node not in (host, keeper))
        self.assertEqual(self.mesh.attempt(asked, "cancel", str(job)).returncode, 0)
        meshes.wait_until(
            lambda: {name + ".whole" for name in others} & self.copies(job, host).keys(), "that copy is whole", 60)
        keeper.start_again()
        self.mesh.wait_alive(asked, 4, seconds=60)

    def test_a_job_that_prints_without_end_keeps_nobody_from_anything_and_its_log_says_what_it_has_let_go(self):
        loud = self.submit("--no-send", "--", "yes", "0123456789abcdef")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(loud))
        host, reader = self.elsewhere(loud)
        gate = os.path.join(self.folder(), "gate")
        others = [node.name for node in self.mesh.nodes if node is not host]
        for name in others:
            self.mesh.command(reader, "node", "cordon", name)
            self.addCleanup(self.mesh.attempt, reader, "node", "uncordon", name)
        beside = self.mesh.run(reader, "--no-send", "--profile", "none", "--", "sh", "-c", NUMBERS, gate, cwd=self.folder())
        beside.wait_line(lambda line: line == "1", "a job beside it on its host says its lines", 60)
        for name in others:
            self.mesh.command(reader, "node", "uncordon", name)
        rounds = 0
        while rounds < 20 or not self.has_let_go(host, loud):
            seen = len(beside.out)
            done = self.mesh.attempt(self.node, "run", "--no-send", "--", "echo", "here", cwd=self.folder())
            self.assertEqual((done.returncode, done.stdout), (0, "here\n"), done.stderr)
            for asked in (host, reader):
                jobs = {int(job["id"]): job["state"] for job in asked.command_json("ps")["jobs"]}
                self.assertEqual(jobs.get(loud), "running")
                self.assertEqual(len(self.mesh.members(asked)), 4)
            meshes.wait_until(lambda: len(beside.out) > seen, "the lines of the job beside it come through")
            self.assertLess(sum(size for _, size in self.segments(host, loud)), LOG_BYTES)
            rounds += 1
            self.assertLess(rounds, 2_000, "it has not outgrown its log")
        with open(gate, "w", encoding="utf-8"):
            pass
        self.assertEqual(beside.finish(60), 7, beside.said())
        lines = [line for _, line in beside.out]
        self.assertEqual(lines, [str(number) for number in range(len(lines))])
        self.mesh.command(self.node, "cancel", str(loud))
        told = subprocess.Popen([self.mesh.binary, *self.mesh.arguments(host, ["logs", str(loud)])],
                                env=self.mesh.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(told.wait)
        self.addCleanup(told.kill)
        self.assertRegex(told.stderr.readline(), "of the log is no longer kept")
        told.stderr.close()

    @staticmethod
    def segments(host, job):
        """The files of a job's log: how much output came before each, and how long it is."""
        folder = os.path.join(host.data, "logs", str(job))
        found = []
        for name in os.listdir(folder):
            start = name.removeprefix("0.1").removeprefix(".")
            try:
                found.append((int(start or 0), os.path.getsize(os.path.join(folder, name))))
            except (FileNotFoundError, ValueError):
                continue
        return sorted(found)

    def has_let_go(self, host, job):
        """Whether something between the first file and the newest ones is gone."""
        starts = [start for start, _ in self.segments(host, job)]
        return len(starts) > 1 and starts[1] > 300 << 20


if __name__ == "__main__":
    unittest.main()
