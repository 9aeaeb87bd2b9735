"""Gossip by datagram: UDP that is blocked one way, both ways or all at once, and daemons that start again."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, Watch, meshes  # noqa: E402
import netlab  # noqa: E402

PORT = 7717


class Datagrams(LabCase):
    def checks(self, lab, asked, source, target):
        """What doctor on one host says about UDP from one host to another: ok, warn or FAIL."""
        done = lab.attempt(asked, "doctor", "--json", seconds=60)
        checks = {check["check"]: check["result"] for check in json.loads(done.stdout)["checks"]}
        return checks.get(f"{source.name} -> {target.name} UDP {PORT}")

    def wait_check(self, lab, asked, source, target, result):
        meshes.wait_until(lambda: self.checks(lab, asked, source, target) == result,
                          f"doctor on {asked.name}: {source.name} -> {target.name} UDP is {result}")

    def block(self, target, sources):
        """UDP of these hosts does not get into this one; TCP does."""
        for source in sources:
            target.nft(f"add rule inet lab in ip saddr {source.addresses[0]} udp dport {PORT} drop\n"
                       f"add rule inet lab in ip6 saddr {source.addresses[1]} udp dport {PORT} drop\n")

    def counted(self, host):
        rules = netlab.sh("nsenter", f"--net=/run/netns/{host.namespace}", "nft", "list", "ruleset")
        return sum(int(line.split("packets ")[1].split()[0]) for line in rules.splitlines() if "counter" in line)

    def test_gossip_travels_by_datagram_over_a_path_of_1280_bytes(self):
        lab = self.mesh(3, h2={"mtu": 1280})
        first, second = lab.nodes[:2]
        second.nft(f"add rule inet lab in udp dport {PORT} counter accept\n")
        meshes.wait_until(lambda: self.counted(second) > 20, "gossip goes over UDP")
        for source, target in ((first, second), (second, first)):
            self.wait_check(lab, first, source, target, "ok")

    def test_doctor_says_which_direction_of_udp_is_blocked_and_nobody_dies_of_it(self):
        lab = self.mesh(3)
        first, second = lab.nodes[:2]
        with Watch(lab, lab.nodes) as watch:
            self.block(second, [first])
            self.wait_check(lab, first, first, second, "FAIL")
            self.wait_check(lab, second, first, second, "FAIL")
            self.assertEqual(self.checks(lab, first, second, first), "ok")
            self.assertEqual(self.checks(lab, second, second, first), "ok")
            self.block(first, [second])
            self.wait_check(lab, first, second, first, "FAIL")
            watch.hold(10)
            lab.heal()
            self.wait_check(lab, first, first, second, "ok")
            self.wait_check(lab, first, second, first, "ok")
        self.assertEqual(watch.slanders, [])

    def test_doctor_names_the_port_and_the_line_that_opens_it(self):
        lab = self.mesh(3)
        first, second = lab.nodes[:2]
        self.wait_check(lab, first, first, second, "ok")
        self.block(second, [first])
        done = lab.attempt(first, "doctor", second.name, seconds=60)
        rows = [line.split(None, 5) for line in done.stdout.splitlines()[1:]]
        self.assertEqual([row[:5] for row in rows[:4]], [
            [a.name, "->", b.name, protocol, str(PORT)] for protocol in ("TCP", "UDP")
            for a, b in ((first, second), (second, first))], done.stdout)
        self.assertRegex(rows[0][5], r"^ok +direct, \d+\.\d ms$")
        self.assertRegex(rows[1][5], r"^ok +direct, \d+\.\d ms$")
        self.assertEqual(rows[2][5].split(None, 1), ["FAIL", "no answer in 2 s; probes go over TCP meanwhile"])
        self.assertRegex(rows[3][5], r"^ok +\d+\.\d ms$")
        self.assertEqual(rows[4][0], "clock")
        self.assertRegex(done.stderr, rf"1 of \d+ checks failed\. On {second.name}: sudo .*7717.*\n")
        self.assertRegex(done.stderr, r"7717/udp|udp dport 7717|7717 proto udp|-p udp --dport 7717")
        self.assertEqual(done.returncode, 1)
        lab.heal()
        meshes.wait_until(lambda: lab.attempt(first, "doctor", second.name, seconds=60).returncode == 0,
                          "every check passes again")

    def test_all_udp_of_a_host_that_ends_at_once_kills_nobody(self):
        lab = self.mesh(4)
        with Watch(lab, lab.nodes) as watch:
            self.block(lab.nodes[1], [host for host in lab.nodes if host is not lab.nodes[1]])
            for host in lab.nodes:
                if host is not lab.nodes[1]:
                    self.block(host, [lab.nodes[1]])
            watch.hold(20)
        self.assertEqual(watch.slanders, [])

    def test_a_daemon_that_starts_again_is_heard_by_datagram_at_once(self):
        lab = self.mesh(3)
        first, second = lab.nodes[:2]
        for _ in range(3):
            second.kill_daemon()
            second.start_again()
            for asked, source, target in ((second, second, first), (first, first, second)):
                self.wait_check(lab, asked, source, target, "ok")
            lab.wait_alive(first, 3)


if __name__ == "__main__":
    unittest.main()
