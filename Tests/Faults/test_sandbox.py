"""What a job can reach from inside its sandbox, each beside something ordinary that has to work.

The rows of the list of attacks that concern the launcher, by their names: S is escape, F is files, D is exhaustion.
"""

import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import processes_marker  # noqa: E402
from base import MeshCase, meshes  # noqa: E402

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandbox_probe.py")
DENIED = ("EACCES", "EPERM", "ENOENT", "EROFS", "ENOTDIR")
REFUSED = ("EPERM", "ENOSYS")
IS_X86 = platform.machine() == "x86_64"
# Of asm/unistd_64.h and asm-generic/unistd.h.
CALLS = {
    "unshare": (272, 97), "setns": (308, 268), "ptrace": (101, 117), "process_vm_readv": (310, 270), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "add_key": (248, 217), "keyctl": (250, 219), "request_key": (249, 218), "io_uring_setup": (425, 425),
    "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "clone3": (435, 435),
    "clone": (56, 220), "open_by_handle_at": (304, 265), "syslog": (103, 116), "personality": (135, 92),
    "ioctl": (16, 29), "init_module": (175, 105), "kexec_load": (246, 104), "sethostname": (170, 161), "getpid": (39, 172),
}


def number(name):
    return CALLS[name][0 if IS_X86 else 1]


class SandboxCase(MeshCase):
    """One host whose data directory lies where a sandbox has to hide it: not below /tmp, which every job has of its own."""

    profile = "strict"

    @classmethod
    def setUpClass(cls):
        base = "/var/lib" if os.geteuid() == 0 else os.path.expanduser("~")
        os.environ["SWARMLET_MESH_FOLDER"] = base
        try:
            super().setUpClass()
        finally:
            del os.environ["SWARMLET_MESH_FOLDER"]
        detail = next(check["detail"] for check in cls.mesh_checks() if check["check"] == "sandbox")
        profiles = ("none", "standard", "strict")
        given = detail.split(":")[0]
        if profiles.index(given) < profiles.index(cls.profile):
            raise unittest.SkipTest(f"this host gives no profile {cls.profile}: {detail}")

    @classmethod
    def mesh_checks(cls):
        return json.loads(cls.mesh.attempt(cls.node, "doctor", "--json").stdout)["checks"]

    def probe(self, *tries, flags=(), seconds=90):
        """The answers to the tries, made by a job in the profile of the class."""
        shutil.copy(PROBE, os.path.join(self.folder(), "probe.py"))
        done = self.run_job("--profile", self.profile, *flags, "--", "/usr/bin/python3", "probe.py",
                            json.dumps([list(one) for one in tries]), seconds=seconds)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_all(self, answers, allowed, tries):
        for answer, one in zip(answers, tries):
            self.assertIn(answer, allowed, f"{one} came out as {answer}")

    def assert_denied(self, *tries, allowed=DENIED, flags=()):
        self.assert_all(self.probe(*tries, flags=flags), allowed, tries)


