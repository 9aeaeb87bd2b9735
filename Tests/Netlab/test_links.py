"""Links that are cut in one or both directions, lose packets, are slow, narrow, translated or of one family only."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, Watch, long_test, meshes  # noqa: E402

# Longer than every timeout of gossip, sessions and Raft; shorter than a dead voter waits to be replaced.
PARTED_SECONDS = 40
LOSS_PERCENT = 25


class Links(LabCase):
    def test_one_deaf_direction_between_two_hosts_kills_nobody_whom_others_can_reach(self):
        lab = self.mesh(4)
        deaf, unheard = lab.nodes[1], lab.nodes[2]
        with Watch(lab, lab.nodes) as watch:
            deaf.deaf_to([unheard])
            watch.hold(30)
            lab.heal()
        self.assertEqual(watch.slanders, [])
        self.assertGreater(watch.asked, 40)

    def test_halves_that_were_parted_longer_than_any_timeout_become_one_mesh_again(self):
        lab = self.mesh(6)
        left, right = lab.nodes[:3], lab.nodes[3:]
        lab.split(left, right)
        for watcher, lost in [(left[0], right[0]), (right[0], left[0])]:
            self.wait_seen(lab, [watcher], lost, ("dead",), 60)
        with Watch(lab, [], ()) as watch:
            watch.hold(PARTED_SECONDS)
        lab.heal()
        for host in lab.nodes:
            lab.wait_alive(host, 6, seconds=90, voters=3)
        for host in (left[1], right[1]):
            self.assert_runs(lab, host)

    def lossy(self, seconds):
        lab = self.mesh(5)
        for host in lab.nodes:
            host.loses(LOSS_PERCENT)
        with Watch(lab, lab.nodes) as watch:
            watch.hold(seconds)
        self.assertEqual(watch.slanders, [])
        self.assertGreater(watch.asked, seconds)

    @long_test
    def test_a_quarter_of_all_packets_lost_for_a_minute_kills_nobody(self):
        self.lossy(60)

    @long_test
    def test_a_quarter_of_all_packets_lost_for_five_minutes_kills_nobody(self):
        self.lossy(300)

    def test_a_host_a_fifth_of_a_second_away_is_a_member_like_any_other(self):
        lab = self.mesh(3, h3={"delay": 0.1})
        far = lab.nodes[2]
        with Watch(lab, lab.nodes) as watch:
            watch.hold(20)
        self.assertEqual(watch.slanders, [])
        self.assert_runs(lab, far)

    def test_a_host_behind_a_router_that_translates_addresses_takes_part(self):
        lab = self.mesh(3, h3={"translated": True, "gpu": True})
        inner = lab.nodes[2]
        with Watch(lab, lab.nodes) as watch:
            watch.hold(20)
        self.assertEqual(watch.slanders, [])
        self.assert_runs(lab, inner)
        self.assert_runs(lab, lab.nodes[0], "--gpus", "1", "--", "echo", "from inside", says="from inside\n")

    def test_two_hosts_behind_routers_reach_each_other_through_a_third(self):
        lab = self.mesh(3, h2={"translated": True, "gpu": True}, h3={"translated": True, "gpu": True})
        middle, left, right = lab.nodes
        for asked, other in ((left, right), (right, left)):
            meshes.wait_until(
                lambda: f"relayed by {middle.name}, TCP session" in lab.attempt(asked, "ping", "-c", "1", other.name).stdout,
                f"{asked.name} reaches {other.name} through {middle.name}")
        self.assertIn("direct, TCP session", lab.command(left, "ping", "-c", "1", middle.name))
        with Watch(lab, lab.nodes) as watch:
            watch.hold(10)
        self.assertEqual(watch.slanders, [])
        path = os.path.join(lab.folder, "work")
        os.makedirs(path)
        content = os.urandom(4 << 20)
        with open(os.path.join(path, "data"), "wb") as stream:
            stream.write(content)
        for asked, other in ((left, right), (right, left)):
            lab.command(middle, "node", "cordon", asked.name)
            done = lab.attempt(asked, "run", "--gpus", "1", "--out", f"copy-{asked.name}", "--", "sh", "-c",
                               f"cp data copy-{asked.name}; echo $SWARMLET_NODE", cwd=path, seconds=90)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.split(), [other.name], done.stderr)
            with open(os.path.join(path, f"copy-{asked.name}"), "rb") as stream:
                self.assertEqual(stream.read(), content)
            lab.command(middle, "node", "uncordon", asked.name)
        checks = json.loads(lab.attempt(middle, "doctor", "--json", seconds=60).stdout)["checks"]
        carried = [check["detail"] for check in checks if check["check"] == f"relay {left.name} - {right.name}"]
        self.assertRegex(" ".join(carried), r"MiB carried, \d+ sessions now")
        done = lab.attempt(left, "doctor", right.name, seconds=60)
        self.assertRegex(done.stdout, rf"{left.name} -> {right.name} TCP 7717 +warn +relayed by {middle.name}, ")

    def test_when_a_relay_dies_another_takes_its_place(self):
        lab = self.mesh(4, h3={"translated": True}, h4={"translated": True})
        left, right = lab.nodes[2:]

        def relay():
            said = lab.attempt(left, "ping", "-c", "1", right.name).stdout
            return next((host for host in lab.nodes[:2] if f"relayed by {host.name}," in said), None)

        first = meshes.wait_until(relay, f"{left.name} reaches {right.name} through another host")
        first.kill_host()
        meshes.wait_until(lambda: relay() not in (None, first), "the other relays", 60)
        self.wait_seen(lab, [left, right], first, ("dead",), 60)
        self.assertEqual(lab.states(left)[right.name], "alive")

    def test_a_mesh_of_hosts_with_no_other_family_than_six(self):
        only6 = {"only6": True}
        lab = self.mesh(3, h1=only6, h2=only6, h3=only6)
        self.assert_runs(lab, lab.nodes[2])

    def test_packets_of_1280_bytes_are_enough(self):
        narrow = {"mtu": 1280}
        lab = self.mesh(3, h1=narrow, h2=narrow, h3={**narrow, "gpu": True})
        with Watch(lab, lab.nodes) as watch:
            watch.hold(10)
        self.assertEqual(watch.slanders, [])
        path = os.path.join(lab.folder, "work")
        os.makedirs(path)
        with open(os.path.join(path, "data"), "wb") as stream:
            stream.write(os.urandom(4 << 20))
        done = lab.attempt(lab.nodes[0], "run", "--gpus", "1", "--", "wc", "-c", "data", cwd=path, seconds=60)
        self.assertEqual((done.returncode, done.stdout.split()[:1]), (0, [str(4 << 20)]), done.stderr)


if __name__ == "__main__":
    unittest.main()
