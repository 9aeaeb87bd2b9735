"""Another swarmlet in the place of the one that runs, on one host and on all of them, while jobs run."""

import hashlib
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
import processes  # noqa: E402

# Tests itself well and then is no daemon.
PRETENDER = "#!/bin/sh\ncase $1 in\nself-test) echo swarmlet 9; echo levels LEVELS;;\n*) exit 1;;\nesac\n"
OLDER = PRETENDER.replace("LEVELS", "1-99").replace("swarmlet 9", "swarmlet 0.0.9")
USER = pwd.getpwuid(os.geteuid()).pw_name
NOBODY = 65_534


class Upgrade(MeshCase):
    """Every daemon has a program file of its own, as on hosts of their own."""

    node_count = 3
    joined = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for node in cls.mesh.nodes:
            node.binary = os.path.join(cls.mesh.folder, f"swarmlet-{node.name}")
            shutil.copy(cls.mesh.binary, node.binary)
        cls.mesh.start()
        cls.mesh.wait_alive(cls.node, cls.node_count, voters=3)

    def setUp(self):
        # Which program it is shows once each daemon has read its own.
        meshes.wait_until(lambda: all("+" in version for version in self.versions().values()), "all say what they run")

    def program(self, name, content=None):
        """Another swarmlet: the same with some bytes more, or what is given."""
        path = os.path.join(self.mesh.folder, name)
        if content is None:
            shutil.copy(self.mesh.binary, path)
            with open(path, "ab") as stream:
                stream.write(name.encode())
        else:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
        os.chmod(path, 0o755)
        return path

    def versions(self):
        return {member["name"]: member["version"] for member in self.mesh.members(self.node)}

    def said_of_program(self, node):
        """What doctor says of the program that runs there, once that has read itself: (result, detail, hint)."""
        def said():
            checks = json.loads(self.mesh.attempt(node, "doctor", "--json").stdout)["checks"]
            check = next(check for check in checks if check["check"] == "program")
            return None if check["detail"].startswith("it was not read yet") else check
        check = meshes.wait_until(said, f"{node.name} has read its program")
        return check["result"], check["detail"], check.get("hint") or ""

    def is_watched(self, node):
        """Whether a process still waits for the new daemon, to take the upgrade back."""
        lines = [processes.command_line(int(name)) for name in os.listdir("/proc") if name.isdigit()]
        return any("upgrade-watch" in words and node.data in words for words in lines)

    def test_a_program_that_cannot_do_its_work_here_changes_nothing(self):
        before, process = self.versions(), self.node.daemon_pid()
        cases = [(self.program("text", "no program\n"), "upgrade.unfit"),
                 (self.program("other", "#!/bin/sh\necho hello\n"), "upgrade.unfit"),
                 (self.program("broken", "#!/bin/sh\necho no luck today; exit 1\n"), "upgrade.unfit"),
                 (self.program("old", PRETENDER.replace("LEVELS", "90-91")), "upgrade.level"),
                 (os.path.join(self.mesh.folder, "nothing"), "input.unreadable")]
        for path, code in cases:
            for more in ([], ["--rolling"]):
                self.assert_refused(self.mesh.attempt(self.node, "upgrade", *more, path), 125, code)
        self.assertEqual((self.versions(), self.node.daemon_pid()), (before, process))
        self.assertFalse([name for name in os.listdir(self.mesh.folder) if ".new-" in name])

    def test_a_daemon_goes_on_as_another_program_and_its_jobs_notice_nothing(self):
        path = self.program("next")
        process, before = self.node.daemon_pid(), self.versions()
        run, gate = self.counting(self.node)
        self.mesh.command(self.node, "upgrade", path, seconds=120)
        self.assertEqual(self.node.daemon_pid(), process)
        with open(path, "rb") as wanted, open(self.node.binary, "rb") as there:
            self.assertEqual(hashlib.file_digest(there, "sha256").digest(),
                             hashlib.file_digest(wanted, "sha256").digest())
        meshes.wait_until(lambda: self.versions()[self.node.name] != before[self.node.name], "it says so")
        self.assertIn("VERSION", self.mesh.command(self.mesh.nodes[1], "members").splitlines()[0])
        self.assert_counted(run, gate)
        result, detail, _ = self.said_of_program(self.node)
        self.assertEqual(result, "ok")
        self.assertIn(f"{self.versions()[self.node.name]}, signed for {USER}@{self.node.name} at 2", detail)
        # What it was is kept, and leads back.
        kept = os.path.join(self.node.data, "program-before")
        self.mesh.command(self.node, "upgrade", kept, seconds=120)
        meshes.wait_until(lambda: self.versions() == before, "it is what it was")

    def state_of(self, node, seen_from):
        return next(member["state"] for member in self.mesh.members(seen_from) if member["name"] == node.name)

    def test_where_the_new_daemon_does_not_come_the_old_one_does_and_jobs_go_on(self):
        """However long it takes: the mesh was asked to wait, so nothing stands still, and nothing begins elsewhere."""
        before = self.versions()
        run, gate = self.counting(self.node)
        job = self.mesh.newest_job(self.node)
        away = self.mesh.node(self.mesh.wait_running(self.node, job))
        other = next(node for node in self.mesh.nodes if node is not away)
        stay = os.path.join(self.folder(), "stay")
        hesitant = PRETENDER.replace("LEVELS", "1-99").replace(
            "*)", f"*) while [ ! -e '{stay}' ]; do sleep 0.1; done;")
        asked = subprocess.Popen([away.binary, *self.mesh.arguments(away, ["upgrade", self.program("slow", hesitant)])],
                                 env=self.mesh.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        meshes.wait_until(lambda: self.state_of(away, other) == "away", "the others know that it is away", 60)
        began = time.monotonic()
        # Its lease would have run out twice.
        meshes.wait_until(lambda: time.monotonic() > began + 8, "its daemon is away", 30)
        self.assertEqual(self.state_of(away, other), "away")
        attempts = self.mesh.job(other, job).attempts
        self.assertEqual([(attempt["node"], attempt["state"]) for attempt in attempts], [(away.name, "running")])
        with open(stay, "w", encoding="utf-8"):
            pass
        _, said = asked.communicate(timeout=150)
        self.assertEqual(asked.returncode, 125, said)
        self.assertIn("upgrade.taken_back", said)
        with open(away.binary, "rb") as there:
            self.assertEqual(there.read(4), b"\x7fELF")
        meshes.wait_until(lambda: self.versions() == before, "it is what it was")
        meshes.wait_until(lambda: self.state_of(away, other) == "alive", "the mesh waits no longer")
        self.assert_counted(run, gate)

    def test_all_hosts_follow_one_after_the_other_and_who_has_it_is_passed_over(self):
        path = self.program("everywhere")
        asked = self.mesh.nodes[1]
        runs = [self.counting(node) for node in self.mesh.nodes]
        self.mesh.command(self.mesh.nodes[2], "upgrade", path, seconds=120)
        document = json.loads(self.mesh.command(asked, "upgrade", "--rolling", "--json", path, seconds=240))
        states = {host["name"]: host["state"] for host in document["hosts"]}
        self.assertEqual(states, {"n1": "upgraded", "n2": "upgraded", "n3": "unchanged"})
        meshes.wait_until(lambda: len(set(self.versions().values())) == 1, "all say the same")
        self.assertNotIn("VERSION", self.mesh.command(self.node, "members").splitlines()[0])
        for run, gate in runs:
            self.assert_counted(run, gate)
        # One that had it already is signed once more: what runs everywhere is what was wanted there.
        for node in self.mesh.nodes:
            self.assertIn(f"signed for {USER}@{asked.name} at 2", self.said_of_program(node)[1])
        document = json.loads(self.mesh.command(asked, "upgrade", "--rolling", "--json", path, seconds=60))
        self.assertEqual({host["state"] for host in document["hosts"]}, {"unchanged"})

    def test_an_older_program_takes_the_place_of_a_newer_one_only_where_that_is_meant(self):
        before, process = self.versions(), self.node.daemon_pid()
        said = self.said_of_program(self.node)
        older = self.program("older", OLDER)
        for more in ([], ["--rolling"]):
            self.assert_refused(self.mesh.attempt(self.node, "upgrade", *more, older), 125, "upgrade.older")
        self.assertEqual((self.versions(), self.node.daemon_pid()), (before, process))
        self.assertFalse([name for name in os.listdir(self.mesh.folder) if ".new-" in name])
        self.assertEqual(self.said_of_program(self.node), said)
        # It is no daemon, so it comes no further; but it was executed.
        done = self.mesh.attempt(self.node, "upgrade", "--allow-older", older, seconds=120)
        self.assert_refused(done, 125, "upgrade.taken_back")
        meshes.wait_until(lambda: self.versions() == before, "it is what it was", 60)
        result, detail, _ = self.said_of_program(self.node)
        self.assertEqual(result, "ok", detail)
        self.assertRegex(detail, r"; the upgrade to 0\.0\.9\+[0-9a-f]{8} was taken back$")

    def test_a_program_that_nobody_signed_is_seen_and_can_be_signed(self):
        """As after a package was updated, or somebody exchanged the file."""
        node = self.mesh.nodes[2]
        before = self.versions()[node.name]
        self.mesh.command(node, "upgrade", self.program("wanted"), seconds=120)
        self.assertEqual(self.said_of_program(node)[0], "ok")
        meshes.wait_until(lambda: self.versions()[node.name] not in (before, "0.1.0"), "it says so")
        wanted = self.versions()[node.name]
        # Until then its end would be taken for the new program's failure.
        meshes.wait_until(lambda: not self.is_watched(node), "nobody takes it back any more")
        node.kill_daemon()
        shutil.copy(self.program("exchanged"), node.binary + ".next")
        os.replace(node.binary + ".next", node.binary)
        node.start_again()
        self.mesh.wait_alive(node, self.node_count, voters=3)
        meshes.wait_until(lambda: self.versions()[node.name] != wanted, "it says what it is", 30)
        result, detail, hint = self.said_of_program(node)
        self.assertEqual(result, "warn")
        self.assertIn(f" runs, and not {wanted}, which was signed for {USER}@{node.name} at 2", detail)
        self.assertIn("sudo swarmlet upgrade", hint)
        with open(os.path.join(node.data, "daemon.log"), encoding="utf-8") as stream:
            self.assertIn("warning: the program of this daemon: " + detail, stream.read())
        # Another member sees it as well.
        checks = json.loads(self.mesh.attempt(self.node, "doctor", node.name, "--json").stdout)["checks"]
        self.assertIn(("program", "warn"), [(check["check"], check["result"]) for check in checks])
        process = node.daemon_pid()
        self.mesh.command(node, "upgrade", seconds=60)
        self.assertEqual(node.daemon_pid(), process)
        result, detail, _ = self.said_of_program(node)
        self.assertEqual(result, "ok")
        self.assertIn(f"signed for {USER}@{node.name} at 2", detail)
        # And what was signed lies where only the daemon's user reads it.
        self.assertEqual(os.stat(os.path.join(node.data, "program-signed")).st_mode & 0o777, 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "takes root, to become another user")
    def test_who_is_no_administrator_gives_no_host_another_program(self):
        before, process = self.versions(), self.node.daemon_pid()
        words = self.mesh.arguments(self.node, ["upgrade", self.program("users")])
        done = subprocess.run([self.mesh.binary, *words], env={"PATH": os.environ["PATH"], "HOME": "/"}, text=True,
                              capture_output=True, timeout=60, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("[auth.denied]", done.stderr)
        self.assertEqual((self.versions(), self.node.daemon_pid()), (before, process))

    def test_it_stops_at_the_first_host_that_does_not_come_back(self):
        before = self.versions()
        pretender = self.program("impostor", PRETENDER.replace("LEVELS", "1-99"))
        done = self.mesh.attempt(self.node, "upgrade", "--rolling", pretender, seconds=200)
        self.assert_refused(done, 125, "upgrade.taken_back")
        # Each host has its data directory where it has it.
        name = re.search(r"see why, on (n[0-9]):", done.stderr).group(1)
        self.assertIn(f"on {name}: tail {self.mesh.node(name).data}/daemon.log", done.stderr)
        self.assertEqual(len([name for name in before if f"{name} (" in done.stderr.splitlines()[-1]]), 2, done.stderr)
        meshes.wait_until(lambda: self.versions() == before, "all are what they were")


if __name__ == "__main__":
    unittest.main(verbosity=2)
