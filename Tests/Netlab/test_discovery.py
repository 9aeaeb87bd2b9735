"""Meshes that are found by asking the network: join without a name, and up beside a mesh."""

import os
import pty
import re
import select
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, meshes  # noqa: E402

SECONDS = 30


class Discovery(LabCase):
    def typed(self, lab, host, words, answers, until=None):
        """Runs a command in a terminal and types the answers as they are asked for; what it said and its exit code."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{host.namespace}", lab.binary, *lab.arguments(host, words)],
            stdin=slave, stdout=slave, stderr=slave, env=lab.environment, cwd=lab.folder, start_new_session=True)
        os.close(slave)
        said, answers, deadline = "", list(answers), time.monotonic() + SECONDS
        try:
            while time.monotonic() < deadline:
                if until and until in said:
                    break
                if not select.select([master], [], [], 0.2)[0]:
                    continue
                try:
                    said += os.read(master, 65_536).decode(errors="replace")
                except OSError:
                    break
                if answers and re.search(answers[0][0], said):
                    os.write(master, answers.pop(0)[1].encode())
            if until:
                process.kill()
            return said, process.wait(SECONDS)
        finally:
            process.kill()
            os.close(master)

    def test_join_without_a_name_lists_the_meshes_and_asks(self):
        lab = self.lab(3)
        first, second, third = lab.nodes
        first.found("lab")
        third.found("other")
        done = lab.attempt(second, "join")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("1  lab  ", done.stderr)
        self.assertIn("2  other  ", done.stderr)
        self.assertIn(f"{first.name}, {first.addresses[0]}:7717", done.stderr)
        said, _ = self.typed(lab, second, ["join", "--name", second.name],
                             [(r"join which one\? \[1-2\] ", "1\n"), (r"first contact.*\[y/N\] ", "y\n")],
                             until="swarmlet approve")
        self.assertIn("first contact with the mesh", said)
        self.assertIn(f"swarmlet approve {second.name}", said)

    def test_hosts_without_ipv4_find_the_mesh_too(self):
        lab = self.lab(2, h1={"only6": True}, h2={"only6": True})
        first, second = lab.nodes
        first.found("lab")
        # An interface that has just come up has no address on its link before the kernel has asked for others with it.
        meshes.wait_until(lambda: f"[{first.addresses[0]}]:7717" in lab.attempt(second, "join").stderr,
                          "the mesh is found", SECONDS, 0.2)

    def test_up_beside_a_mesh_asks_once(self):
        lab = self.lab(2)
        first, second = lab.nodes
        first.found("lab")
        said, code = self.typed(lab, second, ["up", "--name", second.name], [(r"start another mesh here\?.*\[y/N\] ", "n\n")])
        self.assertIn("on this network: mesh lab (", said)
        self.assertIn(f"swarmlet join {first.addresses[0]}:7717", said)
        self.assertNotEqual(code, 0)
        said, code = self.typed(lab, second, ["up", "--name", second.name], [(r"start another mesh here\?.*\[y/N\] ", "y\n")])
        self.assertEqual(code, 0, said)
        said, code = self.typed(lab, second, ["up", "--name", second.name], [])
        self.assertEqual(code, 0, said)
        self.assertNotIn("start another mesh", said)

    def test_a_host_that_no_multicast_reaches_says_so(self):
        lab = self.lab(1)
        host = lab.nodes[0]
        host.nft("add chain inet lab out { type filter hook output priority 0; }\n"
                 "add rule inet lab out ip daddr 224.0.0.0/4 drop\n"
                 "add rule inet lab out ip6 daddr ff02::fb drop\n")
        done = lab.attempt(host, "join")
        self.assertIn("cannot ask for meshes: its networks take no multicast [mesh.join.none_nearby]", done.stderr)
        host.nft("flush chain inet lab out\n")
        done = lab.attempt(host, "join")
        self.assertIn("no mesh answers on this network [mesh.join.none_nearby]", done.stderr)


if __name__ == "__main__":
    unittest.main()
