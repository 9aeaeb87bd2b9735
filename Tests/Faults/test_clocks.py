"""Clocks that are far off, and meshes that were switched off for long: what has an end ends, and renews itself."""

import base64
import datetime
import json
import os
import shutil
import signal
import struct
import subprocess
import unittest

import base
from base import meshes
from raft_bench import load_program

processes = meshes.processes

HOUR, DAY = 3_600, 86_400
COMPILER = shutil.which("cc") or shutil.which("clang")


@unittest.skipIf(COMPILER is None, "no C compiler on the PATH for the clock that is put off")
class ClockCase(base.MeshCase):
    """A mesh whose daemons and commands read a clock of the test's. Every host is the same machine, and has its own clock."""

    joined = False
    spare_nodes = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = os.path.join(cls.mesh.folder, "clocks")
        os.makedirs(folder)
        library = os.path.join(folder, "shifted_clock.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shifted_clock.c")
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        cls.clocks, cls.library = folder, library
        for node in cls.mesh.nodes:
            cls.set_clock(node.name, 0)
        cls.set_clock("guest", 0)
        cls.mesh.environment["LD_PRELOAD"] = library
        cls.use_clock(cls.mesh.nodes[0])
        cls.members = cls.mesh.nodes[:cls.node_count - cls.spare_nodes]
        cls.spares = cls.mesh.nodes[cls.node_count - cls.spare_nodes:]
        first = cls.members[0]
        first.found("fault")
        for node in cls.members[1:]:
            invitation = first.command("invite")
            cls.use_clock(node)
            node.join(invitation)
            cls.use_clock(first)
        cls.mesh.wait_alive(first, len(cls.members), voters=min(3, len(cls.members)))

    @classmethod
    def clock(cls, name):
        return os.path.join(cls.clocks, name)

    @classmethod
    def set_clock(cls, name, seconds):
        """Puts the clock of a host off, also while its daemon runs."""
        with open(cls.clock(name), "r+b" if os.path.exists(cls.clock(name)) else "wb") as stream:
            stream.write(struct.pack("=q", seconds))

    @classmethod
    def set_clocks(cls, seconds):
        for name in [node.name for node in cls.mesh.nodes] + ["guest"]:
            cls.set_clock(name, seconds)

    @classmethod
    def use_clock(cls, node):
        """Commands and daemons that are started from here on are on that host."""
        cls.mesh.environment["SHIFTED_CLOCK"] = cls.clock(node.name)

    def stop_hosts(self, nodes):
        pids = [node.daemon_pid() for node in nodes]
        processes.signal_all(pids, signal.SIGTERM)
        self.assertFalse(processes.wait_gone(pids, 15))

    def checks(self, node):
        document = json.loads(self.mesh.attempt(node, "doctor", "--json").stdout)
        return [check for check in document["checks"] if check["check"] == "clock"]

    def wait_time(self, node, seconds):
        """Until the time of the log, which hears of clocks that jump some seconds later, is that far ahead of ours, and the
        host is not told any more that its clock is off, as the first of several that jump."""
        def has_come():
            at = self.mesh.job(node, self.submit("--no-send", "--", "true", node=node)).document["submitted_at"]
            at = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
            return at > datetime.datetime.now().timestamp() + seconds - 5
        self.use_clock(node)
        meshes.wait_until(has_come, "the time of the mesh is that of its clocks", every=0.5)
        meshes.wait_until(lambda: all(check["result"] == "ok" for check in self.checks(node)), "its clock is right")

    def start_hosts(self, nodes):
        for node in nodes:
            self.use_clock(node)
            node.start_again()

    def run_here(self, node, *arguments, seconds=60):
        """`swarmlet run` at a host, without the clock in the environment that a job gets."""
        self.use_clock(node)
        return self.run_job(*arguments, node=node, seconds=seconds)

    def new_token(self, node):
        """A token by the clock of that host, which leads to that host before all others."""
        self.use_clock(node)
        path = os.path.join(self.folder(), f"{node.name}.token")
        made = node.command("token", "create", "--act", "run,status,logs", "--mem", "512M", "--time", "1m", "--uses", "9",
                            "--ttl", "12h")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(made)
        return path

    def guest(self, token, *arguments):
        """A command of somebody whose host has no daemon, by the clock `guest`."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder(), "SWARMLET_TOKEN_FILE": token, "CI": "true",
                       "LD_PRELOAD": self.library, "SHIFTED_CLOCK": self.clock("guest")}
        return subprocess.run([self.mesh.binary, *arguments], text=True, capture_output=True, cwd=self.folder(),
                              env=environment, timeout=60, stdin=subprocess.DEVNULL)

    def invitation(self, node, *flags):
        self.use_clock(node)
        return node.command("invite", *flags)

    def chain(self, invitation):
        """Ends of the certificates in an invitation, the one that the mesh key signed first, in seconds."""
        line = base64.urlsafe_b64decode(invitation.strip()[5:] + "==")
        ends = []
        for piece in line.split(b"v4.public.")[1:]:
            body = bytes(byte for byte in piece.split(b".")[0] if chr(byte).isalnum() or byte in b"-_")
            claims = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))[:-64]
            document = json.loads(claims)
            if document["typ"] == "swarmlet.certificate.v1":
                ends.append(datetime.datetime.fromisoformat(document["exp"].replace("Z", "+00:00")).timestamp())
        return ends

    def wait_renewed(self, node, after):
        """Until this host shows a chain that is good until after a time."""
        def is_renewed():
            done = self.mesh.attempt(node, "invite", "--ttl", "1h")
            return done.returncode == 0 and min(self.chain(done.stdout)) > after
        self.use_clock(node)
        meshes.wait_until(is_renewed, f"{node.name} has new certificates", every=0.1)


class SwitchedOff(ClockCase):
    node_count = 6
    spare_nodes = 3

    def test_a_mesh_that_was_switched_off_for_3_40_and_400_days_works_and_takes_guests_and_hosts_again(self):
        first = self.members[0]
        spares = iter(self.spares)
        for days in (3, 40, 400):
            with self.subTest(days=days):
                old_token, old_invitation = self.new_token(first), self.invitation(first, "--ttl", "2d")
                self.assertEqual(self.guest(old_token, "ps").returncode, 0)
                self.stop_hosts(self.hosts())
                # 400 days are the life of what the mesh key signs: an hour more, and it is over by any clock.
                self.set_clocks(days * DAY + HOUR)
                self.start_hosts(self.hosts())
                self.use_clock(first)
                self.mesh.wait_alive(first, len(self.hosts()), voters=3)
                done = self.run_here(first, "--", "echo", f"{days} days later")
                self.assertEqual((done.returncode, done.stdout), (0, f"{days} days later\n"), done.stderr)
                now = datetime.datetime.now().timestamp() + days * DAY
                for node in self.hosts():
                    self.wait_renewed(node, now + 7 * DAY)
                self.assert_refused(self.guest(old_token, "run", "--yes", "--", "true"), 125, "token.expired")
                for node in self.hosts():
                    done = self.guest(self.new_token(node), "run", "--yes", "--", "echo", "a guest")
                    self.assertEqual((done.returncode, done.stdout), (0, "a guest\n"), done.stderr)
                spare = next(spares)
                self.use_clock(spare)
                refused = self.mesh.attempt(spare, "join", "-", "--name", spare.name, *spare._flags, stdin=old_invitation)
                self.assert_refused(refused, 125, "mesh.join.token_expired")
                invitation = self.invitation(first)
                self.use_clock(spare)
                spare.join(invitation)
                self.members.append(spare)
                self.mesh.wait_alive(spare, len(self.hosts()), voters=3)

    def hosts(self):
        return self.members


class Running(ClockCase):
    node_count = 4
    spare_nodes = 1

    def assert_warned(self, node, what):
        """`members` and `doctor` of that host say of its certificate and of the other's when it ends, and the way out."""
        others = [other.name for other in self.members[1:]]

        def is_said():
            said = self.mesh.attempt(node, "members").stderr
            return all(f"certificate of {name} {what}" in said for name in others)
        # What others say of theirs comes by gossip.
        meshes.wait_until(is_said, f"members of {node.name} warn: {what}", every=0.2)
        ending = self.mesh.attempt(node, "members", "--json").stdout
        ending = next(one for one in json.loads(ending)["endings"] if one["what"] == f"certificate of {node.name}")
        self.assertIn("swarmlet key import", ending["hint"])
        self.assertIn(f"certificate of {node.name}", self.mesh.attempt(node, "doctor").stdout)

    def test_certificates_renew_themselves_in_a_mesh_that_runs_and_who_cannot_is_refused_by_outsiders_and_says_so(self):
        first, second, third = self.members
        token = self.new_token(second)
        before = self.chain(self.invitation(second))
        self.assertEqual(len(before), 2, "the mesh key, the first host, the second")
        real = datetime.datetime.now().timestamp()
        # Eleven days later a third of the life of 30 days is over.
        self.set_clocks(11 * DAY)
        self.wait_renewed(second, real + 40 * DAY)
        after = self.chain(self.invitation(second))
        self.assertGreater(after[1], before[1] + 10 * DAY)
        self.assertEqual(after[0], before[0], "the one of the mesh key is good for long yet")
        # While the host with the mesh key is away nobody else can renew anything; the members do without.
        self.stop_hosts([first])
        self.use_clock(second)
        self.assertNotIn("certificate", self.mesh.attempt(second, "members").stderr)
        self.assertIn("it renews itself", self.mesh.attempt(second, "doctor").stdout)
        self.set_clocks(35 * DAY)
        self.assert_warned(second, "ends in 5d")
        self.set_clocks(51 * DAY)
        self.mesh.wait_alive(second, 2)
        self.assert_warned(second, "ended 10d")
        self.wait_time(second, 51 * DAY)
        token = self.new_token(second)
        refused = self.guest(token, "run", "--yes", "--", "true")
        self.assert_refused(refused, 125, "mesh.certificate.expired")
        self.assertRegex(refused.stderr, r"the certificate of n[23] ended at ")
        self.assert_refused(self.mesh.attempt(second, "invite"), 125, "mesh.certificate.expired")
        done = self.run_here(second, "--", "echo", "of a member")
        self.assertEqual((done.returncode, done.stdout), (0, "of a member\n"), done.stderr)
        # Back again, it renews the others within seconds.
        self.start_hosts([first])
        self.wait_renewed(second, real + 70 * DAY)
        self.assertNotIn(f"certificate of {second.name}", self.mesh.attempt(second, "members").stderr)
        done = self.guest(token, "run", "--yes", "--", "echo", "a guest")
        self.assertEqual((done.returncode, done.stdout), (0, "a guest\n"), done.stderr)

        # The clock of the guest: far behind it does no harm, far ahead he is told to look at it.
        self.set_clock("guest", -4_000 * DAY)
        self.assertEqual(self.guest(token, "ps").returncode, 0)
        self.set_clock("guest", 500 * DAY)
        refused = self.guest(token, "ps")
        self.assert_refused(refused, 125, "mesh.certificate.expired")
        self.assertIn("date -u", refused.stderr)

        # A host that joins with its clock far behind is told so, and is no member afterwards.
        spare = self.spares[0]
        invitation = self.invitation(second)
        self.set_clock(spare.name, -3_000 * DAY)
        self.use_clock(spare)
        refused = self.mesh.attempt(spare, "join", "-", "--name", spare.name, *spare._flags, stdin=invitation)
        self.assert_refused(refused, 125, "mesh.certificate.not_yet")
        self.assertIn("date -u", refused.stderr)
        self.use_clock(second)
        self.assertNotIn(spare.name, [member["name"] for member in self.mesh.members(second)])
        self.set_clock(spare.name, 51 * DAY)
        self.use_clock(spare)
        spare.join(invitation)
        self.use_clock(second)
        self.mesh.wait_alive(second, 4)


