"""What jobs leave in the memory of a GPU: nobody else finds it. The drivers are Tests/Stubs, without hardware."""

import os
import shutil
import subprocess
import sys
import tempfile

from base import meshes
from test_guests import GuestCase

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpu_memory_probe.py")
STUBS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Stubs")
DEVICE = "GPU-6f1ff2a4-0000-4000-8000-000000000001"
MEMORY = 64 << 20
LEFT = b"what somebody left here"


class Tenants(GuestCase):
    """One host with one NVIDIA card, as its drivers say."""

    gpus = 0

    @classmethod
    def setUpClass(cls):
        cls.driver = tempfile.mkdtemp(prefix="swarmlet-driver-")
        cls.addClassCleanup(shutil.rmtree, cls.driver)
        for source, library in (("nvml.c", "libnvidia-ml.so.1"), ("cuda.c", "libcuda.so.1")):
            subprocess.run(["cc", "-shared", "-fPIC", "-o", os.path.join(cls.driver, library),
                            os.path.join(STUBS, source)], check=True)
        cls.show("")
        with open(os.path.join(cls.driver, "memory"), "wb") as file:
            file.truncate(MEMORY)
        os.environ["LD_LIBRARY_PATH"] = cls.driver
        try:
            super().setUpClass()
        finally:
            del os.environ["LD_LIBRARY_PATH"]

    @classmethod
    def show(cls, more):
        """The card, with more of what its driver says."""
        path = os.path.join(cls.driver, "gpus")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(f"gpu\nuuid={DEVICE}\nname=NVIDIA Stub\npci=00000000:01:00.0\nmemory={MEMORY}\n{more}")
        os.replace(path + ".new", path)

    def obstacle(self):
        """Why no job gets the card."""
        gpu, = self.node.command_json("node", "inspect", self.node.name)["member"]["gpus"]
        return gpu["detail"] if gpu["state"] != "free" else None

    def leave(self):
        """What a job has computed stays in all of the memory."""
        with open(os.path.join(self.driver, "memory"), "wb") as file:
            file.write((LEFT * (MEMORY // len(LEFT) + 1))[:MEMORY])

    def is_left(self):
        with open(os.path.join(self.driver, "memory"), "rb") as file:
            return LEFT[:8] in file.read()

    def calls(self):
        """The calls of the driver since the last time, and for which devices."""
        path = os.path.join(self.driver, "calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            said = [line.split() for line in file]
        os.unlink(path)
        return said

    def wipes(self):
        return sum(call == ["cuInit", DEVICE] for call in self.calls())

    def break_driver(self, call):
        path = os.path.join(self.driver, "fault")
        with open(path, "w", encoding="utf-8") as file:
            file.write(call)
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        return path

    def as_guest(self, token):
        done = self.run_as_guest(token, "--gpus", "1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.strip(), DEVICE)

    def as_member(self, *flags):
        done = self.run_job("--gpus", "1", *flags, "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_nobody_finds_what_another_left_and_who_comes_back_waits_for_nothing(self):
        first, second = self.token("--gpus", "1", "--uses", "9"), self.token("--gpus", "1", "--uses", "9")
        self.as_member()
        self.leave()
        self.calls()
        self.as_guest(first)
        self.assertFalse(self.is_left(), "a guest finds what a member left")
        self.assertEqual(self.wipes(), 1)
        self.leave()
        self.as_guest(first)
        self.assertEqual((self.is_left(), self.wipes()), (True, 0), "his own token's jobs need not be kept apart")
        self.as_guest(second)
        self.assertEqual((self.is_left(), self.wipes()), (False, 1), "the holder of one token finds what another left")
        self.leave()
        self.as_member()
        self.assertEqual((self.is_left(), self.wipes()), (False, 1), "a member finds what a guest left")
        self.leave()
        self.as_member()
        self.assertEqual((self.is_left(), self.wipes()), (True, 0))
        self.as_member("--profile", "strict")
        self.assertEqual((self.is_left(), self.wipes()), (False, 1), "strict is kept apart from other members' jobs")
        done = self.run_job("--profile", "strict", "--", "true")
        self.assertEqual((done.returncode, self.wipes()), (0, 0), "a job without a GPU wipes none")

    def test_where_the_memory_cannot_be_wiped_nobody_else_gets_the_device(self):
        token = self.token("--gpus", "1", "--uses", "20")
        self.as_guest(token)
        self.leave()
        for call in ("cuInit", "cuCtxCreate", "cuMemAlloc", "cuMemsetD8", "cuCtxSynchronize"):
            with self.subTest(call=call):
                fault = self.break_driver(call)
                done = self.run_job("--gpus", "1", "--", "true")
                self.assertEqual(done.returncode, 125, done.stderr)
                self.assertIn("[host.gpu.not_wiped]", done.stderr)
                self.assertIn("CUDA_ERROR_LAUNCH_FAILED", done.stderr)
                self.assertTrue(self.is_left())
                os.unlink(fault)
        self.as_guest(token)
        self.assertTrue(self.is_left(), "it is still his")
        self.as_member()
        self.assertFalse(self.is_left())

    def test_what_looks_for_it_finds_what_was_left_until_it_is_wiped(self):
        """The program of the red team's row S09, which there runs in jobs on a real device."""
        environment = {**os.environ, "LD_LIBRARY_PATH": self.driver, "CUDA_VISIBLE_DEVICES": DEVICE}

        def probe(word):
            return subprocess.run([sys.executable, PROBE, word], env=environment, capture_output=True, text=True, check=True)

        self.assertIn("left in 56 MiB", probe("leave").stdout)
        self.assertIn("found in 56 MiB of 56 MiB", probe("look").stdout)
        subprocess.run([self.mesh.binary, "wipe-device", DEVICE], env=environment, check=True)
        self.assertIn("found in 0 MiB of 56 MiB", probe("look").stdout)

    def test_memory_that_is_the_hosts_is_left_to_the_kernel(self):
        mark = os.path.join(self.driver, "integrated")
        with open(mark, "w", encoding="utf-8"):
            self.addCleanup(os.unlink, mark)
        self.leave()
        self.as_guest(self.token("--gpus", "1", "--uses", "1"))
        self.assertTrue(self.is_left())
        self.assertNotIn("cuMemAlloc", [call for call, _ in self.calls()])

    def test_a_daemon_that_is_killed_while_it_wipes_wipes_again(self):
        token = self.token("--gpus", "1", "--uses", "9")
        self.as_guest(token)
        self.leave()
        self.calls()
        # Like a driver that hangs: the wiping process waits for whoever reads this.
        calls = os.path.join(self.driver, "calls")
        os.mkfifo(calls)
        self.addCleanup(lambda: os.path.exists(calls) and os.unlink(calls))
        job = self.submit("--gpus", "1", "--", "true")
        wiping = meshes.wait_until(self.wiping, "it wipes")
        # Nobody but it and a stranger: the stranger is to blame.
        stranger = subprocess.Popen(["sleep", "600"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        self.addCleanup(self.show, "")
        self.show(f"users={wiping[0]},{stranger.pid}\n")
        self.assertIn(str(stranger.pid), str(meshes.wait_until(self.obstacle, "the card is in use")))
        self.show("")
        meshes.wait_until(lambda: self.obstacle() is None, "the card is free")
        self.node.kill_daemon()
        meshes.wait_until(lambda: not self.wiping(), "what wiped goes with its daemon")
        os.unlink(calls)
        self.assertTrue(self.is_left(), wiping)
        self.node.start_again()
        self.mesh.command(self.node, "wait", str(job))
        self.assertFalse(self.is_left())

    def wiping(self):
        """The processes that wipe this test's device."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if words[1:3] == [b"wipe-device", DEVICE.encode()]:
                found.append(int(pid))
        return found
