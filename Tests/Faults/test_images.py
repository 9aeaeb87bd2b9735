"""Jobs that bring a root of their own, and jobs that are another user in their sandbox."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_sandbox  # noqa: E402
from base import meshes  # noqa: E402


def make_tree(folder):
    """A root with a shell and three programs, and little else: no /tmp, no /proc, no /dev, no resolv.conf."""
    for name in ("bin", "etc", "var/empty"):
        os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, "etc", "release"), "w", encoding="utf-8") as stream:
        stream.write("tiny\n")
    for program in ("sh", "cat", "ls", "id"):
        found = os.path.realpath(shutil.which(program))
        shutil.copy(found, os.path.join(folder, "bin", program))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+)", listed):
            target = folder + library
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if not os.path.exists(target):
                shutil.copy(os.path.realpath(library), target)
    os.symlink("/bin", os.path.join(folder, "programs"))


class Images(test_sandbox.SandboxCase):
    profile = "strict"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = os.path.join(cls.mesh.folder, "images")
        cls.tree = os.path.join(cls.images, "tiny")
        make_tree(cls.tree)
        cls.tar = os.path.join(cls.images, "tiny.tar")
        with tarfile.open(cls.tar, "w") as archive:
            archive.add(cls.tree, "./")
            device = tarfile.TarInfo("dev-null")
            device.type = tarfile.CHRTYPE
            archive.addfile(device)
        os.chmod(cls.mesh.folder, 0o755)
        os.chmod(cls.images, 0o755)
        meshes.processes.signal_all([cls.node.daemon_pid()], signal.SIGTERM)
        meshes.wait_until(lambda: cls.node.daemon_pid() is None, "the daemon has stopped")
        cls.node.command("up", *cls.node._flags, "--allow-mount", cls.images)

    def run_in(self, image, script, *flags):
        return self.run_job("--profile", self.profile, "--image", image, *flags, "--", "/programs/sh", "-c", script)

    def test_a_directory_or_an_archive_is_the_root_and_the_hosts_is_not_there(self):
        script = ("cat /etc/release; test ! -e /usr/bin/python3 && test ! -e /home && echo own > made; echo > /etc/x;"
                  " echo x > /tmp/x && cat /tmp/x && cat made && cat /proc/self/comm && ls /dev/null && ls /")
        for image in (self.tree, self.tar, self.tar):
            done = self.run_in(image, script, "--out", "made")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.split()[:4], ["tiny", "x", "own", "cat"])
            self.assertNotIn("dev-null", done.stdout)
            with open(os.path.join(self.folder(), "made"), encoding="utf-8") as stream:
                self.assertEqual(stream.read(), "own\n")
        self.assertEqual(len(os.listdir(os.path.join(self.node.data, "images"))), 1, "unpacked once, and kept")

    def test_a_setup_in_an_image_is_kept_for_that_image(self):
        done = self.run_in(self.tree, "cat made", "--setup", "echo made > made; id -u >> made")
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, "made"), done.stderr)

    def test_what_the_owner_did_not_allow_or_is_not_there_is_refused_with_the_name_of_the_host(self):
        name = json.loads(self.mesh.command(self.node, "members", "--json"))["members"][0]["name"]
        for image in ("/usr", os.path.join(self.images, "missing"), os.path.join(self.tree, "etc", "..", "..")):
            done = self.run_job("--profile", self.profile, "--image", image, "--", "true")
            if ".." in image:
                self.assert_refused(done, 2, "usage.bad_value")
            else:
                self.assert_refused(done, 125, "job.image")
                self.assertIn(name, done.stderr)
        self.assert_refused(self.run_job("--profile", "none", "--image", "/x", "--", "true"), 2, "usage.conflict")

    def evil(self, name, *entries, cut=None):
        """An archive of the tree with more in it: (name, type, link or content)."""
        path = os.path.join(self.images, name + ".tar")
        with tarfile.open(path, "w") as archive:
            for entry, kind, text in entries:
                info = tarfile.TarInfo(entry)
                info.type = kind
                info.mode = 0o6777
                if kind == tarfile.REGTYPE:
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text.encode()))
                else:
                    info.linkname = text
                    archive.addfile(info)
        if cut:
            os.truncate(path, cut)
        self.addCleanup(os.unlink, path)
        return path

    def test_f04_an_archive_puts_nothing_outside_of_itself(self):
        canary = os.path.join(self.images, "canary")
        with open(canary, "w", encoding="utf-8") as stream:
            stream.write("untouched")
        file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
        refused = (
            self.evil("dots", ("../../../canary", file, "written")),
            self.evil("through-link", ("out", link, self.images), ("out/canary", file, "written")),
            self.evil("hard", ("in", hard, "../../../canary"), ("in", file, "written")),
            self.evil("hard-through-link", ("out", link, self.images), ("in", hard, "out/canary")),
            self.evil("cut", ("bin/sh", file, "x" * 5_000), cut=3_000),
            self.evil("none", ("x" * 90, file, "x")) and __file__.replace(os.path.dirname(__file__), self.images),
        )
        shutil.copy(__file__, refused[-1])
        self.addCleanup(os.unlink, refused[-1])
        for image in refused:
            self.assert_refused(self.run_in(image, "true"), 125, "job.image")
        # An absolute name is one below the root; the last file of a name counts, and gives nobody rights.
        with tarfile.open(self.tar) as tiny:
            rest = [(m.name, m.type, m.linkname if not m.isreg() else None) for m in tiny]
        self.assertTrue(rest)
        good = os.path.join(self.images, "good.tar")
        shutil.copy(self.tar, good)
        self.addCleanup(os.unlink, good)
        with tarfile.open(good, "a") as archive:
            for name, text in (("/absolute", "1"), ("twice", "1"), ("./twice", "2")):
                info = tarfile.TarInfo(name)
                info.mode, info.size = 0o6755, len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
        done = self.run_in(good, "cat /absolute /twice; ls -l /twice")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("12-rwxr-xr-x"), done.stdout)
        with open(canary, encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "untouched")
        self.assertFalse(os.path.exists("/absolute"))


class MemberImages(Images):
    profile = "standard"


class Users(test_sandbox.SandboxCase):
    profile = "standard"

    def test_a_job_is_who_it_asked_to_be_inside_and_who_it_was_outside(self):
        before = self.run_job("--", "sh", "-c", "id -u > plain; stat -c %u plain").stdout
        done = self.run_job("--user", "1234:77", "--out", "made", "--", "sh", "-c",
                            "id -u; id -g; echo x > made; stat -c %u made; grep CapEff /proc/self/status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), ["1234", "77", "1234", "CapEff:", "0" * 16])
        job = json.loads(self.mesh.command(self.node, "ps", "-a", "--json"))["jobs"][0]["id"]
        made = os.path.join(self.node.data, "work", f"{job}.0.1", "made")
        self.assertEqual(f"{os.stat(made).st_uid}\n", before, "to the host it is who it always is")

    def test_a_user_is_a_number_and_a_sandbox_is_needed(self):
        for text in ("ana", "1:2:3", "4294967295", "-1", ""):
            self.assert_refused(self.run_job("--user", text, "--", "true"), 2)
        self.assert_refused(self.run_job("--profile", "none", "--user", "5", "--", "true"), 2, "usage.conflict")

    @unittest.skipUnless(os.geteuid() == 0, "takes root to ask for root")
    def test_root_inside_is_nobody_outside(self):
        done = self.run_job("--user", "0", "--", "sh", "-c",
                            "id -u; cat /etc/shadow; mount -t tmpfs none /tmp; hostname x; grep Cap /proc/self/status")
        self.assertEqual(done.stdout.split()[0], "0", done.stderr)
        self.assertEqual(set(done.stdout.split()[2::2]), {"0" * 16})
        self.assertIn("Permission denied", done.stderr)


if __name__ == "__main__":
    unittest.main()
