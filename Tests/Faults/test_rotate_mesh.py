"""Another mesh key in the place of the one that certified hosts, while jobs run, guests ask and daemons die."""

import base64
import json
import os
import shutil
import subprocess
import threading
import time

from base import MeshCase, meshes
from test_guests import GuestCase


class MeshKeyCase(MeshCase):
    """What is asked of the hosts of a mesh whose key is rotated."""

    def key_file(self, node, name="mesh"):
        return os.path.join(node.data, "keys", name)

    def rotate_mesh(self, node):
        return json.loads(self.mesh.command(node, "rotate", "mesh", "--json"))

    def fingerprint(self, node):
        return json.loads(self.mesh.command(node, "members", "--json"))["fingerprint"]

    def issuer(self, node):
        """Which key has signed the first certificate that this host shows."""
        line = base64.urlsafe_b64decode(node.command("invite", "--ttl", "1h").strip()[5:] + "==")
        for piece in line.split(b"v4.public.")[1:]:
            body = bytes(byte for byte in piece.split(b".")[0] if chr(byte).isalnum() or byte in b"-_")
            claims = json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))[:-64])
            if claims["typ"] == "swarmlet.certificate.v1":
                return claims["iss"]
        raise AssertionError("an invitation without certificates")

    def wait_renewed(self, nodes, view):
        for node in nodes:
            meshes.wait_until(lambda node=node: self.issuer(node) == view["key_id"],
                              f"{node.name} shows certificates of the new key", 30)

    def newcomer(self, number):
        node = meshes.Node(self.mesh, number)
        self.mesh.nodes.append(node)
        return node

    def line_file(self, line):
        path = os.path.join(self.folder(), "lab.key")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(line)
        return f"file:{path}"


class RotateMesh(MeshKeyCase):
    node_count = 3

    def test_a_mesh_gets_another_key_and_its_jobs_notice_nothing(self):
        first, second, third = self.mesh.nodes[:3]
        before, old_key, old_line = self.fingerprint(first), self.issuer(first), first.command("key", "export")
        old_invitation = second.command("invite")
        run, gate = self.counting(second)
        processes = [node.daemon_pid() for node in (first, second, third)]
        # A host that does not have it says which one does.
        done = self.mesh.attempt(second, "rotate", "mesh")
        self.assert_refused(done, 125, "key.not_here")
        self.assertIn(f"type it on {first.name}", done.stderr)
        # A copy of before lies on another host.
        third.command("key", "import", self.line_file(old_line))

        view = self.rotate_mesh(first)
        self.assertEqual((view["name"], view["old_key_id"]), ("mesh fault", old_key))
        self.assertNotEqual(first.command("key", "export"), old_line)
        self.assertEqual(sorted(os.listdir(os.path.join(first.data, "keys"))), ["identity", "mesh", "noise"])
        self.wait_renewed((first, second, third), view)
        for node in (first, second, third):
            self.assertEqual(self.fingerprint(node), self.fingerprint(first))
        self.assertNotEqual(self.fingerprint(first), before)
        meshes.wait_until(lambda: not os.path.exists(self.key_file(third)), "the copy of the old key is deleted")
        self.assertEqual([node.daemon_pid() for node in (first, second, third)], processes)
        self.assert_counted(run, gate)

        self.assert_refused(self.mesh.attempt(first, "rotate", "mesh"), 125, "rotate.just_now")
        events = json.loads(self.mesh.command(first, "audit", "ls", "--json"))["events"]
        rotated = [event for event in events if event["act"] == "key.rotated"]
        self.assertEqual(len(rotated), 1)
        self.assertIn("mesh fault key", rotated[0]["about"])
        first.command("audit", "verify")
        # The old key comes back nowhere, the new one can be copied.
        for node in (first, second):
            done = self.mesh.attempt(node, "key", "import", "-", stdin=old_line)
            self.assert_refused(done, 125, "key.replaced")
        second.command("key", "import", self.line_file(first.command("key", "export")))
        # Invitations of before and of after admit hosts, by hosts that have the key and others, and so does a knock.
        for number, line in ((4, old_invitation), (5, first.command("invite")), (6, third.command("invite"))):
            node = self.newcomer(number)
            node.join(line)
            self.mesh.wait_alive(first, number)
            self.assertEqual(self.fingerprint(node), self.fingerprint(first))
            self.assertEqual(self.issuer(node), view["key_id"])
        self.assert_knock_leads_to_the_new_key(self.newcomer(7), first)
        self.assertEqual(self.run_job("--no-send", "--", "true", node=self.mesh.nodes[-1]).returncode, 0)
        # All of it stays when daemons start again.
        for node in (first, self.mesh.nodes[3]):
            node.kill_daemon()
            node.start_again()
        self.mesh.wait_alive(first, 7)
        self.assertEqual(self.issuer(first), view["key_id"])

    def assert_knock_leads_to_the_new_key(self, node, peer):
        knocked = []
        knocking = threading.Thread(target=lambda: knocked.append(self.mesh.attempt(
            node, "join", f"127.0.0.1:{peer.port}", "--name", node.name, "--listen", f"127.0.0.1:{node.port}",
            "--trust-first-use", seconds=40)))
        knocking.start()
        try:
            meshes.wait_until(lambda: self.mesh.attempt(peer, "approve", node.name).returncode == 0,
                              "somebody knocks and is approved", 20, 0.1)
        finally:
            knocking.join()
        self.assertEqual(knocked[0].returncode, 0, knocked[0].stderr)
        self.assertEqual(self.fingerprint(node), self.fingerprint(peer))