class Issuers(ClockCase):
    node_count = 1

    def test_an_issuer_that_is_used_stays_one_that_is_not_ends_after_30_days_and_is_warned_of_7_days_before(self):
        load = load_program()
        seed, key = subprocess.run([load, "key"], capture_output=True, text=True, check=True).stdout.split()
        model = self.new_token(self.node)
        self.node.command("token", "issuer", "add", key, "ci")

        def offline_token():
            """Made with the key of the issuer, by the clock of the mesh and without the mesh."""
            path = os.path.join(self.folder(), "offline.token")
            made = subprocess.run([load, "mint", seed, model, "1"], capture_output=True, text=True, check=True,
                                  env=self.mesh.environment)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(made.stdout)
            return path

        def used():
            return self.guest(offline_token(), "run", "--yes", "--", "true")

        def later(days):
            self.stop_hosts([self.node])
            self.set_clocks(days * DAY)
            self.start_hosts([self.node])
            self.mesh.wait_alive(self.node, 1)

        def state():
            return self.node.command_json("token", "issuer", "ls")["issuers"][0]["ends"]

        def warning():
            return self.mesh.attempt(self.node, "members").stderr

        added = state()
        self.assertEqual(used().returncode, 0)
        self.assertEqual(state(), added, "it has nearly all of its time")
        later(12)
        last = offline_token()
        done = self.guest(last, "run", "--yes", "--", "echo", "day 12")
        self.assertEqual((done.returncode, done.stdout), (0, "day 12\n"), done.stderr)
        self.assertGreater(state(), added)
        later(34)
        self.assertNotIn("issuer", warning())
        later(36)
        self.assertRegex(warning(), r"issuer ci ends in 5d[0-9]+h: .* swarmlet token issuer add KEY ci")
        self.assertIn("issuer ci", self.mesh.attempt(self.node, "doctor").stdout)
        later(43)
        self.assert_refused(used(), 125, "token.issuer_expired")
        self.assertRegex(warning(), r"issuer ci ended [0-9hm]+d?[0-9hms]* ago")
        self.node.command("token", "issuer", "add", key, "ci")
        self.assertEqual(used().returncode, 0)
        self.assertNotIn("issuer", warning())


