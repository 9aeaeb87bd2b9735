"""Keys of a host under a passphrase: what starts it and what does not, and where the passphrase and the keys are to be
found meanwhile, which is nowhere."""

import base64
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
import processes  # noqa: E402
from test_upgrade import PRETENDER  # noqa: E402

PASSPHRASE = "correct horse battery staple"
LOCKED = "k4.secret-pw."
PLAIN = b"swarmlet.seed.1."


class LockedCase(MeshCase):
    """Hosts whose keys are locked, and what is asked of them."""

    def secret(self, text=PASSPHRASE, mode=0o600):
        """Where a passphrase lies, as the commands want it named."""
        name = hashlib.sha256(f"{text} {mode}".encode()).hexdigest()[:8]
        path = os.path.join(self.mesh.folder, f"secret-{name}")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.chmod(path, mode)
        return f"file:{path}"

    def lock(self, node, word="lock", passphrase=PASSPHRASE):
        return self.mesh.attempt(node, "key", word, "--passphrase", self.secret(passphrase))

    def up(self, node, *more):
        """`up` as after a reboot; how it ended."""
        return self.mesh.attempt(node, "up", *node._flags, *more)

    def up_with_passphrase(self, node):
        self.assertEqual(self.up(node, "--passphrase", self.secret()).returncode, 0)

    def keys(self, node):
        return os.path.join(node.data, "keys")

    def key_files(self, node):
        """Path below keys/ -> content, of every file that holds a key."""
        found = {}
        for folder, _, names in os.walk(self.keys(node)):
            for name in names:
                if name not in ("certificates", "rotation"):
                    path = os.path.join(folder, name)
                    with open(path, "rb") as stream:
                        found[os.path.relpath(path, self.keys(node))] = stream.read()
        return found

    def seeds(self, node):
        """The secrets of a host that is not locked: 32 bytes each."""
        seeds = []
        for name, content in self.key_files(node).items():
            if os.path.basename(name) == "noise":
                seeds.append(content)
            else:
                self.assertTrue(content.startswith(PLAIN), name)
                seeds.append(base64.urlsafe_b64decode(content[len(PLAIN):].strip() + b"="))
        self.assertTrue(seeds and all(len(seed) == 32 for seed in seeds))
        return seeds

    def forms(self, seeds):
        for seed in seeds:
            yield from (seed, seed.hex().encode(), seed.hex().upper().encode(), base64.b64encode(seed)[:42],
                        base64.urlsafe_b64encode(seed)[:42])

    def assert_nowhere(self, node, seeds, texts=()):
        """In no file of the data directory."""
        wanted = [*self.forms(seeds), *texts]
        for folder, _, names in os.walk(node.data):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path) or os.path.islink(path) or name.startswith("program"):
                    continue
                with open(path, "rb") as stream:
                    content = stream.read()
                for secret in wanted:
                    self.assertNotIn(secret, content, path)

    def assert_locked(self, node):
        for name, content in self.key_files(node).items():
            self.assertTrue(content.startswith(LOCKED.encode()), name)
        self.assertEqual(self.said_of_keys(node), ("ok", "locked by a passphrase"))

    def said_of_keys(self, node):
        checks = json.loads(self.mesh.attempt(node, "doctor", "--json").stdout)["checks"]
        check = next(check for check in checks if check["check"] == "keys")
        return check["result"], check["detail"]

    def assert_unseen(self, pids):
        """The passphrase is not in the environment, on the command line or behind a descriptor of these processes."""
        looked = 0
        for pid in pids:
            try:
                self.assert_unseen_in(pid)
                looked += 1
            except (FileNotFoundError, ProcessLookupError):
                # What a job starts comes and goes.
                self.assertFalse(processes.alive(pid))
        self.assertGreater(looked, 0)

    def assert_unseen_in(self, pid):
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as stream:
                content = stream.read()
            self.assertNotIn(PASSPHRASE.encode(), content, f"{pid} {name}")
            self.assertNotIn(b"CREDENTIALS_DIRECTORY", content, f"{pid} {name}")
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{number}")
            except FileNotFoundError:
                continue
            self.assertNotIn("secret-", target)
            self.assertNotIn("memfd", target)