class RotateMeshRefused(MeshKeyCase):
    node_count = 3

    def as_nobody(self, node, *arguments):
        """A command of somebody with an account on that host, who reaches its socket and is in no group of the mesh."""
        socket = os.path.join(node.data, "socket")
        modes = [(path, os.stat(path).st_mode & 0o777) for path in (self.mesh.folder, node.data, socket)]
        for path, mode in modes:
            os.chmod(path, mode | (0o006 if path == socket else 0o001))
        try:
            return subprocess.run([self.mesh.binary, *self.mesh.arguments(node, list(arguments))], text=True,
                                  capture_output=True, user=65_534, group=65_534, extra_groups=[], timeout=60, cwd="/",
                                  env={"PATH": os.environ["PATH"], "HOME": "/"}, stdin=subprocess.DEVNULL)
        finally:
            for path, mode in modes:
                os.chmod(path, mode)

    def test_the_mesh_key_stays_where_somebody_asks_who_may_not_or_nobody_leads(self):
        first, second, third = self.mesh.nodes[:3]
        before = self.fingerprint(first)
        if os.geteuid() == 0:
            self.assert_refused(self.as_nobody(first, "rotate", "mesh"), 4)
        laptop = self.newcomer(4)
        line = self.line_file(first.command("key", "export"))
        self.mesh.command(laptop, "join", "-", "--name", laptop.name, "--role", "client", *laptop._flags,
                          stdin=first.command("invite"))
        self.assert_refused(self.mesh.attempt(laptop, "rotate", "mesh"), 125, "key.not_here")
        # It has the key, and no say.
        laptop.command("key", "import", line)
        refused = self.mesh.attempt(laptop, "rotate", "mesh")
        self.assert_refused(refused, 4, "auth.denied")
        self.assertIn("joined as a client", refused.stderr)
        self.assertEqual(self.fingerprint(first), before)
        for node in (second, third):
            node.kill_host()
        self.assert_refused(self.mesh.attempt(first, "rotate", "mesh", seconds=60), 125, "mesh.no_leader")
        for node in (first, laptop):
            self.assertNotIn("mesh.next", os.listdir(os.path.join(node.data, "keys")), "no key to come was made")
        for node in (second, third):
            node.start_again()
        self.mesh.wait_alive(first, 4, voters=3)
        self.assertEqual(self.fingerprint(first), before)
        view = self.rotate_mesh(first)
        self.assertNotEqual(self.fingerprint(first), before)
        self.wait_renewed((first, second, third), view)


