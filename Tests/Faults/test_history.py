"""Finished jobs that have left the replicated state: each once, the same on every node, and still shown."""

import os
import random
import shutil
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


def wait_for_rows(node, count):
    """What the node's history holds once it has so many jobs without a gap."""
    def enough():
        found = rows(node)
        numbers = [row[0] for row in found[0]]
        return found if numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= count else None

    return meshes.wait_until(enough, f"{node.name} has {count} finished jobs", 120)


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


class LateMembers(MeshCase):
    """The log of the first node begins with a snapshot: who joins now cannot learn what left the state from entries."""

    node_count = 4
    joined = False

    def test_nodes_that_join_later_get_the_history_and_keep_it_when_the_first_host_is_gone(self):
        first, others = self.mesh.nodes[0], self.mesh.nodes[1:]
        first.found("fault")
        self.mesh.command(first, "config", "set", "jobs.keep", str(KEPT))
        oldest = int(self.mesh.command(first, "run", "-d", "--no-send", "-J", "oldest", "--", "true").split()[0])
        self.assertEqual(self.mesh.attempt(first, "wait", str(oldest), seconds=60).returncode, 0)
        jobs = self.compact(first) + 1
        wanted = wait_for_rows(first, jobs - KEPT)

        for node in others:
            node.join(first.command("invite"))
        self.mesh.wait_alive(first, 4, voters=3)
        for node in others:
            self.assertEqual(wait_for_rows(node, jobs - KEPT), wanted, node.name)

        first.kill_host()
        shutil.rmtree(first.data)
        last = self.mesh.nodes[-1]
        meshes.wait_until(lambda: self.mesh.attempt(last, "config", "set", "user.on", "yes").returncode == 0,
                          "the mesh has a leader again", 30)
        said = last.command_json("inspect", str(oldest))
        self.assertEqual(said.get("job", said)["state"], "succeeded")
        listed = last.command_json("ps", "-a")["jobs"]
        self.assertEqual(len(listed), jobs)
        self.assertEqual(self.mesh.attempt(last, "wait", str(oldest)).returncode, 0)
        self.assert_refused(self.mesh.attempt(last, "cancel", str(oldest)), 125, "job.ended")
        # What it wrote was on the host that is gone.
        self.assert_refused(self.mesh.attempt(last, "logs", str(oldest), seconds=60), 125)


if __name__ == "__main__":
    unittest.main()
