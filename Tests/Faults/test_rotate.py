"""Other keys in the place of those that there are, while jobs run and daemons die."""

import base64
import json
import os
import shutil
import subprocess
import time

from base import MeshCase, meshes
from raft_bench import load_program
from test_guests import GuestCase



class RotateCase(MeshCase):
    """What is asked of hosts whose keys are rotated."""

    def ids(self, seen_from=None):
        return {member["name"]: member["id"] for member in self.mesh.members(seen_from or self.node)}

    def rotate(self, node):
        return json.loads(self.mesh.command(node, "rotate", "node", "--json"))

    def keys(self, node):
        return os.path.join(node.data, "keys")

    def wait_over(self, node):
        """Until the node has only one key, and every member knows that one."""
        meshes.wait_until(lambda: not os.path.exists(os.path.join(self.keys(node), "other")),
                          "the old key is deleted once all have used the new one", 60)
        self.assertEqual(len({self.ids(host)[node.name] for host in self.mesh.nodes}), 1)


class RotateNode(RotateCase):
    node_count = 3

    def test_a_host_gets_another_key_and_its_job_notices_nothing(self):
        host, other = self.mesh.nodes[1], self.mesh.nodes[2]
        before, process = self.ids(), host.daemon_pid()
        copy = os.path.join(self.folder(), "old-keys")
        shutil.copytree(self.keys(host), copy)
        runs = [self.counting(asked) for asked in (host, other, self.node)]
        view = self.rotate(host)
        self.assertEqual((view["name"], view["old_key_id"][7:15]), (host.name, before[host.name]))
        self.assertEqual(host.daemon_pid(), process)
        after = self.ids()
        self.assertEqual(after[host.name], view["key_id"][7:15])
        self.assertNotEqual(after[host.name], before[host.name])
        self.assertEqual({**after, host.name: ""}, {**before, host.name: ""}, "the others are who they were")
        self.wait_over(host)
        for run, gate in runs:
            self.assert_counted(run, gate)
        # A second time at once: the mesh says when.
        self.assert_refused(self.mesh.attempt(host, "rotate", "node"), 125, "rotate.just_now")
        # What is in the log, and what the host says of itself.
        events = json.loads(self.mesh.command(self.node, "audit", "ls", "--json"))["events"]
        rotated = [event for event in events if event["act"] == "key.rotated"]
        self.assertEqual([event["node"] for event in rotated], [host.name])
        # Whoever has the old key is nobody any more.
        self.assert_old_key_is_refused(copy, host)
        # And with the new one it admits others.
        newcomer = meshes.Node(self.mesh, 5)
        self.mesh.nodes.append(newcomer)
        newcomer.join(host.command("invite"))
        self.mesh.wait_alive(self.node, 4, voters=3)

    def assert_old_key_is_refused(self, keys, host):
        thief = meshes.Node(self.mesh, 4)
        os.makedirs(thief.data, mode=0o700)
        shutil.copytree(keys, self.keys(thief))
        os.chmod(self.keys(thief), 0o700)
        done = self.mesh.attempt(thief, "join", "-", "--name", "thief", *thief._flags,
                                 stdin=self.node.command("invite"))
        self.mesh.nodes.append(thief)
        self.assert_refused(done, 125, "mesh.join.key_replaced")
        self.assertIn(host.name, done.stderr)
        thief.kill_daemon()
        self.mesh.nodes.remove(thief)


class RotateAndDie(RotateCase):
    node_count = 3

    def die_while_rotating(self, host, wait_seconds):
        """SIGKILL to the daemon so long after its new keys are durable, whatever it is doing then."""
        other = os.path.join(self.keys(host), "other")
        pid = host.daemon_pid()
        asked = subprocess.Popen([self.mesh.binary, *self.mesh.arguments(host, ["rotate", "node"])],
                                 env=self.mesh.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(asked.wait)
        self.addCleanup(asked.kill)
        meshes.wait_until(lambda: os.path.exists(other), "the new keys are there", every=0.001)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            pass
        host.kill_daemon(pid)
        asked.kill()

    def id_of(self, host, asked):
        """As the daemon that is asked sees it; None while that goes on as itself with other keys."""
        done = self.mesh.attempt(asked, "members", "--json")
        members = json.loads(done.stdout)["members"] if done.returncode == 0 else []
        return next((member["id"] for member in members if member["name"] == host.name), None)

    def assert_comes_back(self, host, before):
        host.start_again()

        def knows_its_keys():
            """Where it died before the mesh knew, what it had made is used by the next try."""
            seen = {self.id_of(host, asked) for asked in self.mesh.nodes}
            if seen == {before[host.name]}:
                self.mesh.attempt(host, "rotate", "node")
            other = os.path.join(self.keys(host), "other")
            return len(seen) == 1 and None not in seen and before[host.name] not in seen and not os.path.exists(other)

        meshes.wait_until(knows_its_keys, "all know it by its new key, and the old one is deleted", 60)
        self.mesh.wait_alive(self.node, 3, voters=3)
        self.assertEqual(self.run_job("--no-send", "--", "true", node=host).returncode, 0)

    def test_a_daemon_that_dies_before_or_after_the_mesh_knows_comes_back_with_the_right_key(self):
        before = self.ids()
        for host, wait_seconds in zip(self.mesh.nodes, (0.03, 0, 0.09)):
            with self.subTest(host=host.name, after=wait_seconds):
                self.die_while_rotating(host, wait_seconds)
                self.assert_comes_back(host, before)


class RotateAway(RotateCase):
    """One voter, and a host that is away while the voter's key is rotated."""

    node_count = 1

    def test_a_host_that_was_away_finds_the_mesh_by_the_key_that_it_knew(self):
        worker = meshes.Node(self.mesh, 2)
        self.mesh.nodes.append(worker)
        worker.join(self.node.command("invite", "--role", "worker"))
        self.mesh.wait_alive(self.node, 2)
        worker.kill_daemon()
        view = self.rotate(self.node)
        self.assertTrue(os.path.exists(os.path.join(self.keys(self.node), "other")), "the worker knows the old key only")
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "node"), 125, "rotate.under_way")
        worker.start_again()
        self.mesh.wait_alive(self.node, 2)
        meshes.wait_until(lambda: self.ids(worker)[self.node.name] == view["key_id"][7:15], "it knows the new key")
        self.wait_over(self.node)
        self.assertEqual(self.run_job("--no-send", "--", "true", node=worker).returncode, 0)


