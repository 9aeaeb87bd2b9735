"""Members in an operator's hands: stolen, dead and inactive hosts, clients, round trips, events, links."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import meshes  # noqa: E402
from test_voters import VoterCase  # noqa: E402


class MemberCase(VoterCase):
    def names(self, asked):
        return sorted(member["name"] for member in self.mesh.members(asked))

    def wake(self, node):
        self.mesh.attempt(node, "up", "--listen", f"127.0.0.1:{node.port}")

    def join(self, number, *flags, name=None):
        node = meshes.Node(self.mesh, number)
        self.mesh.nodes.append(node)
        done = self.mesh.attempt(node, "join", "-", "--name", name or node.name, "--listen", f"127.0.0.1:{node.port}",
                                 *flags, stdin=self.node.command("invite"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return node, done


class Revoked(MemberCase):
    node_count = 4

    def test_a_stolen_host_is_cut_off_its_jobs_go_on_elsewhere_and_no_daemon_lets_it_in_again(self):
        leader = self.leader(self.node)
        stolen = self.other(leader)
        asked = next(node for node in self.mesh.nodes if node not in (stolen, leader))
        jobs = [self.submit("--no-send", "--", "sleep", "600", node=asked) for _ in range(6)]
        hosts = {job: self.mesh.wait_running(asked, job) for job in jobs}
        there = [job for job, host in hosts.items() if host == stolen.name]
        refuse = self.assert_refused
        refuse(self.mesh.attempt(asked, "node", "revoke", stolen.name), 125, "usage.needs_answer")
        refuse(self.mesh.attempt(asked, "node", "revoke", asked.name, "--yes"), 125, "node.revoke.self")
        refuse(self.mesh.attempt(asked, "node", "revoke", "n9", "--yes"), 3, "node.not_found")
        asked.command("node", "revoke", stolen.name, "--yes")
        meshes.wait_until(lambda: stolen.name not in self.names(asked), "it is removed")
        for job in there:
            meshes.wait_until(lambda job=job: self.mesh.job(asked, job).running_on not in (None, stolen.name),
                              f"job {job} runs elsewhere")
        meshes.wait_until(lambda: "[mesh.revoked]" in self.mesh.attempt(stolen, "ps").stderr, "it is told so")
        meshes.wait_until(lambda: len(self.voters(asked)) == 3, "another one votes")
        invitation = asked.command("invite")
        # With all its data, but somewhere else: as a thief would try who has the disk only.
        copied = meshes.Node(self.mesh, 8)
        shutil.copytree(os.path.join(stolen.data, "keys"), os.path.join(copied.data, "keys"))
        os.chmod(copied.data, 0o711)
        self.mesh.nodes.append(copied)
        for target in [node for node in self.mesh.nodes if node not in (stolen, copied)]:
            done = self.mesh.attempt(copied, "join", "-", "--name", "thief", "--listen", f"127.0.0.1:{copied.port}",
                                     stdin=target.command("invite"))
            refuse(done, 125, "mesh.join.revoked")
            self.assertNotIn("thief", self.names(target))
        stolen.kill_daemon()
        self.wake(stolen)
        meshes.wait_until(lambda: self.mesh.attempt(stolen, "ps").returncode != 0, "it knows nothing new")
        self.assertNotIn(stolen.name, self.names(asked))
        self.assertEqual(self.mesh.attempt(asked, "members").returncode, 0)
        self.mesh.attempt(stolen, "leave", "--forget", "--yes", seconds=60)
        done = self.mesh.attempt(stolen, "join", "-", "--name", stolen.name, "--listen", f"127.0.0.1:{stolen.port}",
                                 stdin=invitation)
        self.assertEqual(done.returncode, 0, done.stderr)


class Inactive(MemberCase):
    node_count = 3

    def test_a_dead_host_is_removed_by_hand_or_by_itself_and_told_so_when_it_is_back(self):
        first, second, third = self.mesh.nodes
        fourth, _ = self.join(4)
        fifth, _ = self.join(5)
        self.assert_refused(self.mesh.attempt(first, "node", "remove", "n4"), 125, "node.remove.alive")
        bad = self.mesh.attempt(first, "config", "set", "members.remove-inactive-after", "soon")
        self.assert_refused(bad, 2)
        asked = self.leader(first)
        for node in (fourth, fifth):
            node.kill_host()
        meshes.wait_until(lambda: sum(member["state"] == "dead" for member in self.mesh.members(asked)) == 2,
                          "both are dead", seconds=40)
        meshes.wait_until(lambda: self.mesh.attempt(asked, "node", "remove", "n4").returncode == 0, "n4 is removed")
        self.assertNotIn("n4", self.names(asked))
        asked.command("config", "set", "members.remove-inactive-after", "10s")
        meshes.wait_until(lambda: "n5" not in self.names(asked), "n5 is removed", seconds=40)
        self.wake(fourth)
        meshes.wait_until(lambda: "[mesh.removed]" in self.mesh.attempt(fourth, "ps").stderr, "n4 is told so")
        self.assertEqual(self.names(asked), ["n1", "n2", "n3"])


class Looking(MemberCase):
    node_count = 3

    def test_ping_measures_the_session_and_says_what_is_wrong(self):
        done = self.mesh.attempt(self.node, "ping", "n2", "-c", "3", "-i", "10ms")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertRegex(done.stdout.splitlines()[0], r"^n2 \(\S{8}\) \S+: \d+\.\d ms, direct, TCP session$")
        view = self.node.command_json("ping", "n3", "-c", "2", "-i", "10ms")
        self.assertEqual((view["sent"], view["answered"]), (2, 2))
        self.assert_refused(self.mesh.attempt(self.node, "ping", "n9"), 3, "node.not_found")
        self.assert_refused(self.mesh.attempt(self.node, "ping", "n1"), 125, "node.is_this")
        self.assert_refused(self.mesh.attempt(self.node, "ping", "n2", "-c", "0"), 2, "usage.bad_value")

    def test_doctor_of_a_member_looks_in_both_directions(self):
        done = self.mesh.attempt(self.node, "doctor", "n2", "--json")
        checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
        first, second = self.mesh.nodes[0], self.mesh.nodes[1]
        self.assertEqual(checks[f"n1 -> n2 TCP {second.port}"]["result"], "ok")
        self.assertEqual(checks[f"n2 -> n1 TCP {first.port}"]["result"], "ok")
        self.assertRegex(checks["clock"]["detail"], r"^n2 is 0\.\d\d s (ahead|behind)$")
        self.assertIn("sandbox", checks)
        self.assertIn("event loop", checks)
        self.assert_refused(self.mesh.attempt(self.node, "doctor", "n9"), 3, "node.not_found")
        self.assert_refused(self.mesh.attempt(self.node, "doctor", "n1"), 125, "node.is_this")

    def test_events_and_members_can_be_watched(self):
        asked = self.leader(self.node)
        lost = self.other(asked)
        watching = [subprocess.Popen([self.mesh.binary, *self.mesh.arguments(asked, words)], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True, env=self.mesh.environment)
                    for words in (["events", "-f", "--json"], ["members", "--watch", "--json"])]
        try:
            lost.kill_host()
            seen = set()
            for line in watching[0].stdout:
                event = json.loads(line)
                if event["node"] == lost.name:
                    seen.add(event["event"])
                if event["event"] == "dead":
                    break
            self.assertTrue({"suspect", "dead"} <= seen, seen)
            for line in watching[1].stdout:
                states = {member["name"]: member["state"] for member in json.loads(line)["members"]}
                if states[lost.name] == "dead":
                    break
        finally:
            for process in watching:
                process.terminate()
                process.wait(10)
                process.stdout.close()
        table = asked.command("events").splitlines()
        self.assertEqual(table[0].split(), ["TIME", "NODE", "EVENT", "DETAIL"])
        self.assertTrue(any(lost.name in line and "dead" in line for line in table))
        done = self.mesh.attempt(asked, "doctor", lost.name)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"On {lost.name}: ")
        lost.start_again()
        self.mesh.wait_alive(asked, 3)

    def test_a_daemon_that_stops_says_goodbye_and_what_hosts_say_of_themselves_is_known(self):
        asked = self.leader(self.node)
        gone = self.other(asked)

        def events():
            lines = asked.command("events", "--json").splitlines()
            return [event for event in map(json.loads, lines) if event["node"] == gone.name]

        def told():
            return [event for event in events() if event["event"] == "facts" and ", swarmlet " in event["detail"]]

        meshes.wait_until(told, f"{gone.name} has said what it is")
        member = next(each for each in self.mesh.members(asked) if each["name"] == gone.name)
        self.assertGreaterEqual(member["load"], 0)
        before = len(events())
        pid = gone.daemon_pid()
        meshes.processes.signal_all([pid], signal.SIGTERM)
        began = time.monotonic()
        meshes.wait_until(lambda: any(event["event"] == "left" for event in events()[before:]), "it has left")
        self.assertLess(time.monotonic() - began, 2)
        self.assertFalse(meshes.processes.wait_gone([pid], 10))
        self.assertEqual([event["event"] for event in events()[before:]], ["left"])
        self.assertTrue(os.path.getsize(os.path.join(gone.data, "gossip")) > 100)
        gone.start_again()
        self.mesh.wait_alive(asked, 3)


class OnlyVoter(MemberCase):
    node_count = 1

    def test_a_voter_whose_seat_nobody_can_take_is_not_revoked_and_keeps_it(self):
        self.node.command("config", "set", "autopilot.stable-after", "1h")
        newcomer, _ = self.join(2)
        self.assert_refused(self.mesh.attempt(newcomer, "node", "revoke", "n1", "--yes", seconds=60), 125,
                            "node.revoke.no_majority")
        self.assertEqual(self.voters(newcomer), ["n1"])
        self.assertEqual(self.names(newcomer), ["n1", "n2"])
        newcomer.command("config", "set", "user.y", "1")

    def test_a_worker_administers_itself_and_is_told_where_the_rest_is_done(self):
        worker, _ = self.join(4, "--role", "worker")
        for words in (("node", "revoke", "n1", "--yes"), ("node", "drain", "n1"), ("node", "labels", "n1", "rack=a"),
                      ("config", "set", "autopilot.voters", "1"), ("token", "revoke", "--all")):
            refused = self.mesh.attempt(worker, *words)
            self.assert_refused(refused, 4, "auth.denied")
            self.assertIn("n4 joined as a worker", refused.stderr)
            self.assertIn("do it on n1", refused.stderr)
        self.assertEqual(self.voters(worker), ["n1"])
        with open(os.path.join(self.node.data, "daemon.log"), encoding="utf-8") as log:
            self.assertIn("took no word of n4", log.read())
        worker.command("node", "drain", "n4")
        worker.command("config", "set", "user.y", "1")


class Roles(MemberCase):
    node_count = 2

    def test_a_client_submits_and_never_votes_nor_runs_anything_and_a_clash_of_names_is_said(self):
        laptop, _ = self.join(7, "--role", "client")
        jobs = [self.submit("--", "uname", node=laptop) for _ in range(4)]
        for job in jobs:
            self.assertEqual(self.mesh.attempt(laptop, "wait", str(job)).returncode, 0)
            self.assertNotEqual(self.mesh.job(laptop, job).newest_attempt["node"], laptop.name)
        self.assertEqual(self.seats(self.node)[laptop.name], "learner")
        self.assertEqual(len(self.voters(self.node)), 1)
        roles = {member["name"]: member["role"] for member in self.mesh.members(self.node)}
        self.assertEqual(roles[laptop.name], "client")
        self.assert_refused(self.mesh.attempt(laptop, "invite"), 125, "mesh.join.no_admission")
        twin, done = self.join(8, name="n2")
        self.assertIn("n2-2", done.stderr)
        self.assertIn("n2 is taken in this mesh", done.stderr)
        self.assertIn("n2-2", self.names(self.node))
        self.join(6)
        meshes.wait_until(lambda: len(self.voters(self.node)) == 3, "three vote")
        self.assertNotIn(laptop.name, self.voters(self.node))
        twin.command("leave")


if __name__ == "__main__":
    unittest.main()