class RotateMeshAndDie(MeshKeyCase):
    node_count = 1
    joined = False

    def keys(self, node):
        return sorted(os.listdir(os.path.join(node.data, "keys")))

    def assert_goes_on(self, mesh, node, old_key):
        """With the one key or the other; where the mesh had not heard of the new one, the next try uses it."""
        self.assertIn("mesh", self.keys(node))
        if self.issuer(node) == old_key:
            to_come = self.key_file(node, "mesh.next")
            with open(to_come, encoding="ascii") as stream:
                made = stream.read()
            mesh.command(node, "rotate", "mesh")
            with open(self.key_file(node), encoding="ascii") as stream:
                self.assertEqual(stream.read(), made)
        meshes.wait_until(lambda: self.issuer(node) != old_key, "it shows certificates of the new key")
        self.assertEqual(self.keys(node), ["identity", "mesh", "noise"])
        node.command("audit", "verify")
        events = json.loads(mesh.command(node, "audit", "ls", "--json"))["events"]
        self.assertEqual(len([event for event in events if event["act"] == "key.rotated"]), 1)
        newcomer = meshes.Node(mesh, len(mesh.nodes) + 1)
        mesh.nodes.append(newcomer)
        newcomer.join(node.command("invite"))
        mesh.wait_alive(node, len(mesh.nodes))

    def test_a_daemon_that_dies_while_it_rotates_comes_back_with_one_of_the_keys(self):
        for wait_seconds in (0, 0.003, 0.01, 0.03):
            with self.subTest(after=wait_seconds), meshes.Mesh(self.mesh.binary, "dying", nodes=1) as mesh:
                mesh.start()
                node = mesh.nodes[0]
                old_key, to_come = self.issuer(node), self.key_file(node, "mesh.next")
                with open(self.key_file(node), encoding="ascii") as stream:
                    old = stream.read()

                def has_begun():
                    """The key to come is there only for a moment."""
                    with open(self.key_file(node), encoding="ascii") as stream:
                        return os.path.exists(to_come) or stream.read() != old

                asked = subprocess.Popen([mesh.binary, *mesh.arguments(node, ["rotate", "mesh"])],
                                         env=mesh.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                meshes.wait_until(has_begun, "the new key is there", every=0.0001)
                deadline = time.monotonic() + wait_seconds
                while time.monotonic() < deadline:
                    pass
                node.kill_daemon()
                asked.kill()
                asked.wait()
                node.start_again()
                self.assert_goes_on(mesh, node, old_key)

    def test_each_step_between_the_two_keys_is_done_again_at_the_next_start(self):
        with meshes.Mesh(self.mesh.binary, "steps", nodes=1) as mesh:
            mesh.start()
            node = mesh.nodes[0]
            old_key, membership = self.issuer(node), os.path.join(node.data, "mesh")
            kept = {path: os.path.join(self.folder(), name)
                    for name, path in (("key", self.key_file(node)), ("membership", membership))}
            for path, copy in kept.items():
                shutil.copy2(path, copy)
            # The mesh has not been asked yet.
            node.kill_daemon()
            seed = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
            with open(self.key_file(node, "mesh.next"), "w", encoding="ascii",
                      opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
                stream.write(f"swarmlet.seed.1.{seed}\n")
            node.start_again()
            mesh.wait_alive(node, 1)
            self.assertEqual(self.issuer(node), old_key)
            self.assertEqual(self.keys(node), ["identity", "mesh", "mesh.next", "noise"])
            mesh.command(node, "rotate", "mesh")
            with open(self.key_file(node), encoding="ascii") as stream:
                self.assertIn(seed, stream.read())
            # The mesh has said yes. The file that names the keys was written, the key not put in its place; and then
            # nothing was done here.
            for undone in ([self.key_file(node)], list(kept)):
                node.kill_daemon()
                os.rename(self.key_file(node), self.key_file(node, "mesh.next"))
                for path in undone:
                    shutil.copy2(kept[path], path)
                node.start_again()
                meshes.wait_until(lambda: self.keys(node) == ["identity", "mesh", "noise"], "the new key is there")
                with open(self.key_file(node), encoding="ascii") as stream:
                    self.assertIn(seed, stream.read())
            self.assert_goes_on(mesh, node, old_key)

    def test_a_mesh_that_is_recovered_from_a_copy_of_before_is_told_again(self):
        with meshes.Mesh(self.mesh.binary, "copied", nodes=1) as mesh:
            mesh.start()
            node = mesh.nodes[0]
            copy = os.path.join(self.folder(), "snapshot")
            with open(copy, "wb") as stream:
                stream.write(node.snapshot())
            view = json.loads(mesh.command(node, "rotate", "mesh", "--json"))
            line = node.command("key", "export")
            node.kill_daemon()
            mesh.command(node, "raft", "recover", "--from", copy, "--yes")
            node.start_again()
            mesh.wait_alive(node, 1)
            again = json.loads(mesh.command(node, "rotate", "mesh", "--json"))
            self.assertEqual((again["old_key_id"], again["key_id"]), (view["old_key_id"], view["key_id"]))
            self.assertEqual((self.issuer(node), node.command("key", "export")), (view["key_id"], line))
            self.assert_refused(mesh.attempt(node, "rotate", "mesh"), 125, "rotate.just_now")


class RotateMeshNotYet(MeshKeyCase):
    """What is refused changes nothing."""

    node_count = 1
    joined = False

    def test_a_mesh_below_the_level_rotates_nothing_and_a_host_without_one_neither(self):
        self.mesh.environment["SWARMLET_LEVELS"] = "1-6"
        self.node.found("fault")
        del self.mesh.environment["SWARMLET_LEVELS"]
        before = self.fingerprint(self.node)
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "mesh"), 125, "mesh.level.not_reached")
        self.assertEqual(self.fingerprint(self.node), before)
        self.assertEqual(sorted(os.listdir(os.path.join(self.node.data, "keys"))), ["identity", "mesh", "noise"])
        self.node.command("leave", "--forget", "--yes")
        self.assert_refused(self.mesh.attempt(self.node, "rotate", "mesh"), 125, "mesh.none")


