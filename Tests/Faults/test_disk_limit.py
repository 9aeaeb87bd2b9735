"""Jobs that write without end: each is held to what it may keep on disk, and its neighbour and its host go on."""

import os
import shutil
import tempfile
import unittest

from test_disk import SmallDisks, meshes
from test_guests import GuestCase

WRITES = {
    "one file": "cat /dev/zero > big",
    "many files": "i=0; while :; do i=$((i+1)); head -c 1M /dev/zero > f$i; done",
    "empty files": "mkdir e; cd e; while :; do n=$((n+500)); touch $(seq $((n-499)) $n) || exit; done",
    "deep directories": "while :; do mkdir d; cd d; head -c 256K /dev/zero > f; done",
    "a deleted file": "exec 3> gone; rm gone; cat /dev/zero >&3",
    "a hidden directory": "mkdir h; cd h; while :; do i=$((i+1)); head -c 1M /dev/zero > f$i; mv ../h ../g; mv ../g ../h; done",
}


class DiskLimit(GuestCase):
    def test_what_writes_without_end_is_ended_with_the_reason_and_its_neighbour_is_not(self):
        neighbour = self.submit("--disk", "32M", "--", "sh", "-c",
                                "head -c 8M /dev/zero > x; while [ ! -e go ]; do sleep 0.1; done; head -c 8M /dev/zero > y")
        for what, script in WRITES.items():
            with self.subTest(what):
                done = self.run_job("--no-send", "--disk", "32M", "--", "bash", "-c", script, seconds=120)
                self.assertEqual(done.returncode, 153, done.stderr)
                self.assertIn("[job.disk_limit]", done.stderr)
                self.assertIn("--disk 64M", done.stderr)
        attempt = self.mesh.job(self.node, self.mesh.newest_job(self.node)).newest_attempt
        self.assertEqual(attempt["outcome"], "disk limit (32 MiB)")
        with open(os.path.join(self.node.data, "work", f"{neighbour}.0.1", "go"), "w", encoding="utf-8"):
            pass
        self.node.command("wait", str(neighbour))

    def test_a_checkpoint_directory_elsewhere_counts_by_whatever_name(self):
        place = tempfile.mkdtemp(prefix="swarmlet-disk-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        os.makedirs(os.path.join(place, "real"))
        if os.geteuid() == 0:
            os.chown(os.path.join(place, "real"), 65534, 65534)
        os.symlink("real", os.path.join(place, "link"))
        for name in ("made", "link"):
            with self.subTest(name):
                folder = os.path.join(place, name)
                flags = ["--no-send", "--disk", "32M", "--checkpoint", folder, "--", "sh", "-c"]
                done = self.run_job(*flags, 'head -c 8M /dev/zero > "$SWARMLET_CHECKPOINT_DIR/a.pt"; sleep 2', seconds=120)
                self.assertEqual(done.returncode, 0, done.stderr)
                done = self.run_job(*flags, 'cat /dev/zero > "$SWARMLET_CHECKPOINT_DIR/big"', seconds=120)
                self.assertEqual(done.returncode, 153, done.stderr)
                self.assertIn("[job.disk_limit]", done.stderr)
                os.remove(os.path.join(folder, "big"))

    def test_output_without_end_is_no_matter_of_the_directory(self):
        done = self.run_job("--no-send", "--disk", "8M", "--", "sh", "-c", "head -c 64M /dev/zero | tr '\\0' 'x'; echo")
        self.assertEqual(done.returncode, 0, done.stderr[-300:])
        self.assertEqual(len(done.stdout), (64 << 20) + 1)

    def test_a_guest_keeps_what_his_token_allows_and_no_more(self):
        token = self.token("--uses", "3", "--disk", "32M")
        done = self.run_as_guest(token, "--", "sh", "-c", "cat /dev/zero > big")
        self.assertEqual(done.returncode, 153, done.stderr)
        self.assertIn("[job.disk_limit]", done.stderr)
        self.ok(self.run_as_guest(token, "--", "sh", "-c", "head -c 8M /dev/zero > small; sleep 2"))
        more = self.run_as_guest(token, "--disk", "64M", "--", "true")
        self.assert_refused(more, 125, "token.limit.disk")
        less = self.run_as_guest(token, "--disk", "16M", "--", "sh", "-c", "head -c 24M /dev/zero > x; sleep 60")
        self.assertEqual(less.returncode, 153, less.stderr)


class HostsReserve(SmallDisks):
    disk_mib = 320

    def test_a_job_with_a_limit_is_ended_before_the_disk_of_its_host_is_full(self):
        reserve = os.path.join(self.node.data, "raft.reserve")
        meshes.wait_until(lambda: os.path.exists(reserve), "room is kept for the log")
        # Slower than it could: what nobody can see in time is not the claim.
        done = self.run_job("--no-send", "--disk", "10G", "--", "sh", "-c",
                            "while :; do head -c 2M /dev/zero >> big; sleep 0.1; done", seconds=120)
        self.assertEqual(done.returncode, 153, done.stderr)
        self.assertTrue(os.path.exists(reserve), "the room for the log is still there")
        self.assertEqual(self.run_job("--no-send", "--", "echo", "on").stdout, "on\n")


if __name__ == "__main__":
    unittest.main()
