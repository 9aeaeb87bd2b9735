"""What the fault tests share: one mesh of real daemons a class, commands, and what an error has to look like."""

import concurrent.futures
import os
import re
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib"))
import mesh as meshes  # noqa: E402

SLACK_SECONDS = 20


# Numbers its lines until its gate is there.
LINES = 'n=0; while [ ! -e "$0" ]; do echo $n; n=$((n+1)); sleep 0.01; done; exit 7'


class MeshCase(unittest.TestCase):
    """Starts `node_count` daemons before the first test of the class and ends them after the last."""

    node_count = 1
    joined = True
    # Simulated ones; 0: what the host has.
    gpus = 2

    @classmethod
    def setUpClass(cls):
        cls.mesh = meshes.Mesh(meshes.build_binary(), "fault", nodes=cls.node_count, gpus=cls.gpus)
        cls.addClassCleanup(cls.mesh.stop)
        if cls.joined:
            cls.mesh.start()
            cls.mesh.wait_alive(cls.mesh.nodes[0], cls.node_count, voters=3 if cls.node_count >= 3 else 1)
        cls.node = cls.mesh.nodes[0]

    def folder(self):
        """An empty directory of this test, to type `run` in."""
        path = os.path.join(self.mesh.folder, "work", self.id().rsplit(".", 1)[1])
        os.makedirs(path, exist_ok=True)
        return path

    def run_job(self, *arguments, node=None, seconds=60):
        """`swarmlet run ARGUMENTS` in this test's directory, to its end."""
        return self.mesh.attempt(node or self.node, "run", *arguments, cwd=self.folder(), seconds=seconds)

    def submit(self, *arguments, node=None):
        """`swarmlet run -d ARGUMENTS`; the job's number."""
        return int(self.mesh.command(node or self.node, "run", "-d", *arguments, cwd=self.folder()).split()[0])

    def counting(self, node):
        """A job that numbers its lines until it is let go, followed from that node: (run, gate)."""
        gate = os.path.join(self.folder(), f"gate-{node.name}")
        run = self.mesh.run(node, "--no-send", "--profile", "none", "--", "sh", "-c", LINES, gate, cwd=self.folder())
        run.wait_line(lambda line: line == "20", "it counts", 30)
        return run, gate

    def assert_counted(self, run, gate):
        """It still counts; let go it has said every line once, in its first attempt, and has its own exit code."""
        seen = len(run.out)
        meshes.wait_until(lambda: len(run.out) > seen + 20, "it goes on counting")
        with open(gate, "w", encoding="utf-8"):
            pass
        self.assertEqual(run.finish(60), 7, run.said())
        lines = [line for _, line in run.out]
        self.assertEqual(lines, [str(number) for number in range(len(lines))])
        self.assertFalse([line for _, line in run.err if "attempt 2" in line], run.err)

    def compact(self, first):
        """Submits until the entries of the first jobs are gone from the log; how many jobs there are then."""
        jobs = 0
        database = os.path.join(first.data, "raft.db")

        def first_entry():
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            try:
                return connection.execute("SELECT min(idx) FROM entry").fetchone()[0]
            finally:
                connection.close()

        while first_entry() <= 100:
            self.assertLess(jobs, 1_500, "the log is never cut")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                # 16 MiB of entries make a snapshot; the last 1,024 of them stay.
                submit = ["run", "-d", "--no-send", "--env", "FILLER=" + "x" * 60_000, "--", "true"]
                list(pool.map(lambda _: self.mesh.command(first, *submit), range(64)))
            jobs += 64
        return jobs

    def assert_refused(self, done, exit_code, code=None):
        """An error says what is wrong with its code, and then the way out, and nothing on stdout."""
        self.assertEqual(done.returncode, exit_code, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = [line for line in done.stderr.splitlines() if line]
        self.assertGreaterEqual(len(lines), 2, done.stderr)
        self.assertRegex(lines[0], r"^swarmlet: .*\[[a-z_.]+\]$")
        self.assertRegex(lines[-1], r"^swarmlet: ")
        if code is not None:
            self.assertEqual(re.search(r"\[([a-z_.]+)\]$", lines[0]).group(1), code)