class LockHost(LockedCase):
    def test_a_locked_host_starts_with_its_passphrase_only_and_its_job_notices_nothing(self):
        node = self.node
        run, gate = self.counting(node)
        seeds, before = self.seeds(node), self.key_files(node)
        self.assertEqual(self.said_of_keys(node), ("ok", "not locked by a passphrase"))
        for word in ("lock", "unlock"):
            self.assert_refused(self.lock(node, word), 125, "key.daemon_runs")
        self.assertEqual(self.key_files(node), before)
        node.kill_daemon()
        for mode, code in ((0o644, "passphrase.readable"), (0o640, "passphrase.readable")):
            refused = self.mesh.attempt(node, "key", "lock", "--passphrase", self.secret("other", mode))
            self.assert_refused(refused, 125, code)
        self.assert_refused(self.mesh.attempt(node, "key", "lock", "--passphrase", self.secret("")), 125,
                            "input.unreadable")
        self.assert_refused(self.mesh.attempt(node, "key", "lock"), 125, "usage.needs_answer")
        self.assertEqual(self.key_files(node), before)
        done = self.lock(node)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertIn("without the passphrase nobody opens them", done.stderr)
        self.assert_nowhere(node, seeds, [PASSPHRASE.encode()])
        locked = self.key_files(node)
        # A second time changes nothing, and another passphrase neither opens nor locks.
        self.assertEqual(json.loads(self.mesh.command(node, "key", "lock", "--json", "--passphrase", self.secret())),
                         {"schema_version": 1, "changed": False})
        for word in ("lock", "unlock"):
            self.assert_refused(self.lock(node, word, "incorrect"), 125, "tokens.passphrase_wrong")
        # The starts that are refused.
        none = self.up(node)
        self.assert_refused(none, 125, "tokens.key_locked")
        self.assertIn(os.path.join(self.keys(node), "identity"), none.stderr)
        self.assertIn("--passphrase file:PATH", none.stderr)
        wrong = self.up(node, "--passphrase", self.secret("incorrect"))
        self.assert_refused(wrong, 125, "tokens.passphrase_wrong")
        self.assertIn(os.path.join(self.keys(node), "identity"), wrong.stderr)
        self.assert_refused(self.up(node, "--passphrase", self.secret("other", 0o604)), 125, "passphrase.readable")
        self.assert_refused(self.up(node, "--passphrase", "file:/nowhere"), 125, "input.unreadable")
        self.assert_refused(self.up(node, "--passphrase", PASSPHRASE), 2, "usage.bad_value")
        self.assert_refused(self.mesh.attempt(node, "raft", "recover", "--yes"), 125, "tokens.key_locked")
        self.mesh.command(node, "raft", "recover", "--yes", "--passphrase", self.secret())
        self.assertIsNone(node.daemon_pid())
        self.assertEqual(self.key_files(node), locked)
        # And that one which is not.
        self.up_with_passphrase(node)
        self.assert_locked(node)
        self.assertEqual(self.key_files(node), locked)
        jobs = node.job_pids() + list(node.supervisor_pids().values())
        self.assert_unseen([node.daemon_pid(), *jobs])
        self.assertFalse(os.path.realpath(f"/proc/{node.daemon_pid()}/fd/0").startswith("/proc"), "nothing is on stdin")
        node.kill_daemon()
        self.up_with_passphrase(node)
        later = self.submit("--no-send", "--profile", "none", "--", "sleep", "1000")
        self.mesh.wait_running(node, later)
        self.assert_unseen([node.daemon_pid(), *node.job_pids(), *node.supervisor_pids().values()])
        self.mesh.command(node, "cancel", str(later))
        # `rotate mesh` and `rotate node` on a locked host end locked, and the daemon comes back by itself.
        process, identity = node.daemon_pid(), self.key_files(node)["identity"]
        self.mesh.command(node, "rotate", "mesh")
        self.mesh.command(node, "rotate", "node")
        meshes.wait_until(lambda: self.key_files(node).get("identity") not in (None, identity)
                          and not os.path.exists(os.path.join(self.keys(node), "other"))
                          and self.mesh.attempt(node, "members").returncode == 0, "it has one key, and another one", 60)
        self.assertEqual(node.daemon_pid(), process)
        self.assert_locked(node)
        self.assert_nowhere(node, seeds, [PASSPHRASE.encode()])
        self.assert_unseen([process, *node.job_pids(), *node.supervisor_pids().values()])
        node.kill_daemon()
        self.assert_refused(self.up(node), 125, "tokens.key_locked")
        self.up_with_passphrase(node)
        self.assert_counted(run, gate)
        node.kill_daemon()
        self.assertEqual(self.lock(node, "unlock").returncode, 0)
        self.assertEqual(self.up(node).returncode, 0)
        self.assertEqual(self.said_of_keys(node), ("ok", "not locked by a passphrase"))


