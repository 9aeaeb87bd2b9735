"""Jobs whose tasks start together or not at all: real daemons, ranks that meet, and what happens when one is gone."""

import json
import os
import re
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

RANK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gang_rank.py")
ENDLESS = "1000000"
LEAVES_TOGETHER = """
cd "$0"
leave() {
    touch "asked.$RANK"
    while [ "$(ls asked.* | wc -l)" -lt 4 ]; do sleep 0.1; done
    echo left together
    exit 3
}
[ "$SWARMLET_ATTEMPT" -gt 1 ] || trap leave TERM
echo ready
while :; do sleep 0.1; done
"""


class Gangs(MeshCase):
    node_count = 4

    def folder(self):
        folder = super().folder()
        shutil.copy(RANK, os.path.join(folder, "rank.py"))
        return folder

    def gang(self, *flags, steps=ENDLESS):
        """A gang of 2 nodes with 2 ranks each that was begun; ended with the test."""
        job = self.submit("--nodes", "2", "--tasks-per-node", "2", "--checkpoint", "ckpt", *flags, "--", "python3",
                          "rank.py", steps, "0.02")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(job))
        return job

    def detail(self, job):
        return self.node.command_json("inspect", str(job))["job"]

    def ranks(self, job, attempt):
        """The attempts of all ranks under this number, once they run."""
        def running():
            found = [one for one in self.detail(job)["attempts_list"] if one["number"] == attempt]
            return found if [one["state"] for one in found] == ["running"] * 4 else None
        return meshes.wait_until(running, f"attempt {attempt} of all ranks runs", seconds=90)

    def said(self, job, rank, attempt):
        """What a rank wrote, as values, once it has begun."""
        def lines():
            done = self.mesh.attempt(self.node, "logs", "--rank", str(rank), "--attempt", str(attempt), str(job))
            return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return meshes.wait_until(lines, f"rank {rank} has said that it began")

    def saved(self, job):
        """Waits until the gang has a checkpoint on another node."""
        meshes.wait_until(lambda: any(len(one["holders"]) > 1 for one in self.detail(job)["checkpoints"]),
                          "the gang has a checkpoint on another node", seconds=90)

    def assert_begun_anew(self, job, before, attempt):
        """All ranks run under the next number, from a checkpoint, and none of the old ones is left."""
        self.ranks(job, attempt)
        for rank in range(4):
            began = self.said(job, rank, attempt)[0]
            self.assertGreater(began["step"], 0, "it goes on from the checkpoint of rank 0")
            self.assertNotEqual(began["environment"]["PET_RDZV_ID"], before[rank]["environment"]["PET_RDZV_ID"])
        old = before[0]["environment"]["PET_RDZV_ID"]
        self.assertEqual(list(pids(self.mesh, job, f"PET_RDZV_ID={old}")), [], "ranks of the attempt before are left")

    def test_every_rank_is_told_its_place_and_meets_the_others(self):
        done = self.run_job("--nodes", "2", "--tasks-per-node", "2", "--gpus", "1", "--checkpoint", "ckpt", "--",
                            "python3", "rank.py", "3", seconds=90)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [re.fullmatch(r"\[(\d)\] (\{.*\})", line) for line in done.stdout.splitlines()]
        self.assertTrue(all(lines), done.stdout)
        began = {int(line[1]): json.loads(line[2]) for line in lines if json.loads(line[2])["word"] == "began"}
        self.assertEqual(sorted(began), [0, 1, 2, 3])
        told = {rank: value["environment"] for rank, value in began.items()}
        for rank, names in told.items():
            self.assertEqual((names["RANK"], names["WORLD_SIZE"]), (str(rank), "4"))
            self.assertEqual((names["LOCAL_RANK"], names["LOCAL_WORLD_SIZE"]), (str(rank % 2), "2"))
            self.assertEqual(names["NODE_RANK"], str(rank // 2))
            self.assertEqual(names["MASTER_ADDR"], "127.0.0.1")
            self.assertEqual(names["MASTER_PORT"], told[0]["MASTER_PORT"])
            self.assertEqual((names["PET_NNODES"], names["PET_NODE_RANK"]), ("4", str(rank)))
            self.assertEqual(names["PET_RDZV_ENDPOINT"], "127.0.0.1:" + names["MASTER_PORT"])
            self.assertEqual((names["GLOO_SOCKET_IFNAME"], names["NCCL_SOCKET_IFNAME"]), ("lo", "=lo"))
            self.assertEqual(began[rank]["hosts"], ["127.0.0.1 slots=2"] * 2)
            self.assertEqual(names["SWARMLET_GPUS"], str(rank % 2))
        self.assertEqual(told[0]["SWARMLET_NODE"], told[1]["SWARMLET_NODE"])
        self.assertNotEqual(told[0]["SWARMLET_NODE"], told[2]["SWARMLET_NODE"])
        job = self.mesh.newest_job(self.node)
        log = self.mesh.command(self.node, "logs", str(job)).splitlines()
        self.assertEqual(sorted(log), sorted(done.stdout.splitlines()))
        self.assertEqual(self.mesh.command(self.node, "logs", "--rank", "2", str(job)),
                         self.mesh.command(self.node, "logs", f"{job}:2"))
        detail = self.detail(job)
        self.assertEqual((detail["gang"]["nodes"], detail["gang"]["tasks_per_node"], detail["tasks"]), (2, 2, 4))
        self.assertEqual(str(detail["gang"]["master_port"]), told[0]["MASTER_PORT"])

    def test_two_gangs_at_once_meet_at_ports_of_their_own(self):
        jobs = [self.gang(), self.gang()]
        told = []
        for job in jobs:
            self.ranks(job, 1)
            told.append(self.said(job, 0, 1)[0]["environment"]["MASTER_PORT"])
        self.assertNotEqual(*told)

    def test_a_killed_rank_ends_the_others_and_all_go_on_from_the_checkpoint(self):
        job = self.gang("--retry", "1")
        self.ranks(job, 1)
        before = [self.said(job, rank, 1)[0] for rank in range(4)]
        self.saved(job)
        victim = next(pid for pid in pids(self.mesh, job, "RANK=3"))
        os.kill(victim, signal.SIGKILL)
        self.assert_begun_anew(job, before, 2)
        ends = {one["task"]: one["outcome"] for one in self.detail(job)["attempts_list"] if one["number"] == 1}
        self.assertEqual(ends[3], "killed by signal 9 (SIGKILL)")

    def test_a_rank_that_fails_gives_the_job_its_exit_code(self):
        done = self.run_job("--nodes", "2", "--tasks-per-node", "2", "--", "sh", "-c",
                            '[ "$RANK" = 2 ] && exit 7; sleep 300', seconds=90)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("rank 2 on ", done.stderr)
        states = {one["task"]: one["outcome"] for one in self.detail(self.mesh.newest_job(self.node))["attempts_list"]}
        self.assertEqual(states, {0: "ended with another rank", 1: "ended with another rank", 2: "exit 7",
                                  3: "ended with another rank"})

    def test_a_cancelled_gang_ends_whole(self):
        job = self.gang()
        self.ranks(job, 1)
        self.mesh.command(self.node, "cancel", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 130)
        self.assertEqual(list(pids(self.mesh, job)), [])

    def test_a_paused_gang_stands_still_on_all_hosts_and_goes_on_in_the_same_attempt(self):
        job = self.gang()
        self.ranks(job, 1)
        self.mesh.command(self.mesh.nodes[3], "pause", str(job))
        meshes.wait_until(lambda: self.mesh.job(self.node, job).state == "frozen", "it is paused")

        def ticks():
            return [meshes.processes.cpu_ticks(pid) for pid in sorted(pids(self.mesh, job))]
        still = meshes.wait_until(lambda: (seen := ticks()) == ticks() and seen, "nothing of it moves")
        self.assertGreaterEqual(len(still), 4)
        self.mesh.command(self.node, "resume", str(job))
        meshes.wait_until(lambda: ticks() != still, "it goes on")
        self.assertEqual({one["number"] for one in self.detail(job)["attempts_list"]}, {1})

    def test_a_drain_of_one_of_its_hosts_moves_the_whole_gang_with_its_checkpoint(self):
        job = self.gang()
        names = [one["node"] for one in self.ranks(job, 1)]
        before = [self.said(job, rank, 1)[0] for rank in range(4)]
        self.saved(job)
        self.mesh.command(self.node, "node", "drain", names[3], "--deadline", "1h", seconds=90)
        self.addCleanup(self.mesh.attempt, self.node, "node", "uncordon", names[3])
        self.assert_begun_anew(job, before, 2)
        self.assertNotIn(names[3], [one["node"] for one in self.ranks(job, 2)])
        ends = {one["outcome"] for one in self.detail(job)["attempts_list"] if one["number"] == 1}
        self.assertNotIn("lost", ends)

    def test_ranks_that_have_to_go_are_told_together_and_can_leave_together(self):
        """Each one stays, once it was asked to go, until all have been asked: one by one they would wait in vain."""
        folder = self.folder()
        # Jobs of a daemon that is root are somebody else's.
        os.chmod(folder, 0o777)
        job = self.submit("--nodes", "2", "--tasks-per-node", "2", "--grace", "2m", "--no-send", "--profile", "none", "--",
                          "sh", "-c", LEAVES_TOGETHER, folder)
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(job))
        host = self.ranks(job, 1)[3]["node"]
        for rank in range(4):
            meshes.wait_until(lambda: "ready" in self.mesh.command(self.node, "logs", f"{job}:{rank}"), "it is ready")
        self.addCleanup(self.mesh.attempt, self.node, "node", "uncordon", host)
        self.mesh.command(self.node, "node", "drain", host, "--force", "-d")
        names = {one["node"] for one in self.ranks(job, 2)}
        self.assertNotIn(host, names)
        for rank in range(4):
            done = self.mesh.attempt(self.node, "logs", "--rank", str(rank), "--attempt", "1", str(job))
            self.assertIn("left together", done.stdout)
        ends = [one["outcome"] for one in self.detail(job)["attempts_list"] if one["number"] == 1]
        self.assertEqual(len(set(ends)), 1, ends)

    def test_a_gang_that_could_never_run_is_refused_and_one_that_has_to_wait_says_why(self):
        refused = self.mesh.attempt(self.node, "run", "--nodes", "5", "--", "true", cwd=self.folder())
        self.assert_refused(refused, 2, "job.never_fits")
        self.assertIn("n1, n2, n3 and n4", refused.stderr)
        apart = self.mesh.attempt(self.node, "run", "--nodes", "2", "--network", "off", "--", "true", cwd=self.folder())
        self.assert_refused(apart, 2)
        first = self.submit("--nodes", "4", "--gpus", "2", "--", "sleep", "300")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(first))
        self.mesh.wait_running(self.node, first)
        second = self.submit("--nodes", "3", "--gpus", "1", "--", "true")
        reason = meshes.wait_until(lambda: self.detail(second)["reason"], "it says why it waits")
        self.assertEqual(reason, "waits for 3 nodes with 1 CPU and 1 GPU each; free on 0 of 4")
        self.mesh.command(self.node, "cancel", str(first))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(second)).returncode, 0)

    def test_when_a_host_is_lost_the_whole_gang_goes_on_elsewhere(self):
        job = self.gang()
        ranks = self.ranks(job, 1)
        before = [self.said(job, rank, 1)[0] for rank in range(4)]
        self.saved(job)
        names = [one["node"] for one in ranks]
        lost = self.mesh.node(names[3] if names[3] != self.node.name else names[0])
        lost.kill_host()
        self.assert_begun_anew(job, before, 2)
        lost.start_again()
        self.mesh.wait_alive(self.node, 4)


def pids(mesh, job, variable=None):
    """The processes of a job's tasks, or of those with this in their environment."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            # All ranks call their working directory the same; where it lies is seen in what is mounted there.
            with open(f"/proc/{entry}/mountinfo", encoding="utf-8") as file:
                mounts = file.read()
        except OSError:
            continue
        if f"SWARMLET_JOB_ID={job}".encode() not in variables or f"{mesh.folder}/" not in mounts:
            continue
        if variable is None or variable.encode() in variables:
            yield int(entry)


if __name__ == "__main__":
    unittest.main()
