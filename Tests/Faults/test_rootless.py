"""A daemon that is not root: what it gives is given wholly, and what it cannot give is refused with its name.

As root these tests are run once more by a user without an account, with control groups that were delegated to it and
without any. As another user they are run as that one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_sandbox  # noqa: E402
from base import MeshCase, meshes  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
# Of no account, and of no other test.
USER = 61_234
CONTROLLERS = ("memory", "cpu", "pids", "freezer")
MARK = "SWARMLET_ROOTLESS"


def own_group(controller):
    """Where this process is in a hierarchy of version 1, as the host shows it; None where there is none."""
    with open("/proc/self/cgroup", encoding="utf-8") as stream:
        for line in stream:
            _, names, path = line.rstrip("\n").split(":", 2)
            if controller in names.split(","):
                found = os.path.join("/sys/fs/cgroup", controller, path.lstrip("/"))
                return found if os.access(os.path.join(found, "tasks"), os.W_OK) else None
    return None


@unittest.skipUnless(os.geteuid() == 0, "takes root to become somebody else")
class AsSomebodyElse(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="swarmlet-rootless-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        # Below the tests, their library and the binary, wherever those are kept from others.
        for name in ("Tests/Faults", "scripts/lib"):
            shutil.copytree(os.path.join(meshes.ROOT, name), os.path.join(self.folder, name))
        self.binary = os.path.join(self.folder, "swarmlet")
        shutil.copy(meshes.build_binary(), self.binary)
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        os.chown(self.home, USER, USER)
        self.groups = []

    def delegate(self):
        """Groups of version 1 that belong to the user; they go when the test ends."""
        for controller in CONTROLLERS:
            parent = own_group(controller)
            if parent is None:
                self.skipTest(f"this host has no controller {controller} of version 1 to delegate")
            group = os.path.join(parent, os.path.basename(self.folder))
            os.mkdir(group)
            self.groups.append(group)
            self.addCleanup(self.remove, group)
            for name in ("", "tasks", "cgroup.procs"):
                os.chown(os.path.join(group, name), USER, USER)

    @staticmethod
    def remove(group):
        inner = os.path.join(group, "swarmlet")
        for name in sorted(os.listdir(inner)) if os.path.isdir(inner) else []:
            if os.path.isdir(os.path.join(inner, name)):
                os.rmdir(os.path.join(inner, name))
        for path in (inner, group):
            if os.path.isdir(path):
                os.rmdir(path)

    def enter(self):
        for group in self.groups:
            with open(os.path.join(group, "tasks"), "w", encoding="ascii") as stream:
                stream.write("0")

    def repeat(self, *names, mark):
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "TMPDIR": self.home, "SWARMLET_BINARY": self.binary,
                       "LANG": "C.UTF-8", "PYTHONPATH": os.path.join(self.folder, "scripts/lib"), MARK: mark}
        done = subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", sys.executable, "-m", "unittest", "-v", *names],
            cwd=os.path.join(self.folder, "Tests/Faults"), env=environment, preexec_fn=self.enter, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-8000:])
        return done.stdout

    def test_s15_without_groups_the_layer_is_named_and_nothing_is_left_out_quietly(self):
        said = self.repeat("test_rootless.WithoutGroups", mark="bare")
        self.assertNotIn("skipped", said)

    def test_strict_jobs_of_a_daemon_without_root_are_kept_as_those_of_roots(self):
        self.delegate()
        said = self.repeat(
            "test_rootless.WithGroups", "test_sandbox.Strangers.test_it_has_a_user_of_its_own_and_no_groups",
            "test_sandbox.Everybody.test_s01_it_reads_nothing_of_the_daemon_of_other_jobs_or_of_the_kernel",
            "test_sandbox.Everybody.test_s05_namespaces_are_neither_made_nor_entered",
            "test_sandbox.Strangers.test_s10_it_has_no_network_unless_it_was_granted",
            "test_sandbox.Everybody.test_s12_nothing_outlives_it",
            "test_sandbox.Strangers.test_results_and_checkpoints_work_as_for_everybody", mark="delegated")
        self.assertNotIn("skipped", said)


def is_marked(mark):
    return os.environ.get(MARK) == mark


@unittest.skipUnless(is_marked("bare"), "is run by a user without groups")
class WithoutGroups(MeshCase):
    def test_doctor_names_what_is_missing(self):
        said = self.mesh.attempt(self.node, "doctor", "--json").stdout
        checks = {check["check"]: check for check in json.loads(said)["checks"]}
        self.assertIn("standard: user namespaces", checks["sandbox"]["detail"])
        self.assertIn("strict: no control group limits memory and processes here", checks["sandbox"]["detail"])
        self.assertIn("memory watched", checks["limits"]["detail"])

    def test_strict_is_refused_with_the_layer_and_standard_works(self):
        done = self.run_job("--profile", "strict", "--", "true")
        self.assert_refused(done, 125, "host.sandbox.unavailable")
        self.assertIn("no control group", done.stderr)
        done = self.run_job("--", "sh", "-c", "id -u; ls /home > /dev/null; test ! -e $HOME/.ssh/id")
        self.assertEqual((done.returncode, done.stdout), (0, f"{os.geteuid()}\n"), done.stderr)

    def test_pause_is_refused_where_nothing_could_hold_a_job_still(self):
        job = self.submit("--", "sleep", "60")
        self.mesh.wait_running(self.node, job)
        self.assert_refused(self.mesh.attempt(self.node, "pause", str(job)), 125, "host.no_freezer")
        self.mesh.command(self.node, "cancel", str(job))


@unittest.skipUnless(is_marked("delegated"), "is run by a user with groups of its own")
class WithGroups(test_sandbox.SandboxCase):
    profile = "strict"

    def test_its_memory_is_limited_by_the_kernel_and_it_can_be_paused(self):
        checks = {check["check"]: check for check in self.mesh_checks()}
        self.assertIn("strict: user namespaces", checks["sandbox"]["detail"])
        self.assertIn("memory enforced", checks["limits"]["detail"])
        done = self.run_job("--profile", "strict", "--mem", "64M", "--", "/usr/bin/python3", "-c",
                            "x = bytearray(1 << 30); print(len(x))")
        self.assertEqual(done.returncode, 137, done.stderr)
        job = self.submit("--profile", "strict", "--", "sleep", "60")
        self.mesh.wait_running(self.node, job)
        self.mesh.command(self.node, "pause", str(job))
        self.mesh.command(self.node, "cancel", str(job))

    def test_another_user_inside_is_the_daemons_outside(self):
        done = self.run_job("--profile", "strict", "--user", "1234", "--", "sh", "-c", "id -u; echo x > made; stat -c %u made")
        self.assertEqual((done.returncode, done.stdout), (0, "1234\n1234\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
