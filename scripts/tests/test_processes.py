"""Claims about scripts/lib/processes.py: what it finds and ends is the given processes and all below them."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import processes  # noqa: E402


class Processes(unittest.TestCase):
    def test_kill_tree_ends_a_process_its_children_and_their_children(self):
        parent = subprocess.Popen(["bash", "-c", "bash -c 'sleep 60 & echo $!; wait' & wait"], stdout=subprocess.PIPE,
                                  text=True)
        grandchild = int(parent.stdout.readline())
        try:
            self.assertIn(grandchild, processes.tree([parent.pid]))
            killed = processes.kill_tree([parent.pid])
            self.assertIn(grandchild, killed)
            self.assertFalse(processes.alive(grandchild))
        finally:
            parent.stdout.close()
            parent.wait()

    def test_a_zombie_is_not_alive(self):
        child = subprocess.Popen(["true"])
        self.assertEqual(processes.wait_gone([child.pid], 10), [])
        self.assertFalse(processes.alive(child.pid))
        child.wait()
        self.assertIsNone(processes.stat_fields(child.pid))

    def test_wait_gone_names_what_is_still_there(self):
        child = subprocess.Popen(["sleep", "60"])
        try:
            self.assertEqual(processes.wait_gone([child.pid], 0.05), [child.pid])
        finally:
            child.kill()
            child.wait()

    def test_processor_time_of_this_process_grows(self):
        before = processes.cpu_ticks(os.getpid())
        while processes.cpu_ticks(os.getpid()) == before:
            pass
        self.assertGreater(processes.cpu_ticks(os.getpid()), before)


if __name__ == "__main__":
    unittest.main()
