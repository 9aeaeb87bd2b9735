"""The README's tour, as root and as a user who is not: the commands that it shows, and what is said to be weaker."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import processes_marker  # noqa: E402,F401
import processes  # noqa: E402
from base import meshes  # noqa: E402

EXAMPLES = os.path.join(meshes.ROOT, "examples")
NOBODY = 65534


class Tour:
    """The tour for one user; a mesh of two nodes on this host."""

    user = None
    # What takes rights away before the binary runs.
    prefix = []

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="swarmlet-tour-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.work = os.path.join(self.home, "examples")
        shutil.copytree(EXAMPLES, self.work)
        # A copy that every user can reach: the build folder may lie below somebody's home.
        self.binary = shutil.copy(meshes.build_binary(), os.path.join(self.home, "swarmlet"))
        if self.user is not None:
            for folder, _, files in os.walk(self.home):
                for name in [folder] + [os.path.join(folder, file) for file in files]:
                    os.chown(name, self.user, self.user)
        os.chmod(self.home, 0o755)
        self.addCleanup(self.end)

    def swarmlet(self, node, *arguments, stdin=None, seconds=60):
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "LANG": "C.UTF-8",
                       "SWARMLET_DATA_DIR": os.path.join(self.home, node)}
        command = [*self.prefix, self.binary, *arguments]
        return subprocess.run(command, cwd=self.work, env=environment, input=stdin, text=True, capture_output=True,
                              timeout=seconds, check=False)

    def must(self, node, *arguments, stdin=None):
        done = self.swarmlet(node, *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return done

    def end(self):
        daemons = []
        for node in ("owl", "newt"):
            try:
                with open(os.path.join(self.home, node, "daemon.pid"), encoding="utf-8") as stream:
                    daemons.append(int(stream.read()))
            except FileNotFoundError:
                continue
        processes.signal_all(daemons, signal.SIGTERM)
        self.assertEqual(processes.wait_gone(daemons, 30), [])

    def test_the_tour_of_the_readme(self):
        self.must("owl", "up", "--mesh", "lab", "--listen", "127.0.0.1:0", "--name", "owl")
        invitation = self.must("owl", "invite").stdout
        joined = self.must("newt", "join", "-", "--listen", "127.0.0.1:0", "--name", "newt", stdin=invitation)
        self.assertIn("newt", joined.stderr)
        names = [line.split()[0] for line in self.must("owl", "members").stdout.splitlines()[1:]]
        self.assertEqual(names, ["owl", "newt"])
        flags = self.flags_of_run()
        self.assertEqual(self.must("owl", "run", *flags, "--", "uname", "-s").stdout, "Linux\n")
        self.must("owl", "run", *flags, "--env", "TRAIN_STEPS=60", "--checkpoint", "ckpt", "--checkpoint-every", "2s", "--out", "model.npz", "--",
                  "/usr/bin/python3", "train_text.py")
        self.assertTrue(os.path.exists(os.path.join(self.work, "model.npz")))
        self.check_what_is_weaker(self.must("owl", "doctor").stdout)
        here = self.must("owl", "run", "--here", *flags, "--", "sh", "-c", "echo here")
        self.assertEqual(here.stdout, "here\n")

    def flags_of_run(self):
        """None, where jobs can be kept apart; elsewhere a plain run is refused, and says by which flag it is not."""
        if not re.search("sandbox +warn", self.swarmlet("owl", "doctor").stdout):
            return []
        done = self.swarmlet("owl", "run", "--", "uname", "-s")
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn("[host.sandbox.unavailable]", done.stderr)
        self.assertIn("--profile none", done.stderr)
        if self.user is not None or os.geteuid() != 0:
            self.skipTest("here jobs of a daemon that is not root run only where their owner says --least-profile none")
        return ["--profile", "none"]

    def check_what_is_weaker(self, doctor):
        raise NotImplementedError


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user for this")
class AsNobody(Tour, unittest.TestCase):
    user = NOBODY
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def check_what_is_weaker(self, doctor):
        self.assertRegex(doctor, r"limits +warn .*memory watched")

    def test_a_file_that_its_user_cannot_read_is_named_and_nothing_is_sent(self):
        path = os.path.join(self.work, "closed.txt")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("closed")
        os.chmod(path, 0)
        os.chown(path, NOBODY, NOBODY)
        self.must("owl", "up", "--mesh", "lab", "--listen", "127.0.0.1:0", "--name", "owl")
        done = self.swarmlet("owl", "run", "--", "true")
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn("closed.txt", done.stderr)
        self.assertRegex(done.stderr, r"\[files\.[a-z_]+\]")


@unittest.skipUnless(os.geteuid() == 0, "needs root, to give rights away")
class AsRootWhoMayNotMount(Tour, unittest.TestCase):
    """As in most containers."""
    prefix = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]

    def check_what_is_weaker(self, doctor):
        self.assertRegex(doctor, r"sandbox +(ok +(strict|standard): user namespaces|warn +none: )")


class AsThisUser(Tour, unittest.TestCase):
    def check_what_is_weaker(self, doctor):
        self.assertRegex(doctor, r"sandbox +(ok|warn) ")


if __name__ == "__main__":
    unittest.main()