class OneWrongClock(ClockCase):
    node_count = 3

    def wait_clock(self, node, result):
        self.use_clock(node)
        meshes.wait_until(lambda: [check["result"] for check in self.checks(node)] == [result],
                          f"the clock of {node.name} is {result}", seconds=60)

    def test_a_host_whose_clock_is_wrong_issues_and_verifies_nothing_and_says_so_until_it_is_right_again(self):
        wrong, others = self.members[1], [self.members[0], self.members[2]]
        for node in self.members:
            self.wait_clock(node, "ok")
        token = self.new_token(wrong)
        self.assertEqual(self.guest(token, "ps").returncode, 0)
        for seconds, words in ((-HOUR, "behind"), (HOUR, "ahead of")):
            with self.subTest(seconds=seconds):
                self.set_clock(wrong.name, seconds)
                self.use_clock(wrong)
                # At once, by what it was told of the clock before.
                for words_typed in (("token", "create"), ("invite",)):
                    refused = self.mesh.attempt(wrong, *words_typed)
                    self.assert_refused(refused, 125, "node.clock_off")
                    self.assertRegex(refused.stderr, rf"the clock of {wrong.name} is 3[56]\d\d s {words} the mesh")
                # A guest goes to another host, where his token names one.
                done = self.guest(token, "ps")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stderr, "does not answer; going on through ")
                self.wait_clock(wrong, "FAIL")
                self.assertIn("issues and verifies no tokens", json.dumps(self.mesh.attempt(wrong, "up", "--json").stdout))
                # It runs jobs as before, and those whose clock is right take guests.
                done = self.run_here(wrong, "--", "echo", "works")
                self.assertEqual((done.returncode, done.stdout), (0, "works\n"), done.stderr)
                for node in others:
                    self.wait_clock(node, "ok")
                    self.assertEqual(self.guest(self.new_token(node), "ps").returncode, 0)
                self.set_clock(wrong.name, 0)
                self.wait_clock(wrong, "ok")
                self.assertEqual(self.guest(self.new_token(wrong), "ps").returncode, 0)
                self.assertEqual(self.guest(token, "ps").returncode, 0)


