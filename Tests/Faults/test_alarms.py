"""What somebody should look at: an invitation that two have, and a host that is there twice."""

import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
import processes  # noqa: E402


class AlarmCase(MeshCase):
    def alarms(self, node):
        events = (meshes.json.loads(line) for line in node.command("events", "--json").splitlines())
        return [event for event in events if event["event"] == "alarm"]

    def logged(self, node, words):
        with open(os.path.join(node.data, "daemon.log"), encoding="utf-8") as stream:
            return sum(words in line for line in stream)

    def failures(self, node, check):
        checks = meshes.json.loads(self.mesh.attempt(node, "doctor", "--json").stdout)["checks"]
        return [one for one in checks if one["check"] == check and one["result"] == "FAIL"]

    def new_node(self):
        node = meshes.Node(self.mesh, len(self.mesh.nodes) + 1)
        self.mesh.nodes.append(node)
        return node

    def stop_daemon(self, node):
        pid = node.daemon_pid()
        processes.signal_all([pid], signal.SIGTERM)
        self.assertFalse(processes.wait_gone([pid], 15))


class ReusedInvitation(AlarmCase):
    node_count = 2

    def join(self, node, line):
        return self.mesh.attempt(node, "join", "-", "--name", node.name, "--listen", f"127.0.0.1:{node.port}",
                                 stdin=line, seconds=60)

    def test_every_member_is_told_of_an_invitation_that_is_used_twice_by_whom_and_from_where(self):
        first, second = self.mesh.nodes
        line = first.command("invite")
        guest, thief, other = (self.new_node() for _ in range(3))
        done = self.join(guest, line)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.alarms(first), [])
        for late in (thief, other, thief):
            self.assert_refused(self.join(late, line), 125, "mesh.join.token_used")
        for node in (first, second, guest):
            meshes.wait_until(lambda node=node: self.alarms(node), f"{node.name} is alarmed")
            alarms = self.alarms(node)
            self.assertEqual(len(alarms), 1, "once a minute, however often it is tried")
            self.assertEqual(alarms[0]["node"], guest.name)
            self.assertRegex(alarms[0]["detail"], rf"^invitation [0-9a-f]{{4}} of [\w-]+ was used again: {guest.name} at "
                             rf"\S+Z came first, then {thief.name} with key [\w-]+ from 127\.0\.0\.1:\d+, which was refused$")
            self.assertEqual(self.logged(node, "was used again"), 1)
        def counted():
            lines = (meshes.json.loads(line) for line in second.command("audit", "ls", "--json").splitlines())
            return any("mesh.join.token_used" in str(line) for line in lines)
        meshes.wait_until(counted, "the refusals are in the log of what happened", seconds=90)


class CopiedHost(AlarmCase):
    node_count = 3

    def test_a_host_that_is_there_twice_is_told_from_one_that_was_started_again_or_moved(self):
        first, second, host = self.mesh.nodes
        self.stop_daemon(host)
        copy = self.new_node()
        copy.data = os.path.join(self.mesh.folder, "copy")
        shutil.copytree(host.data, copy.data, ignore=shutil.ignore_patterns("socket", "supervisors"))
        host.start_again()
        self.mesh.wait_alive(first, 3, voters=3)
        # Killed, ended, and at another address: still one host.
        host.kill_daemon()
        host.start_again()
        self.mesh.wait_alive(first, 3, voters=3)
        for node in self.mesh.nodes[:3]:
            self.assertEqual((self.alarms(node), self.failures(node, "key of n3")), ([], []))
        copy.command("up", *copy._flags)
        for node in (first, second, host, copy):
            meshes.wait_until(lambda node=node: self.alarms(node), f"an alarm at {node.name}", seconds=40)
            meshes.wait_until(lambda node=node: self.failures(node, "key of n3"), f"doctor fails on {node.name}",
                              seconds=40)
            self.assertEqual({alarm["node"] for alarm in self.alarms(node)}, {"n3"})
            self.assertRegex(self.alarms(node)[0]["detail"], "two hosts use (the|this) key")
            self.assertIn("swarmlet rotate node", self.failures(node, "key of n3")[0]["hint"])
            self.assertEqual(self.logged(node, "two hosts use"), 1, "once an hour")
        self.assertRegex(self.failures(first, "key of n3")[0]["detail"],
                         r"at 127\.0\.0\.1:\d+ and 127\.0\.0\.1:\d+; heard by n1")
        self.stop_daemon(copy)
        for node in (first, second, host):
            meshes.wait_until(lambda node=node: not self.failures(node, "key of n3"), "one was taken away", seconds=90)
        self.mesh.wait_alive(first, 3, voters=3)
        self.assertEqual(self.run_job("--no-send", "--", "true", node=host).returncode, 0)


if __name__ == "__main__":
    unittest.main()
