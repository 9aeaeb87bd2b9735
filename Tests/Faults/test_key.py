"""Copies of the mesh key: away from the host that founded the mesh, and onto another one."""

import os
import stat

import mesh as meshes
from base import MeshCase

LOCKED = "k4.secret-pw."
PLAIN = "swarmlet.seed.1."


class KeyTests(MeshCase):
    node_count = 2

    def secret(self, text):
        path = os.path.join(self.folder(), "secret")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.chmod(path, 0o600)
        return f"file:{path}"

    def export(self, *flags):
        return self.node.command("key", "export", *flags)

    def attempt(self, node, *arguments, stdin=None):
        return self.mesh.attempt(node, "key", *arguments, stdin=stdin)

    def test_a_member_that_is_given_the_key_stands_right_below_it_and_admits_hosts(self):
        line = self.export()
        self.assertTrue(line.startswith(PLAIN) and line.count("\n") == 1, line)
        other = self.mesh.nodes[1]
        self.assert_refused(self.attempt(other, "export"), 125, "key.not_here")
        locked = self.export("--passphrase", self.secret("open sesame"))
        self.assertTrue(locked.startswith(LOCKED), locked)
        self.assert_refused(self.attempt(other, "import", "-", stdin=locked), 2, "usage.conflict")
        self.assert_refused(
            self.attempt(other, "import", "-", "--passphrase", self.secret("open sesam"), stdin=locked), 125,
            "tokens.passphrase_wrong")
        path = os.path.join(other.data, "keys", "mesh")
        self.assertFalse(os.path.exists(path))
        done = self.attempt(other, "import", "-", "--passphrase", self.secret("open sesame"), stdin=locked)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(other.command("key", "export"), line)
        self.assertEqual(self.attempt(other, "import", "-", stdin=line).returncode, 0)
        other.kill_daemon()
        other.start_again()
        with open(os.path.join(other.data, "daemon.log"), encoding="utf-8") as stream:
            self.assertIn("this node has the key of its mesh now", stream.read())
        self.mesh.wait_alive(self.node, 2)
        newcomer = meshes.Node(self.mesh, 3)
        self.mesh.nodes.append(newcomer)
        newcomer.join(other.command("invite"))
        self.mesh.wait_alive(other, 3)

    def test_what_is_no_key_of_this_mesh_changes_nothing(self):
        stranger = meshes.Mesh(self.mesh.binary, "stranger", nodes=1)
        with stranger:
            stranger.start()
            foreign = stranger.nodes[0].command("key", "export")
            alone = meshes.Node(stranger, 2)
            self.assert_refused(stranger.attempt(alone, "key", "export"), 125, "mesh.none")
        for text, code in ((foreign, "key.other_mesh"), ("nonsense", "tokens.not_a_key"),
                           (PLAIN + "AAAA", "tokens.not_a_key"), (LOCKED + "AAAA", "tokens.malformed")):
            done = self.attempt(self.node, "import", "-", "--passphrase", self.secret("x"), stdin=text)
            self.assert_refused(done, 125, code)
        self.assert_refused(self.attempt(self.node, "import", "lab.key"), 2, "usage.bad_operand")
        self.assert_refused(self.attempt(self.node, "import", "file:/nowhere"), 125, "input.unreadable")
        self.assert_refused(self.attempt(self.node, "import", "-", stdin=" \n"), 125, "input.unreadable")
        self.assert_refused(self.attempt(self.node, "export", "--passphrase", "secret"), 2, "usage.bad_value")
