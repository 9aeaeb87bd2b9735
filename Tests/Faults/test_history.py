"""Finished jobs that have left the replicated state: each once, the same on every node, and still shown."""

import os
import random
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

JOBS = 80
KEPT = 10


def rows(node):
    """What the node's history holds, read beside its daemon."""
    path = os.path.join(node.data, "history.db")
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        jobs = database.execute("SELECT number, id, content FROM job ORDER BY number").fetchall()
        tasks = database.execute("SELECT number, record, content FROM task ORDER BY number, record").fetchall()
        return jobs, tasks
    except sqlite3.OperationalError:
        return [], []
    finally:
        database.close()


class History(MeshCase):
    node_count = 3

    def wait_equal(self, count):
        def equal():
            found = [rows(node) for node in self.mesh.nodes]
            return found[0] if len(found[0][0]) >= count and all(each == found[0] for each in found) else None

        return meshes.wait_until(equal, f"every node has the same {count} finished jobs", 120)

    def test_daemons_killed_at_random_moments_keep_each_finished_job_once(self):
        self.mesh.command(self.node, "config", "set", "jobs.keep", str(KEPT))
        chance = random.Random(1)
        submitted = []
        for number in range(JOBS):
            submitted.append(self.submit("--no-send", "-J", f"old-{number}", "--", "echo", f"said {number}"))
            if number % 16 == 7:
                victim = chance.choice(self.mesh.nodes[1:])
                victim.kill_daemon()
                victim.start_again()
        self.mesh.wait_alive(self.node, 3)
        for job in submitted:
            self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=120).returncode, 0)
        jobs, _ = self.wait_equal(JOBS - KEPT)
        self.assertEqual([row[0] for row in jobs], list(range(1, len(jobs) + 1)))
        self.assertEqual(len({row[1] for row in jobs}), len(jobs), "no job is there twice")

        first = str(submitted[0])
        self.assertIn(int(first), {row[1] for row in jobs}, "the first job has left the state")
        for node in self.mesh.nodes:
            listed = [job for job in node.command_json("ps", "-a")["jobs"] if job["name"].startswith("old-")]
            self.assertEqual(sorted(int(job["id"]) for job in listed), submitted)
            self.assertEqual({job["state"] for job in listed}, {"succeeded"})
            self.assertEqual(self.mesh.attempt(node, "wait", first).returncode, 0)
            self.assertEqual(self.mesh.command(node, "logs", first).strip(), "said 0")
            self.assertIn("succeeded", self.mesh.command(node, "inspect", first))

        # One that lost its history, as one that joins later, gets it from the others.
        lost = self.mesh.nodes[2]
        lost.kill_daemon()
        for suffix in ("", "-wal", "-shm"):
            path = os.path.join(lost.data, "history.db" + suffix)
            if os.path.exists(path):
                os.unlink(path)
        lost.start_again()
        self.wait_equal(JOBS - KEPT)


if __name__ == "__main__":
    unittest.main()