class GuestList(ClockCase):
    node_count = 1

    def test_what_a_guest_sees_of_his_jobs_ends_with_their_log_and_files(self):
        token = self.new_token(self.node)
        done = self.guest(token, "run", "--yes", "--", "echo", "kept")
        self.assertEqual((done.returncode, done.stdout), (0, "kept\n"), done.stderr)
        listed = json.loads(self.guest(token, "ps", "--json").stdout)["jobs"]
        job = str(listed[0]["id"])
        # Nothing can be started for an hour, and the job is its holder's for half a day yet.
        self.set_clocks(13 * HOUR)
        self.wait_time(self.node, 13 * HOUR)
        self.assert_refused(self.guest(token, "run", "--yes", "--", "true"), 125, "token.expired")
        self.assertEqual(json.loads(self.guest(token, "ps", "--json").stdout)["jobs"], listed)
        for word in (("logs", job), ("inspect", job), ("wait", job)):
            self.assertEqual(self.guest(token, *word).returncode, 0, word)
        self.set_clocks(25 * HOUR)
        self.wait_time(self.node, 25 * HOUR)
        for word in (("ps",), ("logs", job), ("inspect", job), ("wait", job)):
            self.assert_refused(self.guest(token, *word), 125, "token.expired")
        self.assertEqual(self.guest(self.new_token(self.node), "ps").returncode, 0, "one that is good lists nothing")


if __name__ == "__main__":
    unittest.main()