class LockAndCopies(LockedCase):
    node_count = 2

    def test_the_mesh_key_goes_from_a_locked_host_to_a_locked_host_and_lies_open_on_neither(self):
        first, second = self.mesh.nodes
        plain = first.command("key", "export")
        seeds = [base64.urlsafe_b64decode(plain[len(PLAIN):].strip() + "=")]
        for node in self.mesh.nodes:
            node.kill_daemon()
            self.assertEqual(self.lock(node).returncode, 0)
        line = first.command("key", "export")
        self.assertTrue(line.startswith(LOCKED))
        self.assertEqual(line.encode(), self.key_files(first)["mesh"])
        self.assertEqual(first.command("key", "export", "--passphrase", self.secret()), line)
        self.assert_refused(self.mesh.attempt(first, "key", "export", "--passphrase", self.secret("x")), 125,
                            "tokens.passphrase_wrong")
        for stdin, more, exit_code, code in (
                (plain, [], 125, "tokens.key_locked"), (line, [], 2, "usage.conflict"),
                (plain, ["--passphrase", self.secret("x")], 125, "tokens.passphrase_wrong")):
            done = self.mesh.attempt(second, "key", "import", "-", *more, stdin=stdin)
            self.assert_refused(done, exit_code, code)
        self.assertNotIn("mesh", self.key_files(second))
        second.command("key", "import", "-", "--passphrase", self.secret(), stdin=line)
        for node in self.mesh.nodes:
            self.up_with_passphrase(node)
            self.assert_nowhere(node, seeds)
        self.mesh.wait_alive(second, 2)
        self.assert_locked(second)
        with open(os.path.join(second.data, "daemon.log"), encoding="utf-8") as stream:
            self.assertIn("this node has the key of its mesh now", stream.read())


class LockAndUpgrade(LockedCase):
    joined = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node.binary = os.path.join(cls.mesh.folder, "swarmlet-own")
        shutil.copy(cls.mesh.binary, cls.node.binary)

    def program(self, name, content=None):
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

    def test_a_host_that_was_founded_under_a_passphrase_comes_back_from_upgrades_by_itself(self):
        node = self.node
        # The first start of all: no key has ever lain open.
        self.mesh.command(node, "up", "--mesh", "locked", *node._flags, "--passphrase", self.secret())
        self.assert_locked(node)
        self.assertEqual(set(self.key_files(node)), {"identity", "noise", "mesh"})
        run, gate = self.counting(node)
        locked, process = self.key_files(node), node.daemon_pid()
        meshes.wait_until(lambda: "+" in self.mesh.members(node)[0]["version"], "it says what it runs")
        version = self.mesh.members(node)[0]["version"]
        self.mesh.command(node, "upgrade", self.program("next"), seconds=120)
        self.assertEqual(node.daemon_pid(), process)
        meshes.wait_until(lambda: self.mesh.members(node)[0]["version"] != version, "it says so")
        self.assert_unseen([process, *node.job_pids(), *node.supervisor_pids().values()])
        # One that is no daemon: the process that takes it back starts the old one, with nobody there to ask.
        done = self.mesh.attempt(node, "upgrade", self.program("none", PRETENDER.replace("LEVELS", "1-99")),
                                 seconds=120)
        self.assert_refused(done, 125, "upgrade.taken_back")
        meshes.wait_until(lambda: self.mesh.attempt(node, "members").returncode == 0, "the old one is back")
        self.assert_locked(node)
        self.assertEqual(self.key_files(node), locked)
        self.assert_unseen([node.daemon_pid(), *node.job_pids(), *node.supervisor_pids().values()])
        self.assert_nowhere(node, [], [PASSPHRASE.encode()])
        self.assert_counted(run, gate)