class NotYet(MeshCase):
    """What is refused changes nothing."""

    node_count = 1
    joined = False

    def test_a_mesh_below_the_level_rotates_nothing_and_a_host_without_one_neither(self):
        keys = os.path.join(self.node.data, "keys")
        self.mesh.environment["SWARMLET_LEVELS"] = "1-6"
        self.node.found("fault")
        del self.mesh.environment["SWARMLET_LEVELS"]
        before = self.mesh.members(self.node)[0]["id"]
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "node"), 125, "mesh.level.not_reached")
        key = "k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI"
        self.node.command("token", "issuer", "add", key, "ci")
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "issuer", "ci", key), 125, "mesh.level.not_reached")
        self.assertEqual(self.mesh.members(self.node)[0]["id"], before)
        self.assertEqual(sorted(os.listdir(keys)), ["identity", "mesh", "noise"])
        self.node.command("leave", "--forget", "--yes")
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "node"), 125, "mesh.none")


class RotateWithGuests(GuestCase):
    node_count = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.load = load_program()

    def loaded(self, *arguments):
        done = subprocess.run([self.load, *arguments], capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.strip()

    def minted(self, seed, model):
        """A token that somebody makes with that key, without the mesh."""
        path = f"{model}.minted"
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.loaded("mint", seed, model, "9"))
        return path

    def identity_seed(self):
        with open(os.path.join(self.node.data, "keys", "identity"), encoding="ascii") as stream:
            text = stream.read().strip().removeprefix("swarmlet.seed.1.")
        return base64.urlsafe_b64decode(text + "=").hex()

    def test_tokens_of_before_are_good_for_a_while_and_a_stolen_key_makes_none(self):
        old = self.token("--uses", "9")
        stolen = self.identity_seed()
        offline = self.minted(stolen, old)
        for token in (old, offline):
            self.assertEqual(self.ok(self.run_as_guest(token, "--", "echo", "before")), "before\n")
        view = json.loads(self.node.command("rotate", "node", "--json"))
        self.assertGreaterEqual(view["tokens"], 1)
        # The host answers with another key than the token names, and shows how it got it.
        self.assertEqual(self.ok(self.run_as_guest(old, "--", "echo", "in the grace")), "in the grace\n")
        # What the mesh does not know may have been made a moment ago, whatever date it has.
        self.assert_refused(self.run_as_guest(offline, "--", "true"), 125, "token.key_replaced")
        new = self.token("--uses", "1")
        self.assert_refused(self.run_as_guest(self.minted(stolen, new), "--", "true"), 125, "token.key_replaced")
        self.assertEqual(self.ok(self.run_as_guest(new, "--", "echo", "after")), "after\n")
        self.assertNotEqual(self.identity_seed(), stolen)
        self.node.command("token", "revoke", f"file:{old}")
        self.assertIn("[token.revoked]", self.run_as_guest(old, "--", "true").stderr)

    def issuers(self):
        return {issuer["id"]: issuer for issuer in self.node.command_json("token", "issuer", "ls")["issuers"]}

    def test_an_issuer_gets_another_key_and_what_the_old_one_made_runs_out_by_itself(self):
        (old_seed, old_key), (seed, key) = self.loaded("key").split(), self.loaded("key").split()
        self.node.command("token", "issuer", "add", old_key, "ci", "--max-ttl", "2h")
        old = self.minted(old_seed, self.token("--uses", "1"))
        self.assertEqual(self.ok(self.run_as_guest(old, "--", "echo", "before")), "before\n")
        view = json.loads(self.node.command("rotate", "issuer", "ci", key, "--json"))
        known = self.issuers()
        self.assertEqual(known[view["old_key_id"]]["replaced_by"], view["key_id"])
        self.assertEqual((known[view["key_id"]]["name"], known[view["key_id"]]["max_ttl_seconds"]), ("ci", 7200))
        self.assertIn("replaced", self.node.command("token", "issuer", "ls"))
        for token in (old, self.minted(seed, self.token("--uses", "1"))):
            self.assertEqual(self.ok(self.run_as_guest(token, "--", "echo", "after")), "after\n")
        # The name leads to the new key, and no old one comes back.
        for arguments, exit_code, code in (
                (("rotate", "issuer", "ci", old_key), 125, "rotate.refused"),
                (("rotate", "issuer", old_key, self.loaded("key").split()[1]), 125, "rotate.refused"),
                (("token", "issuer", "add", old_key, "ci"), 125, "rotate.refused"),
                (("rotate", "issuer", "nobody", old_key), 3, "token.issuer_not_found"),
                (("rotate", "issuer", "ci", "k4.public.x"), 2, None)):
            self.assert_refused(self.mesh.attempt(self.node, *arguments), exit_code, code)
        self.node.command("token", "issuer", "revoke", view["old_key_id"])
        self.assert_refused(self.run_as_guest(old, "--", "true"), 125, "token.invalid")
