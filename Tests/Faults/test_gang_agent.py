"""What starts commands on the other hosts of a gang, as mpirun needs it: for processes of the gang and nobody else."""

import json
import os
import shutil
import signal
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402

STAND_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mpirun_stand_in.py")
AGENT = "/run/swarmlet/agent"
# Rank 0 does the line that is given, the others stay until they are ended.
FIRST = '[ "$RANK" = 0 ] || exec sleep 600; '


class GangAgent(MeshCase):
    node_count = 3

    def folder(self):
        folder = super().folder()
        shutil.copy(STAND_IN, os.path.join(folder, "mpirun"))
        return folder

    def gang(self, line, *flags):
        """A gang of two hosts whose rank 0 does this line; ended with the test."""
        job = self.submit("--nodes", "2", *flags, "--", "sh", "-c", FIRST + line)
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(job))
        return job

    def said(self, job, what, rank=0):
        """What a rank wrote, once it has written that."""
        def lines():
            output = self.mesh.attempt(self.node, "logs", "--rank", str(rank), str(job)).stdout
            return output if what in output else None
        return meshes.wait_until(lines, f"rank {rank} has written {what}", seconds=60)

    def host(self, job, rank):
        """The node on which a rank runs."""
        attempts = self.node.command_json("inspect", str(job))["job"]["attempts_list"]
        return self.mesh.node(next(one["node"] for one in attempts if one["task"] == rank))

    def test_mpi_starts_its_daemons_on_every_host_through_the_gang(self):
        done = self.run_job("--nodes", "3", "--tasks-per-node", "2", "--cpus", "0.1", "--mpi", "-e", "PATH=/run/job:/usr/bin:/bin",
                            "--", "true", seconds=120)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        told = json.loads(done.stdout.removeprefix("[0] "))
        self.assertEqual((told["count"], told["rank"], told["shell"]), (6, None, "/bin/sh"))
        self.assertEqual(told["hosts"], ["127.0.0.1 slots=2"] * 3)
        self.assertEqual(told["hydra"], ["127.0.0.1:2"] * 3)
        self.assertEqual([one["code"] for one in told["ends"]], [11, 12])
        for number, end in enumerate(told["ends"], 1):
            self.assertEqual((end["output"], end["error"]), (f"output of {number}\n", f"error of {number}\n"))
        found = {one["number"]: one for one in told["daemons"]}
        self.assertEqual({one["folder"] for one in found.values()}, {"/run/job"})
        self.assertEqual({one["rank"] for one in found.values()}, {None})
        self.assertEqual(len({told["node"], found[1]["node"], found[2]["node"]}), 3, "each on a host of its own")
        job = self.node.command_json("inspect", str(self.mesh.newest_job(self.node)))["job"]
        self.assertEqual((job["tasks"], job["gang"]["nodes"], job["gang"]["tasks_per_node"]), (3, 3, 1))
        self.assertEqual(job["state"], "succeeded")

    def test_an_mpirun_that_fails_ends_the_gang_with_its_code(self):
        with open(os.path.join(self.folder(), "mpiexec"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 9\n")
        os.chmod(file.name, 0o755)
        done = self.run_job("--nodes", "2", "--mpi", "--", "./mpiexec", seconds=90)
        self.assertEqual(done.returncode, 9, done.stderr)

    def test_without_an_mpi_it_says_what_is_missing(self):
        done = self.run_job("--nodes", "2", "--mpi", "-e", "PATH=/nowhere", "--no-send", "--", "true", seconds=90)
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertIn("mpirun cannot be run here", done.stderr)

    def test_mpi_without_a_sandbox_is_refused(self):
        done = self.run_job("--nodes", "2", "--mpi", "--profile", "none", "--", "true")
        self.assert_refused(done, 2)
        done = self.run_job("--array", "2", "--mpi", "--", "true")
        self.assert_refused(done, 2)

    def test_a_host_that_is_not_of_the_gang_is_refused_and_one_that_is_meant_twice_too(self):
        line = (f"for host in n9 10.1.2.3 2 127.0.0.1; do {AGENT} $host true; echo $host $?; done; "
                f"{AGENT} 1 'exit 7'; echo one $?; {AGENT} 0 'exit 8'; echo zero $?; exec sleep 600")
        job = self.gang(line)
        said = self.said(job, "zero").splitlines()
        self.assertEqual([one for one in said if one.split()[0] in ("n9", "10.1.2.3", "2", "127.0.0.1", "one", "zero")
                          and len(one.split()) == 2],
                         ["n9 255", "10.1.2.3 255", "2 255", "127.0.0.1 255", "one 7", "zero 8"])
        self.assertIn("is no host of this gang", "\n".join(said))
        self.assertIn("127.0.0.1 is each of the hosts 0, 1", "\n".join(said))
        name = self.host(job, 1).name
        other = self.gang(f"{AGENT} {name} 'echo $SWARMLET_NODE'; exec sleep 600")
        if self.host(other, 1).name == name:
            self.said(other, name)

    def test_what_the_agent_started_ends_with_the_agent(self):
        line = (f"{AGENT} 1 'echo there; exec sleep 4321' & agent=$!; while [ ! -e go ]; do sleep 0.1; done; "
                "kill -KILL $agent; exec sleep 600")
        job = self.gang(line)
        self.said(job, "there")
        started = meshes.wait_until(lambda: self.sleepers("4321"), "it runs")
        # Beside the command of rank 1, and not of rank 0.
        self.assertIn(b"SWARMLET_TASK_ID=1", environment(started[0]))
        self.mesh.command(self.node, "exec", f"{job}_0", "--", "touch", "/run/job/go")
        meshes.wait_until(lambda: not self.sleepers("4321"), "it is gone with its agent", seconds=30)
        self.assertEqual(self.mesh.job(self.node, job).state, "running")

    def test_what_a_command_leaves_running_stays_until_the_gang_ends(self):
        """A launcher ends before its daemon has had time to leave its session."""
        job = self.gang(f"{AGENT} 1 'sleep 5432 & sleep 5433 & exit 3'; echo code $?; exec sleep 600")
        self.said(job, "code 3")
        meshes.wait_until(lambda: self.sleepers("5432") and self.sleepers("5433"), "it runs")
        self.mesh.command(self.node, "cancel", str(job))
        meshes.wait_until(lambda: not self.sleepers("5432") and not self.sleepers("5433"), "nothing of it is left")

    def test_the_agent_reaches_its_gang_after_daemons_were_killed_and_started_again(self):
        line = f"while [ ! -e go ]; do sleep 0.1; done; {AGENT} 1 'echo again $SWARMLET_NODE'; exec sleep 600"
        job = self.gang(line)
        self.mesh.wait_running(self.node, job)
        hosts = [self.host(job, 0), self.host(job, 1)]
        for host in hosts:
            host.kill_daemon()
            host.start_again()
        self.mesh.wait_alive(self.node, 3)
        meshes.wait_until(
            lambda: self.mesh.attempt(self.node, "exec", f"{job}_0", "--", "touch", "/run/job/go").returncode == 0,
            "its host has it again")
        self.said(job, f"again {hosts[1].name}")

    def test_a_launcher_that_loses_its_agents_with_a_daemon_begins_anew_and_one_that_fails_by_itself_does_not(self):
        with open(os.path.join(self.folder(), "mpiexec"), "w", encoding="ascii") as file:
            # As Hydra does it: the agent stays, and everything fails with it.
            file.write("#!/bin/sh\n"
                       "rm -f stay\n"
                       f"{AGENT} 1 '[ $SWARMLET_ATTEMPT = 2 ] || touch stay; while [ -e stay ]; do sleep 0.1; done' &\n"
                       "agent=$!\necho begun $SWARMLET_ATTEMPT\n"
                       "wait $agent || exit 255\n"
                       "[ -e fails ] && exit 8\nexit 0\n")
        os.chmod(file.name, 0o755)
        for which in (0, 1):
            with self.subTest(f"the daemon of rank {which}"):
                job = self.submit("--nodes", "2", "--mpi", "--", "./mpiexec")
                self.said(job, "begun 1")
                hosts = [self.host(job, 0), self.host(job, 1)]
                meshes.wait_until(lambda: self.mesh.attempt(hosts[1], "exec", f"{job}_1", "--", "test", "-e", "/run/job/stay")
                                  .returncode == 0, "the agent's command runs")
                hosts[which].kill_daemon()
                hosts[which].start_again()
                done = self.mesh.attempt(self.node, "wait", str(job), seconds=90)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.said(job, "begun 2")
        # Its own failure is its own, also after a daemon was replaced that it did not need.
        job = self.submit("--nodes", "2", "--mpi", "--", "./mpiexec")
        self.said(job, "begun 1")
        hosts = [self.host(job, 0), self.host(job, 1)]
        self.mesh.command(hosts[0], "exec", f"{job}_0", "--", "touch", "/run/job/fails")
        other = next(node for node in self.mesh.nodes if node not in hosts)
        other.kill_daemon()
        other.start_again()
        self.mesh.wait_alive(self.node, 3)
        meshes.wait_until(lambda: self.mesh.attempt(hosts[1], "exec", f"{job}_1", "--", "rm", "/run/job/stay").returncode == 0,
                          "the agent's command may end")
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job), seconds=90).returncode, 8)

    def test_other_jobs_find_no_way_to_a_gang_and_other_users_are_not_heard(self):
        job = self.gang("exec sleep 600")
        self.mesh.wait_running(self.node, job)
        # The same host: an ordinary job there sees nothing below /run/swarmlet.
        done = self.run_job("--array", "3", "--cpus", "0.1", "--", "sh", "-c", "ls -A /run/swarmlet 2>&1; true")
        self.assertEqual(done.stdout.count("No such file"), 3, done.stdout)
        host = self.host(job, 0)
        path = os.path.join(host.data, "doors", f"{job}.0.1", "socket")
        self.assertTrue(os.path.exists(path), path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(os.path.dirname(path)).st_uid, os.getuid(), "nobody else can put another one there")
        if os.getuid() == 0:
            # Root of the host is not the job's user, nobody, and speaks for no rank.
            self.assertIn(b"auth.denied", ask(path, b"\x82\x18\x2e\x82\x02\xf6"))
        self.mesh.command(self.node, "cancel", str(job))
        meshes.wait_until(lambda: not os.path.exists(path), "its socket goes with it")

    def sleepers(self, seconds):
        """The processes that sleep for so long in jobs of this mesh."""
        return [pid for node in self.mesh.nodes for pid in node.job_pids()
                if meshes.processes.command_line(pid) == ["sleep", seconds]]


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")