class LockAndDie(LockedCase):
    def test_whoever_is_killed_while_locking_or_unlocking_leaves_a_host_that_starts_with_the_passphrase(self):
        node = self.node
        identity = self.mesh.members(node)[0]["id"]
        node.kill_daemon()
        seeds = self.seeds(node)
        for word in ("lock", "unlock"):
            killed_at = set()
            for turn in range(40):
                # Before the first file has its new content, or behind it.
                self.kill_at_work(node, word, turn % 2)
                count = self.locked_count(node)
                killed_at.add(count if word == "lock" else 3 - count)
                if count:
                    self.assert_refused(self.up(node), 125, "tokens.key_locked")
                self.up_with_passphrase(node)
                self.assertEqual(self.mesh.members(node)[0]["id"], identity)
                self.assertEqual(self.said_of_keys(node)[0], "warn" if 0 < count < 3 else "ok")
                node.kill_daemon()
                if 0 in killed_at and killed_at & {1, 2}:
                    break
                if count == (3 if word == "lock" else 0):
                    # It was faster: from the beginning.
                    self.assertEqual(self.lock(node, "unlock" if word == "lock" else "lock").returncode, 0)
            self.assertIn(0, killed_at, f"{word} was killed before the first file")
            self.assertTrue(killed_at & {1, 2}, f"{word} was killed between two files: {killed_at}")
            self.assertEqual(self.lock(node, word).returncode, 0)
            self.assertEqual(self.locked_count(node), 3 if word == "lock" else 0)
            if word == "lock":
                self.assert_nowhere(node, seeds)
        self.assertFalse([name for name in self.key_files(node) if name.endswith(".new")])

    def kill_at_work(self, node, word, done):
        """SIGKILL to `key lock` or `key unlock` when it has begun, or so many files more are as they are to be."""
        before, count = self.key_files(node), self.locked_count(node)
        asked = subprocess.Popen(
            [self.mesh.binary, *self.mesh.arguments(node, ["key", word]), "--passphrase", self.secret()],
            env=self.mesh.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(asked.wait)

        def is_time():
            if asked.poll() is not None:
                return True
            if not done:
                return self.key_files_now(node) != before
            now = self.locked_count(node)
            return now is not None and abs(now - count) >= done
        meshes.wait_until(is_time, "it changes something", every=0.0001)
        asked.kill()
        asked.wait()

    def locked_count(self, node):
        files = self.key_files_now(node)
        return files and sum(files[name].startswith(LOCKED.encode()) for name in ("identity", "noise", "mesh"))

    def key_files_now(self, node):
        """The same while files come and go."""
        try:
            return self.key_files(node)
        except FileNotFoundError:
            return None


class LockedService(LockedCase):
    def daemon(self, node, environment=None):
        """`swarmlet daemon` as a service manager starts it."""
        log = open(os.path.join(self.folder(), "daemon"), "ab")
        self.addCleanup(log.close)
        daemon = subprocess.Popen([self.mesh.binary, "daemon", "--data-dir", node.data], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, env={**self.mesh.environment, **(environment or {})})
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        return daemon

    def said(self):
        with open(os.path.join(self.folder(), "daemon"), encoding="utf-8") as stream:
            return stream.read()

    def test_a_service_gets_the_passphrase_as_a_credential_each_time_it_is_started(self):
        node = self.node
        node.kill_daemon()
        self.assertEqual(self.lock(node).returncode, 0)
        credentials = os.path.join(self.folder(), "credentials")
        os.makedirs(credentials, mode=0o700)
        path = os.path.join(credentials, "swarmlet-passphrase")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(PASSPHRASE)
        os.chmod(path, 0o404)
        environment = {"CREDENTIALS_DIRECTORY": credentials}
        for given, code in ((None, "tokens.key_locked"), (environment, "passphrase.readable")):
            self.assertEqual(self.daemon(node, given).wait(timeout=30), 125)
            self.assertIn(code, self.said())
        os.chmod(path, 0o400)
        for _ in range(2):
            daemon = self.daemon(node, environment)
            meshes.wait_until(lambda: self.mesh.attempt(node, "members").returncode == 0, "it serves")
            self.assert_locked(node)
            job = self.submit("--no-send", "--profile", "none", "--", "sleep", "1000")
            self.mesh.wait_running(node, job)
            for pid in [*node.job_pids(), *node.supervisor_pids().values()]:
                with open(f"/proc/{pid}/environ", "rb") as stream:
                    self.assertNotIn(b"CREDENTIALS", stream.read())
            self.mesh.command(node, "cancel", str(job))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()

    def test_in_a_variable_it_is_not_to_be_read_once_the_daemon_runs(self):
        node = meshes.Node(self.mesh, 2)
        self.mesh.nodes.append(node)
        os.makedirs(node.data, mode=0o711)
        log = open(os.path.join(self.folder(), "daemon"), "ab")
        self.addCleanup(log.close)
        daemon = subprocess.Popen(
            [self.mesh.binary, "daemon", "--data-dir", node.data, "--listen", f"127.0.0.1:{node.port}", "--passphrase",
             "env:SECRET"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**self.mesh.environment, "SECRET": PASSPHRASE})
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        meshes.wait_until(lambda: self.mesh.attempt(node, "version").returncode == 0
                          and os.path.exists(os.path.join(node.data, "socket")), "it serves")
        self.assert_unseen([daemon.pid])
        self.assertTrue(self.key_files(node)["noise"].startswith(LOCKED.encode()))

    def ask_at_terminal(self, node, words, answers):
        """Types each answer when a question has come; exit code and all that was shown."""
        process, terminal = pty.fork()
        if process == 0:
            os.execve(self.mesh.binary, [self.mesh.binary, *self.mesh.arguments(node, words)], self.mesh.environment)
        shown, left, deadline = b"", list(answers), time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                more = os.read(terminal, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
            if left and re.search(rb": $", shown):
                shown += b"|"
                os.write(terminal, left.pop(0).encode())
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode(errors="replace")

    def test_at_a_terminal_it_is_asked_for_and_never_shown(self):
        node = meshes.Node(self.mesh, 3)
        self.mesh.nodes.append(node)
        node.found("another")
        node.kill_daemon()
        before = self.key_files(node)
        code, shown = self.ask_at_terminal(node, ["key", "lock"], ["one\n", "two\n"])
        self.assertEqual(code, 2, shown)
        self.assertIn("the two passphrases differ", shown)
        code, shown = self.ask_at_terminal(node, ["key", "lock"], ["one\x03"])
        self.assertNotEqual(code, 0, shown)
        self.assertEqual(self.key_files(node), before)
        typed = "wrong\x15correct horse\x7f\x7f\x7f\x7f\x7fhouse\n"
        code, shown = self.ask_at_terminal(node, ["key", "lock"], [typed, "correct house\n"])
        self.assertEqual(code, 0, shown)
        code, shown = self.ask_at_terminal(node, ["up"], ["correct horse\n"])
        self.assertEqual(code, 125, shown)
        self.assertIn("tokens.passphrase_wrong", shown)
        code, shown = self.ask_at_terminal(node, ["up"], ["correct house\n"])
        self.assertEqual(code, 0, shown)
        self.assertNotIn("correct", shown)
        # A daemon that runs is asked nothing for.
        code, shown = self.ask_at_terminal(node, ["up"], [])
        self.assertEqual((code, "passphrase" in shown), (0, False), shown)
        self.assertEqual(self.said_of_keys(node), ("ok", "locked by a passphrase"))