class RotateMeshWithGuests(MeshKeyCase, GuestCase):
    node_count = 3

    def test_tokens_of_before_are_led_to_the_new_key_and_those_of_after_take_nothing_of_the_old(self):
        first, second, third = self.mesh.nodes[:3]
        old = self.token("--uses", "9")
        self.assertEqual(self.ok(self.run_as_guest(old, "--", "echo", "before")), "before\n")
        # It sleeps through it all, and so has nothing but certificates of the old key.
        third.kill_daemon()
        view = self.rotate_mesh(first)
        self.wait_renewed((first, second), view)
        self.assertEqual(self.ok(self.run_as_guest(old, "--", "echo", "led")), "led\n")
        new = self.token("--uses", "9")
        self.assertEqual(self.ok(self.run_as_guest(new, "--", "echo", "after")), "after\n")
        invitation = first.command("invite")

        first.kill_daemon()
        second.kill_daemon()
        third.start_again()
        done = self.run_as_guest(new, "--", "true")
        self.assert_refused(done, 125, "mesh.certificate.other_key")
        newcomer = self.newcomer(4)
        done = self.mesh.attempt(newcomer, "join", "-", "--name", "n4", *newcomer._flags, stdin=invitation)
        self.assert_refused(done, 125, "mesh.certificate.other_key")

        first.start_again()
        second.start_again()
        self.mesh.nodes.remove(newcomer)
        self.mesh.wait_alive(first, 3)
        self.wait_renewed((third,), view)
        first.kill_daemon()
        for token in (old, new):
            self.assertEqual(self.ok(self.run_as_guest(token, "--", "echo", "again")), "again\n")
        first.start_again()
        self.mesh.nodes.append(newcomer)
        newcomer.join(invitation)
        self.mesh.wait_alive(first, 4)