def ask(path, message):
    """What the daemon answers there."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(path)
        link.sendall(struct.pack("<I", len(message)) + message)
        answer = b""
        while piece := link.recv(4096):
            answer += piece
        return answer


class AcrossVersions(MeshCase):
    """A host whose program does not know what starts MPI programs yet."""
    node_count = 2
    joined = False

    def levels(self, text):
        self.mesh.environment["SWARMLET_LEVELS"] = text

    def level(self):
        return self.node.command_json("raft", "ls")["level"]

    def test_an_mpi_program_is_refused_until_every_host_knows_it(self):
        with open(os.path.join(self.folder(), "mpirun"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho started by mpirun\n")
        os.chmod(file.name, 0o755)
        mpi = ["--nodes", "2", "--cpus", "0.1", "--mpi", "-e", "PATH=/run/job:/usr/bin:/bin", "--", "true"]
        other = self.mesh.nodes[1]
        self.levels("1-6")
        self.node.found("fault")
        other.join(self.node.command("invite"))
        self.mesh.wait_alive(self.node, 2, voters=1)
        self.node.kill_daemon()
        self.levels("1-7")
        self.node.start_again()
        meshes.wait_until(lambda: self.level() == 6, "level 6", seconds=40)
        self.assert_refused(self.run_job(*mpi), 125, "mesh.level.not_reached")
        self.assertIsNone(self.mesh.newest_job(self.node), "nothing was submitted")
        done = self.run_job("--nodes", "2", "--cpus", "0.1", "--", "echo", "a gang", seconds=90)
        self.assertEqual((done.returncode, done.stdout.count("a gang")), (0, 2), done.stderr)
        other.kill_daemon()
        other.start_again()
        meshes.wait_until(lambda: self.level() == 7, "level 7", seconds=40)
        done = self.run_job(*mpi, seconds=90)
        self.assertEqual((done.returncode, done.stdout), (0, "[0] started by mpirun\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