class Everybody(SandboxCase):
    """What holds in both profiles; the tests of the strict one are repeated for members below."""

    def test_s01_it_reads_nothing_of_the_daemon_of_other_jobs_or_of_the_kernel(self):
        other = self.submit("--profile", self.profile, "--", "sh", "-c", "echo secret > mine; sleep 60")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(other))
        work = os.path.join(self.node.data, "work", f"{other}.0.1")
        meshes.wait_until(lambda: os.path.exists(os.path.join(work, "mine")), "the other job has written")
        data = self.node.data
        tries = [("read", path) for path in (
            "/etc/shadow", f"{data}/keys/identity", f"{data}/keys/mesh", f"{data}/raft.db", f"{data}/daemon.log",
            f"{work}/mine", "/proc/1/environ", "/proc/1/maps", "/proc/1/exe", "/proc/1/root/etc/hostname", "/dev/mem",
            "/dev/kmsg", "/proc/kcore", "/dev/vda", "/dev/sda")]
        tries += [("names", path) for path in (f"{data}/keys", f"{data}/logs", work, "/proc/1/fd", "/proc/1/root")]
        tries += [("connect_name", f"{data}/socket"), ("connect_name", "/var/run/docker.sock"),
                  ("connect_name", "/run/dbus/system_bus_socket"), ("call", number("syslog"), 3, "buffer", 1)]
        self.assert_denied(*tries)
        ordinary = [("read", "probe.py"), ("read", "/usr/bin/env"), ("read", "/proc/self/environ"), ("create", "mine")]
        self.assert_all(self.probe(*ordinary), ("done",), ordinary)

    def test_s01_the_directories_of_other_jobs_are_not_even_named(self):
        seen = self.probe(("names", f"{self.node.data}/work"), ("names", self.node.data))
        self.assertEqual(len(seen[0]), 1, seen)
        self.assertEqual(seen[1], ["work"])

    def test_s02_it_inherits_no_environment_no_descriptor_and_no_directory(self):
        os.environ["LEAK_CANARY"] = "1"
        self.addCleanup(os.environ.pop, "LEAK_CANARY")
        names, left, where = self.probe(("environment",), ("descriptors",), ("chdir", "."), flags=("-e", "GIVEN=1"))
        self.assertIn("GIVEN", names)
        self.assertNotIn("LEAK_CANARY", names)
        self.assertNotIn("SWARMLET_DATA_DIR", names)
        self.assertEqual(left, [])
        self.assertRegex(where, r"/work/\d+\.0\.1$")
        # The trick of CVE-2024-21626: a directory of the host that was left open.
        self.assert_denied(*[("chdir", f"/proc/self/fd/{n}") for n in range(3, 12)])

    def test_s03_the_program_of_the_daemon_is_neither_read_nor_replaced(self):
        with open(self.mesh.binary, "rb") as stream:
            before = hashlib.sha256(stream.read()).hexdigest()
        self.assert_denied(("write", "/proc/1/exe"), ("read", "/proc/1/exe"), ("write", self.mesh.binary),
                           ("create", self.mesh.binary))
        with open(self.mesh.binary, "rb") as stream:
            self.assertEqual(hashlib.sha256(stream.read()).hexdigest(), before)

    def test_s04_the_kernels_controls_are_not_written_and_nothing_is_mounted(self):
        tries = [("write", path) for path in (
            "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/oom_score_adj",
            "/proc/sys/vm/drop_caches", "/dev/console", "/etc/passwd", "/usr/bin/env", "/bin/sh")]
        tries += [("call", number("mount"), "none", "/tmp", "tmpfs", 0, 0), ("call", number("umount2"), "/proc", 0),
                  ("call", number("umount2"), self.node.data, 2), ("call", number("pivot_root"), ".", "."),
                  ("call", number("chroot"), "/")]
        self.assert_denied(*tries)
        ordinary = [("write", "/dev/null"), ("create", "/tmp/x"), ("create", "/dev/shm/x"),
                    ("write", "/proc/self/oom_score_adj", "600")]
        self.assert_all(self.probe(*ordinary), ("done",), ordinary)

    def test_s04_a_link_that_a_job_leaves_is_not_followed_when_its_checkpoints_are_put_back(self):
        canary = os.path.join(self.mesh.folder, "canary")
        os.makedirs(canary, exist_ok=True)
        # The first attempt puts a link in the place of its checkpoint directory and fails; the second begins all the same.
        done = self.run_job("--profile", self.profile, "--retry", "1", "--checkpoint", "ckpt", "--", "sh", "-c",
                            f"if [ $SWARMLET_ATTEMPT = 1 ]; then rmdir ckpt; ln -s {canary} ckpt; exit 1; fi; "
                            "echo x > ckpt/a.pt && echo second")
        self.assertEqual((done.returncode, done.stdout), (0, "second\n"), done.stderr)
        self.assertEqual(os.listdir(canary), [])

    def test_s05_namespaces_are_neither_made_nor_entered(self):
        tries = [("call", number("unshare"), flag) for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000)]
        tries += [("call", number("setns"), 0, 0), ("call", number("clone"), 0x10000000 | 17, 0, 0, 0, 0),
                  ("call", number("clone3"), "hex:" + (b"\x00\x00\x00\x10" + bytes(60)).hex(), 64)]
        self.assert_denied(*tries, allowed=REFUSED)
        program = "import threading; t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()"
        done = self.run_job("--profile", self.profile, "--", "/usr/bin/python3", "-c", program)
        self.assertEqual((done.returncode, done.stdout), (0, "thread\n"), done.stderr)

    def test_s06_a_setuid_program_gives_nothing(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make a setuid program of root's")
        job = self.submit("--profile", self.profile, "--", "sh", "-c",
                          "until [ -e go ]; do sleep 0.05; done; ./id -u; grep -E 'NoNewPrivs|CapBnd' /proc/self/status")
        work = os.path.join(self.node.data, "work", f"{job}.0.1")
        meshes.wait_until(lambda: os.path.isdir(work), "the job has its directory")
        shutil.copy("/usr/bin/id", f"{work}/id")
        os.chmod(f"{work}/id", 0o4755)
        with open(f"{work}/go", "w", encoding="utf-8"):
            pass
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 0)
        lines = self.mesh.command(self.node, "logs", str(job)).splitlines()
        self.assertNotEqual(lines[0], "0")
        self.assertEqual([line.split()[1] for line in lines[1:]], ["0" * 16, "1"])

    def test_s06_what_a_job_is_given_to_preload_is_loaded_by_the_job_alone(self):
        job = self.submit("--profile", self.profile, "-e", "LD_PRELOAD=/nowhere/evil.so", "--", "sleep", "60")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(job))
        meshes.wait_until(self.node.job_pids, "the job runs")
        for supervisor in self.node.supervisor_pids().values():
            with open(f"/proc/{supervisor}/environ", encoding="utf-8") as stream:
                self.assertNotIn("evil", stream.read())

    def test_s07_limits_are_not_raised_and_control_groups_not_touched(self):
        groups = "/sys/fs/cgroup"
        tries = [("write", f"{groups}/{path}") for path in (
            "cgroup.procs", "memory/memory.limit_in_bytes", "memory/tasks", "pids/tasks", "cpu/cpu.cfs_quota_us",
            "devices/devices.allow", "memory/release_agent", "release_agent")]
        tries += [("create", f"{groups}/memory/mine"), ("create", f"{groups}/mine")]
        self.assert_denied(*tries)
        answers = self.probe(("raise_limit", "RLIMIT_CORE"), ("raise_limit", "RLIMIT_NOFILE"), ("read", "/proc/self/cgroup"))
        self.assertIn("not allowed", answers[0])
        self.assertIn("not allowed", answers[1])
        self.assertEqual(answers[2], "done")

    def test_s08_there_are_no_devices_but_harmless_ones(self):
        self.assert_denied(("node", "character", 1, 1), ("node", "block", 254, 0), ("read", "/dev/nvidia0"),
                           ("read", "/dev/vda"), ("read", "/dev/kvm"), ("read", "/dev/fuse"), ("create", "/dev/mine"))
        names, made = self.probe(("names", "/dev"), ("fifo",))
        harmless = {"null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr", "tty", "pts",
                    "ptmx", "infiniband"}
        self.assertLessEqual(set(names), harmless)
        self.assertEqual(made, "done")

    def test_s10_without_a_network_there_is_only_its_own_loopback(self):
        with socket.socket() as server, socket.socket(socket.AF_UNIX) as named:
            server.bind(("127.0.0.1", 0))
            server.listen()
            name = f"@swarmlet-test-{os.getpid()}"
            named.bind("\0" + name[1:])
            named.listen()
            tries = [("connect", "127.0.0.1", server.getsockname()[1]), ("connect", "127.0.0.1", self.node.port),
                     ("connect", "169.254.169.254", 80), ("connect", "192.0.2.1", 80), ("connect_name", name)]
            self.assert_denied(*tries, allowed=("ECONNREFUSED", "ENETUNREACH", "EPERM", "EACCES"),
                               flags=("--network", "off"))
        raw = [("open_socket", 2, 3, 1), ("open_socket", 17, 3, 3), ("open_socket", 40, 1), ("open_socket", 38, 5),
               ("open_socket", 16, 3, 9), ("open_socket", 2, 1, 262)]
        self.assert_denied(*raw, allowed=("EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT"))
        ordinary = [("own_loopback",), ("open_socket", 1, 1), ("open_socket", 16, 3, 0)]
        self.assert_all(self.probe(*ordinary, flags=("--network", "off")), ("done",), ordinary)

    def test_s10_abstract_sockets_of_the_host_are_not_reached_with_the_network_either(self):
        with socket.socket(socket.AF_UNIX) as named:
            name = f"@swarmlet-test-{os.getpid()}"
            named.bind("\0" + name[1:])
            named.listen()
            abstract, = self.probe(("connect_name", name), flags=("--network", "on"))
        landlock = next(check["detail"] for check in self.mesh_checks() if check["check"] == "sandbox")
        if self.profile == "strict":
            self.assertIn(abstract, ("ECONNREFUSED", "EPERM"))
        elif "Landlock" in landlock and int(landlock.split("Landlock ")[1].split(",")[0]) >= 6:
            self.assertEqual(abstract, "EPERM")

    def test_s11_what_reaches_into_the_kernel_is_refused(self):
        names = ("add_key", "keyctl", "request_key", "io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "clone3",
                 "open_by_handle_at", "syslog", "init_module", "kexec_load", "sethostname")
        tries = [("call", number(name), 0, 0, 0) for name in names]
        tries += [("call", number("ioctl"), 0, 0x5412, "x"), ("call", number("ioctl"), 0, 0x541C, "x"),
                  ("call", number("personality"), 0x0400000)]
        self.assert_denied(*tries, allowed=REFUSED)
        self.assertEqual(self.probe(("call", number("getpid"))), ["done"])

    @unittest.skipUnless(IS_X86, "x32 and int 0x80 are doors of x86-64 only")
    def test_s11_the_doors_of_other_architectures_are_shut(self):
        x32, compat = self.probe(("call", 0x40000000 | 39), ("compat_call", 20))
        self.assertEqual(x32, "ENOSYS")
        self.assertIn(compat, ("SIGSYS", "SIGSEGV", "ENOSYS"))

    def test_s11_no_system_call_at_all_hurts_the_host(self):
        self.assertEqual(self.probe(("every_call", 0, 600), flags=("--time", "240s"), seconds=300), ["done"])
        self.assertEqual(self.run_job("--no-send", "--", "true").returncode, 0)

    def test_s12_nothing_outlives_it(self):
        marker = processes_marker.new()
        script = (f"trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM; sleep {marker} & wait' &) ; "
                  f"nohup sleep {marker} > out 2>&1 & sleep 0.3; echo left")
        done = self.run_job("--profile", self.profile, "--", "sh", "-c", script)
        self.assertEqual((done.returncode, done.stdout), (0, "left\n"), done.stderr)
        meshes.wait_until(lambda: not processes_marker.holders(marker), "all of it is gone", 10)

    def test_s12_it_dies_with_its_supervisor_and_lives_on_without_the_daemon(self):
        job = self.submit("--profile", self.profile, "--", "sh", "-c", "echo $$; exec sleep 600")
        meshes.wait_until(lambda: self.mesh.attempt(self.node, "logs", str(job)).stdout, "it runs")
        before = set(self.node.job_pids())
        self.node.kill_daemon()
        self.node.start_again()
        self.assertLessEqual(before, set(self.node.job_pids()))
        os.kill(self.node.supervisor_pids()[str(job)], signal.SIGKILL)
        meshes.wait_until(lambda: not [p for p in before if os.path.exists(f"/proc/{p}")], "its processes are gone", 10)
        self.mesh.attempt(self.node, "cancel", str(job))

    def test_f02_a_result_that_is_a_link_to_the_host_brings_nothing_of_it(self):
        canary = os.path.join(self.mesh.folder, "canary-file")
        with open(canary, "w", encoding="utf-8") as stream:
            stream.write("must stay here")
        done = self.run_job("--profile", self.profile, "--out", "result", "--", "sh", "-c", f"ln -s {canary} result")
        result = os.path.join(self.folder(), "result")
        if os.path.exists(result) and not os.path.islink(result):
            with open(result, encoding="utf-8") as stream:
                self.assertNotIn("must stay here", stream.read())
        self.assertNotIn("must stay here", done.stdout + done.stderr)
        self.assertIn(self.probe(("link", "/usr/bin/env", "hard"))[0], ("EXDEV", "EPERM", "EACCES"))

    def test_f03_what_is_no_file_is_left_out_of_results_and_what_is_endless_holds_nobody_up(self):
        made = ("import os, socket; os.mkfifo('r/pipe'); s = socket.socket(socket.AF_UNIX); s.bind('r/socket');"
                " os.truncate(os.open('r/holes', os.O_CREAT | os.O_RDWR), 1 << 40); open('r/plain', 'w').write('plain');"
                " os.symlink('/dev/zero', 'r/zero'); os.symlink('/proc/self/environ', 'r/environ'); os.mkdir('r/deep');"
                " open('r/deep/file', 'w').write('deep'); os.link('r/plain', 'r/second')")
        done = self.run_job("--profile", self.profile, "--out", "r", "--", "sh", "-c",
                            f'mkdir r; /usr/bin/python3 -c "{made}" && chmod 4777 r/plain', seconds=90)
        self.assertEqual(done.returncode, 0, done.stderr)
        folder = os.path.join(self.folder(), "r")
        self.assertEqual(sorted(os.listdir(folder)), ["deep", "plain", "second"])
        self.assertEqual(os.stat(os.path.join(folder, "plain")).st_mode & 0o7000, 0)

    def test_s13_its_first_process_is_out_of_reach_for_the_job_and_for_what_is_run_beside_it(self):
        shutil.copy(PROBE, os.path.join(self.folder(), "probe.py"))
        job = self.submit("--profile", self.profile, "--", "sleep", "300")
        self.addCleanup(self.mesh.attempt, self.node, "cancel", str(job))
        meshes.wait_until(lambda: self.mesh.attempt(self.node, "exec", str(job), "--", "true").returncode == 0, "it runs")
        tries = [["read", "/proc/1/mem"], ["write", "/proc/1/mem"], ["names", "/proc/1/root"], ["names", "/proc/1/fd"],
                 ["read", "/proc/1/environ"], ["call", number("ptrace"), 16, 1, 0, 0],
                 ["call", number("kcmp"), 1, 1, 0, 0, 0],
                 ["write", "/proc/1/oom_score_adj", "1000"], ["status", "CapPrm"], ["status", "NoNewPrivs"]]
        own = [["names", "/proc/self/fd"], ["send_signal", 1]]
        for answers in (self.probe(*tries, *own),
                        json.loads(self.mesh.command(self.node, "exec", str(job), "--", "/usr/bin/python3", "probe.py",
                                                     json.dumps(tries + own)))):
            self.assert_all(answers[:8], DENIED + REFUSED, tries)
            self.assertEqual(answers[8:10], ["0" * 16, "1"])
            self.assertIsInstance(answers[10], list)
        # Nor is it ended by what it is sent from inside; what is outside goes on to end it.
        self.mesh.attempt(self.node, "exec", str(job), "--", "sh", "-c", "kill -9 1; kill -TERM 1; kill -STOP 1")
        self.assertEqual(self.mesh.attempt(self.node, "exec", str(job), "--", "echo", "here").stdout, "here\n")

    def test_d04_bombs_end_or_are_held_and_the_host_serves_on(self):
        self.assertIn(self.probe(("open_until_refused", 2_000_000))[0], ("EMFILE", "ENFILE"))
        if os.geteuid() == 0:
            shutil.copy(PROBE, os.path.join(self.folder(), "probe.py"))
            done = self.run_job("--profile", self.profile, "--mem", "2G", "--", "/usr/bin/python3", "probe.py",
                                json.dumps([["fork_until_refused", 30_000]]), seconds=90)
            # Whichever limit it meets first.
            self.assertIn((done.returncode, done.stdout), ((137, ""), (0, '["EAGAIN"]\n')), done.stderr)
            done = self.run_job("--profile", self.profile, "--mem", "64M", "--", "/usr/bin/python3", "-c",
                                "x = bytearray(1 << 30); print(len(x))")
            self.assertEqual(done.returncode, 137, done.stderr)
            done = self.run_job("--profile", self.profile, "--mem", "64M", "--", "sh", "-c",
                                "head -c 1G /dev/zero > /tmp/big")
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.run_job("--no-send", "--", "true").returncode, 0)


