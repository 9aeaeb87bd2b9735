"""A gang on hosts with addresses of their own: torch.distributed trains over the network that joins them."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase  # noqa: E402

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_train.py")
# What jobs find, whatever runs this test.
PYTHON = "/usr/bin/python3"
HAS_TORCH = os.path.exists(PYTHON) and subprocess.run(
    [PYTHON, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode == 0


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


if __name__ == "__main__":
    unittest.main()
