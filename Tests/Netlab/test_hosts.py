"""Hosts that come, go, die, sleep and start again, each with an address of its own."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, long_test, meshes  # noqa: E402
import processes  # noqa: E402

FREEZE_SECONDS = 30


class Hosts(LabCase):
    def test_hosts_join_leave_and_die_and_everybody_knows(self):
        lab = self.mesh(5)
        first, leaving, dying = lab.nodes[0], lab.nodes[3], lab.nodes[4]
        leaving.command("leave")
        rest = [host for host in lab.nodes if host is not leaving]
        self.wait_seen(lab, rest, leaving, (None, "left"), 30)
        dying.kill_host()
        rest.remove(dying)
        self.wait_seen(lab, rest, dying, ("dead",), 30)
        dying.start_again()
        self.wait_seen(lab, rest, dying, ("alive",), 30)
        self.assert_runs(lab, first)

    def test_a_host_that_stood_still_for_half_a_minute_returns_to_its_place(self):
        lab = self.mesh(3)
        sleeper = lab.nodes[2]
        watchers = lab.nodes[:2]
        sleeper.freeze()
        try:
            self.wait_seen(lab, watchers, sleeper, ("dead",), FREEZE_SECONDS)
        finally:
            sleeper.thaw()
        self.wait_seen(lab, watchers, sleeper, ("alive",), 60)
        lab.wait_alive(sleeper, 3, seconds=60)

    def test_a_host_that_moves_to_another_address_stays_who_it_is(self):
        lab = self.mesh(3, h3={"gpu": True})
        first, _, mover = lab.nodes

        def seen():
            return next(member for member in lab.members(first) if member["name"] == mover.name)

        before = seen()["id"]
        mover.ip("address", "flush", "dev", "eth0", "scope", "global")
        mover.ip("address", "add", "10.77.0.33/24", "dev", "eth0")
        meshes.wait_until(lambda: seen()["address"] == "10.77.0.33:7717" and seen()["state"] == "alive",
                          f"{first.name} sees {mover.name} at its new address", 60)
        self.assertEqual(seen()["id"], before)
        self.assert_runs(lab, first, "--gpus", "1", "--", "echo", "moved", says="moved\n")
        self.assertIn("10.77.0.33", lab.command(first, "ping", "-c", "1", mover.name))

    def test_a_host_whose_way_into_the_mesh_is_gone_finds_it_by_what_it_kept(self):
        lab = self.mesh(4)
        seed, mover, steady, sleeper = lab.nodes
        seed.kill_host()
        self.wait_seen(lab, [mover, steady, sleeper], seed, ("dead",), 30)
        daemon, log = sleeper.daemon_pid(), os.path.join(sleeper.data, "daemon.log")
        processes.signal_all([daemon], signal.SIGTERM)
        self.assertFalse(processes.wait_gone([daemon], 10))
        self.assertTrue(os.path.exists(os.path.join(sleeper.data, "gossip")), "what it knew of the others is not kept")
        self.wait_seen(lab, [mover, steady], sleeper, ("dead", "left"), 30)
        with open(os.path.join(steady.data, "daemon.log"), encoding="utf-8", errors="replace") as stream:
            self.assertIn(f" {sleeper.name} is left\n", stream.read(), "a daemon that is stopped says goodbye")
        said = os.path.getsize(log)
        # Of three addresses that it kept, one still leads to somebody.
        mover.ip("address", "flush", "dev", "eth0", "scope", "global")
        mover.ip("address", "add", "10.77.0.44/24", "dev", "eth0")
        self.wait_seen(lab, [steady], mover, ("alive",), 60)

        def news():
            with open(log, encoding="utf-8", errors="replace") as stream:
                stream.seek(said)
                return stream.read()

        # Nobody can tell it of the death, and it has nothing to find out: it has kept that, too.
        sleeper.nft("add rule inet lab in iifname eth0 drop\n")
        sleeper.start_again()
        meshes.wait_until(lambda: f" {seed.name} is dead\n" in news(), f"{sleeper.name} knows that {seed.name} is dead")
        self.assertNotIn(f" {seed.name} is suspect", news())
        lab.heal()
        for other in (mover, steady):
            self.wait_seen(lab, [sleeper], other, ("alive",), 60)
            self.wait_seen(lab, [other], sleeper, ("alive",), 60)
        self.assert_runs(lab, sleeper)

    def test_a_mesh_whose_hosts_all_lost_power_at_once_is_whole_again_when_they_start(self):
        lab = self.mesh(5)
        job = int(lab.command(lab.nodes[1], "run", "-d", "--no-send", "--", "true").split()[0])
        self.assertEqual(lab.attempt(lab.nodes[1], "wait", str(job), seconds=60).returncode, 0)
        for host in lab.nodes:
            host.kill_host()
        for host in lab.nodes:
            host.start_again()
        for host in lab.nodes:
            lab.wait_alive(host, 5, seconds=60, voters=3)
        self.assertEqual(lab.job(lab.nodes[4], job).state, "succeeded")

    @long_test
    def test_thirteen_hosts_of_which_three_die_at_once_and_all_lose_power_later(self):
        lab = self.mesh(13)
        dying, rest = lab.nodes[10:], lab.nodes[:10]
        for host in dying:
            host.kill_host()
        for host in dying:
            self.wait_seen(lab, rest, host, ("dead",), 30)
        for host in dying:
            host.start_again()
        for host in lab.nodes:
            lab.wait_alive(host, 13, seconds=60)
        for host in lab.nodes:
            host.kill_host()
        for host in lab.nodes:
            host.start_again()
        for host in lab.nodes:
            lab.wait_alive(host, 13, seconds=120)
        self.assert_runs(lab, lab.nodes[12])


if __name__ == "__main__":
    unittest.main()