class Strangers(SandboxCase):
    """What the strict profile adds."""

    def test_it_has_a_user_of_its_own_and_no_groups(self):
        (user, group, groups), names = self.probe(("identity",), ("environment",))
        self.assertGreaterEqual(user, 0x71000000)
        self.assertEqual((group, groups), (user, []))
        self.assertIn("HOME", names)
        done = self.run_job("--profile", "strict", "--", "sh", "-c", "id -un; hostname; cd ~ && pwd")
        self.assertEqual(done.stdout.splitlines()[:2], ["job", "swarmlet"])

    def test_s01_homes_and_the_rest_of_the_host_are_not_there(self):
        self.assert_denied(("names", "/home"), ("names", "/root"), ("names", "/sys"), ("names", "/var/lib/dpkg"),
                           ("names", "/boot"), ("names", "/mnt"), ("names", "/srv"), ("read", "/etc/hostname"),
                           allowed=("ENOENT",))
        root, = self.probe(("names", "/"))
        self.assertLessEqual(set(root), {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix", "gnu", "etc",
                                         "dev", "proc", "tmp", "run", "var"})

    def test_s05_it_looks_into_no_other_process(self):
        tries = [("call", number("ptrace"), 16, 1, 0, 0), ("call", number("process_vm_readv"), 1, 0, 0, 0, 0, 0),
                 ("call", number("kcmp"), 1, 1, 0, 0, 0), ("call", number("pidfd_getfd"), 0, 0, 0), ("trace_own_child",)]
        self.assert_denied(*tries, allowed=REFUSED)
        self.assertEqual(self.probe(("send_signal", 1))[0], "EPERM")

    def test_s10_it_has_no_network_unless_it_was_granted(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            one = ("connect", "127.0.0.1", server.getsockname()[1])
            proxied = ("ask_proxy", "CONNECT", f"127.0.0.1:{server.getsockname()[1]}")
            self.assertEqual(self.probe(one, proxied), ["ECONNREFUSED", "ECONNREFUSED"])
            self.assertEqual(self.probe(one, proxied, flags=("--network", "on")), ["ECONNREFUSED", "403"])

    def test_s10_its_proxy_does_not_go_to_the_host_to_the_mesh_or_to_what_a_cloud_tells_its_machines(self):
        with socket.socket() as server:
            server.bind(("", 0))
            server.listen()
            port = server.getsockname()[1]
            own = [address for address in subprocess.run(
                ["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split() if ":" not in address]
            names = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "0", "localhost", "[::1]",
                     "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", *own]
            tries = [("ask_proxy", "CONNECT", f"{name}:{where}") for name in names for where in (port, self.node.port)]
            tries += [("ask_proxy", "GET", f"http://{name}:{port}/") for name in names]
            tries += [("ask_proxy", "CONNECT", f"{name}:80") for name in (
                "169.254.169.254", "100.100.100.200", "168.63.129.16", "[fe80::1]", "[fd00:ec2::254]")]
            self.assert_all(self.probe(*tries, flags=("--network", "on")), ("403",), tries)
            server.settimeout(0)
            with self.assertRaises(BlockingIOError, msg="somebody came"):
                server.accept()
        bad = [("ask_proxy", "GET", "/"), ("ask_proxy", "CONNECT", "host"), ("ask_proxy", "GET", "http://a b/")]
        self.assert_all(self.probe(*bad, ("ask_proxy", "GET", "http://a/" + "x" * 20_000), flags=("--network", "on")),
                        ("400", "431"), [*bad, "a long one"])
        told = self.probe(("ask_proxy", "GET", "http://name.invalid/"), ("fetch", "http://192.0.2.1.invalid/"),
                          flags=("--network", "on"))
        self.assertEqual(told[0], "502")
        self.assertEqual(told[1], "502 swarmlet: 192.0.2.1.invalid is not known to the host that the job runs on\n")

    def test_results_and_checkpoints_work_as_for_everybody(self):
        done = self.run_job("--profile", "strict", "--checkpoint", "ckpt", "--out", "*.txt", "--", "sh", "-c",
                            "echo 1 > ckpt/a.pt; echo out > r.txt; echo $SWARMLET_CHECKPOINT_DIR")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder(), "r.txt"), encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "out\n")

    def test_another_user_cannot_be_asked_for(self):
        self.assert_refused(self.run_job("--profile", "strict", "--run-as", "nobody", "--", "true"), 2, "usage.conflict")


class Members(Everybody):
    """The same attacks from a member's job."""

    profile = "standard"

    def test_s10_with_the_network_it_is_in_that_of_the_host(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            self.assertEqual(self.probe(("connect", "127.0.0.1", server.getsockname()[1]), ("ask_proxy", "GET", "/")),
                             ["done", "ECONNREFUSED"])

    def test_a_debugger_works_on_its_own_children(self):
        self.assertEqual(self.probe(("trace_own_child",)), ["done"])

    def test_the_host_is_where_it_always_was(self):
        places = ("/usr/bin/python3", "/etc/passwd", "/sys/devices/system/cpu/online", "/proc/meminfo")
        tries = [("read", path) for path in places if os.path.exists(path)] + [("names", "/")]
        answers = self.probe(*tries)
        self.assertEqual(set(answers[:-1]), {"done"})
        self.assertEqual(answers[-1], sorted(os.listdir("/")))


class Setup(SandboxCase):
    """A command before the command, and a network for it alone."""

    profile = "strict"

    def test_the_setup_has_the_network_and_the_command_has_none(self):
        shutil.copy(PROBE, os.path.join(self.folder(), "probe.py"))
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            # A member is in the network of the host, a stranger is told by its proxy that the host is not for it.
            one, answer = ((["ask_proxy", "CONNECT", f"127.0.0.1:{port}"], "403") if self.profile == "strict"
                           else (["connect", "127.0.0.1", port], "done"))
            tries = json.dumps([one, ["own_loopback"]])
            done = self.run_job("--profile", self.profile, "--network", "setup-only", "--setup",
                                f"echo made > by-setup; /usr/bin/python3 probe.py '{tries}'", "--", "sh", "-c",
                                f"cat by-setup; /usr/bin/python3 probe.py '{tries}'")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, f'["{answer}", "done"]\nmade\n["ECONNREFUSED", "done"]\n')

    def test_what_the_setup_leaves_running_is_gone_before_the_command(self):
        marker = processes_marker.new()
        done = self.run_job("--profile", self.profile, "--setup", f"setsid sleep {marker} & echo left", "--", "sh", "-c",
                            "ls -d /proc/[0-9]* | wc -l; sleep 1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split()[0], "left")
        self.assertEqual(processes_marker.holders(marker), [])

    def test_a_setup_that_fails_is_said_to_and_the_command_is_not_run(self):
        for script, said in (("echo no >&2; exit 3", "exit code 3"), ("kill -9 $$", "signal 9")):
            done = self.run_job("--profile", self.profile, "--setup", script, "--", "echo", "ran")
            self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
            self.assertIn("[job.setup_failed]", done.stderr)
            self.assertIn(said, done.stderr)

    def test_a_setup_is_cancelled_and_timed_like_the_command(self):
        done = self.run_job("--profile", self.profile, "--time", "1s", "--grace", "1s", "--setup", "sleep 60", "--", "true")
        self.assertEqual(done.returncode, 124, done.stderr)
        job = self.submit("--profile", self.profile, "--setup", "echo ready; sleep 60", "--", "true")
        meshes.wait_until(lambda: "ready" in self.mesh.attempt(self.node, "logs", str(job)).stdout, "the setup runs")
        self.mesh.command(self.node, "cancel", str(job))
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 130)


    def set_up(self, line, *command, flags=()):
        """The output of a job behind this setup, and what inspect tells of the setup."""
        job = self.submit("--profile", self.profile, *flags, "--setup", line, "--", *command)
        self.assertEqual(self.mesh.attempt(self.node, "wait", str(job)).returncode, 0,
                         self.mesh.attempt(self.node, "logs", str(job)).stdout)
        told = json.loads(self.mesh.command(self.node, "inspect", "--json", str(job)))
        return self.mesh.command(self.node, "logs", str(job)), told["job"]["attempts_list"][0]["setup"]

    def write(self, name, text):
        with open(os.path.join(self.folder(), name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def test_what_a_setup_made_is_kept_for_the_same_line_and_lock_file_and_no_job_spoils_it(self):
        self.write("requirements.txt", "one")
        self.write("main.py", "1")
        line = "mkdir -p env/bin; date +%N > env/made; ln -s /usr/bin/python3 env/bin/python; pwd > env/place"
        script = ("sh", "-c", "cat env/made main.py; test $(cat env/place) = $(pwd); env/bin/python -c 'print()';"
                  " echo spoiled > env/made; echo > env/more")
        first, setup = self.set_up(line, *script)
        self.assertEqual((setup["use"], setup["not_kept_because"]), ("kept", None))
        self.write("main.py", "2")
        second, setup = self.set_up(line, *script, flags=("--network", "setup-only"))
        self.assertEqual(setup["use"], "reused")
        self.assertEqual(second.split(), [first.split()[0], "2"], "the environment of the first, the program of the second")
        self.write("requirements.txt", "two")
        third, setup = self.set_up(line, *script)
        self.assertEqual(setup["use"], "kept")
        self.assertNotEqual(third.split()[0], first.split()[0])
        fourth, setup = self.set_up(line + " ", *script)
        self.assertEqual(setup["use"], "kept")
        self.assertNotIn(fourth.split()[0], (first.split()[0], third.split()[0]))

    def test_tasks_that_start_together_set_up_once(self):
        _, setup = self.set_up("sleep 1; date +%N > made; echo made", "true", flags=("--array", "3"))
        self.assertIsNotNone(setup)
        jobs = json.loads(self.mesh.command(self.node, "ps", "-a", "--json"))["jobs"]
        told = json.loads(self.mesh.command(self.node, "inspect", "--json", jobs[0]["id"]))["job"]["attempts_list"]
        self.assertEqual(sorted(one["setup"]["use"] for one in told), ["kept", "reused", "reused"])

    def test_a_setup_that_fails_or_changes_what_was_sent_leaves_nothing_and_the_next_one_runs_again(self):
        self.write("data", "as sent")
        for line, why in (("echo x >> data; echo made > made", "it changed data, which was sent"),
                          ("rm data; echo made > made", "it changed data, which was sent")):
            for _ in range(2):
                _, setup = self.set_up(line, "cat", "made")
                self.assertEqual((setup["use"], setup["not_kept_because"]), ("ran", why))
        kept = set(os.listdir(os.path.join(self.node.data, "setups")))
        done = self.run_job("--profile", self.profile, "--setup", "echo half > made; exit 7", "--", "true")
        self.assert_refused(done, 125, "job.setup_failed")
        self.assertEqual(set(os.listdir(os.path.join(self.node.data, "setups"))), kept)


class MemberSetup(Setup):
    profile = "standard"


class Mounts(SandboxCase):
    """What the owner of a host lets jobs mount."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.open = os.path.join(cls.mesh.folder, "open")
        cls.closed = os.path.join(cls.mesh.folder, "closed")
        for folder in (cls.open, cls.closed):
            os.makedirs(os.path.join(folder, "deep"))
            os.chmod(folder, 0o777)
            os.chmod(os.path.join(folder, "deep"), 0o777)
            with open(os.path.join(folder, "data"), "w", encoding="utf-8") as stream:
                stream.write("data")
        meshes.processes.signal_all([cls.node.daemon_pid()], signal.SIGTERM)
        meshes.wait_until(lambda: cls.node.daemon_pid() is None, "the daemon has stopped")
        cls.node.command("up", *cls.node._flags, "--allow-mount", cls.open, "--allow-mount", f"{cls.open}/deep:rw")

    def test_what_was_allowed_is_seen_and_written_only_where_that_was_allowed_too(self):
        tries = [("read", "/in/data"), ("create", "/in/mine"), ("names", "/in")]
        read, written, names = self.probe(*tries, flags=("--mount", f"{self.open}:/in"))
        self.assertEqual((read, names), ("done", ["data", "deep"]))
        self.assertIn(written, DENIED)
        self.assertEqual(self.probe(("create", "/in/mine"), flags=("--mount", f"{self.open}/deep:/in:rw")), ["done"])
        self.assertTrue(os.path.exists(os.path.join(self.open, "deep", "mine")))

    def test_what_was_not_allowed_is_refused_and_it_is_said_what_is(self):
        link = os.path.join(self.open, "link")
        if not os.path.islink(link):
            os.symlink(self.closed, link)
        self.addCleanup(os.unlink, link)
        for asked in (self.closed, f"{self.open}:/in:rw", f"{self.node.data}:/in", "/nowhere/at/all", f"{link}:/in"):
            done = self.run_job("--profile", self.profile, "--mount", asked, "--", "true")
            self.assert_refused(done, 125, "job.mount")

    def test_what_is_no_mount_is_refused_before_anything_is_sent(self):
        for asked in ("data", "/a/../b", "/a:b", "/a:/b:rx", "/a:/b:rw:ro", "/", "/a:/", ":"):
            self.assert_refused(self.run_job("--mount", asked, "--", "true"), 2, "usage.bad_value")


class MemberMounts(Mounts):
    profile = "standard"

    def test_what_was_allowed_is_seen_and_written_only_where_that_was_allowed_too(self):
        flags = ("--mount", f"{self.open}/deep:rw", "--mount", self.open)
        read, denied, written = self.probe(("read", f"{self.open}/data"), ("create", f"{self.open}/mine"),
                                           ("create", f"{self.open}/deep/members"), flags=flags)
        self.assertEqual((read, written), ("done", "done"))
        self.assertIn(denied, DENIED)


class Typing(MeshCase):
    def test_profiles_that_are_none_are_refused_with_the_way_out(self):
        self.assert_refused(self.run_job("--profile", "loose", "--", "true"), 2, "usage.bad_value")
        self.assert_refused(self.run_job("--network", "maybe", "--", "true"), 2, "usage.bad_value")
        self.assert_refused(self.run_job("--profile", "none", "--network", "off", "--", "true"), 2, "usage.conflict")
        self.assert_refused(self.run_job("--network", "setup-only", "--", "true"), 2, "usage.conflict")

    def test_without_a_sandbox_there_may_be_a_setup(self):
        done = self.run_job("--profile", "none", "--setup", "echo first > made", "--", "cat", "made")
        self.assertEqual((done.returncode, done.stdout), (0, "first\n"), done.stderr)

    def test_without_a_sandbox_a_job_is_a_program_like_any_other(self):
        done = self.run_job("--profile", "none", "--", "grep", "Seccomp:", "/proc/self/status")
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["Seccomp:", "0"]), done.stderr)


if __name__ == "__main__":
    unittest.main()
