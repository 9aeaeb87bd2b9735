"""Bad invitations, peers that are none, and data directories that must not be used."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import MeshCase, meshes  # noqa: E402
import processes  # noqa: E402


class Admission(MeshCase):
    node_count = 20

    @classmethod
    def setUpClass(cls):
        # Only the first founds a mesh; the others are hosts that try to get in, one for each test.
        cls.joined = False
        super().setUpClass()
        cls.node.found("fault")
        cls.spare = iter(cls.mesh.nodes[1:])

    def join(self, node, invitation, *flags, seconds=40):
        return self.mesh.attempt(node, "join", "-", "--name", node.name, "--listen", f"127.0.0.1:{node.port}", *flags,
                                 stdin=invitation, seconds=seconds)

    def test_an_invitation_that_is_none_is_refused(self):
        node = next(self.spare)
        for wrong in ("", "hello\n", "swm1.\n", "swm1.!!!!\n", "x" * 100_000):
            done = self.join(node, wrong)
            self.assertNotEqual(done.returncode, 0, wrong[:20])
            self.assert_refused(done, done.returncode)

    def test_an_invitation_that_is_cut_or_changed_is_refused(self):
        node = next(self.spare)
        line = self.node.command("invite").strip()
        for wrong in (line[:-1], line[: len(line) // 2], line[:-8] + line[-7:], line[:-5] + "AAAAA", line + line):
            done = self.join(node, wrong + "\n")
            self.assertNotEqual(done.returncode, 0)
            self.assert_refused(done, done.returncode)
        self.assertEqual(self.join(node, line + "\n").returncode, 0, "the whole one still works")

    def test_a_used_invitation_is_refused_and_it_is_said_who_used_it(self):
        first, second = next(self.spare), next(self.spare)
        line = self.node.command("invite")
        self.assertEqual(self.join(first, line).returncode, 0)
        done = self.join(second, line)
        self.assert_refused(done, 125, "mesh.join.token_used")
        self.assertIn(first.name, done.stderr)

    def test_an_expired_invitation_is_refused(self):
        node = next(self.spare)
        line = self.node.command("invite", "--ttl", "1s")
        made = time.time()
        meshes.wait_until(lambda: time.time() > made + 2, "the invitation has expired")
        self.assert_refused(self.join(node, line), 125, "mesh.join.token_expired")

    def test_an_invitation_of_another_mesh_does_not_take_a_node_away_from_its_own(self):
        node = next(self.spare)
        node.found("other")
        done = self.join(node, self.node.command("invite"))
        self.assert_refused(done, 125, "mesh.join.other_mesh")
        self.assertIn("other", done.stderr)

    def test_join_to_a_host_that_is_down_says_so_soon(self):
        node = next(self.spare)
        port = meshes.free_port()
        started = time.monotonic()
        done = self.mesh.attempt(node, "join", f"127.0.0.1:{port}", "--trust-first-use", "--listen",
                                 f"127.0.0.1:{node.port}", seconds=60)
        self.assert_refused(done, 125)
        self.assertLess(time.monotonic() - started, 20)

    def test_join_to_a_port_that_is_no_swarmlet_says_so_soon(self):
        node = self.mesh.nodes[-1]
        with socket.create_server(("127.0.0.1", 0)) as server:
            def answer():
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
                    connection.recv(4096)
            threading.Thread(target=answer, daemon=True).start()
            port = server.getsockname()[1]
            done = self.mesh.attempt(node, "join", f"127.0.0.1:{port}", "--trust-first-use", "--listen",
                                     f"127.0.0.1:{node.port}", seconds=60)
        self.assert_refused(done, 125)

    def knock(self, node, peer, *flags, seconds=40):
        return self.mesh.attempt(node, "join", f"127.0.0.1:{peer.port}", "--name", node.name, "--listen",
                                 f"127.0.0.1:{node.port}", *flags, seconds=seconds)

    def knock_until_approved(self, node, peer, approve_on):
        """Starts `join PEER` and approves it as soon as `members` shows it; how the two ended."""
        knocked = []
        knocking = threading.Thread(target=lambda: knocked.append(self.knock(node, peer, "--trust-first-use")))
        knocking.start()
        try:
            approved = meshes.wait_until(
                lambda: (done := self.mesh.attempt(approve_on, "approve", node.name)).returncode == 0 and done,
                f"{approve_on.name} can approve {node.name}", 20, 0.1)
        finally:
            knocking.join()
        return knocked[0], approved

    def test_who_knocks_is_a_member_after_approve_and_not_before(self):
        node = next(self.spare)
        before = [member["name"] for member in self.mesh.members(self.node)]
        self.assertNotIn(node.name, before)
        knocked, _ = self.knock_until_approved(node, self.node, self.node)
        self.assertEqual(knocked.returncode, 0, knocked.stderr)
        self.assertIn(f"swarmlet approve {node.name}", knocked.stderr)
        self.assertIn(node.name, [member["name"] for member in self.mesh.members(self.node)])

    def test_approve_of_nobody_is_refused(self):
        self.assert_refused(self.mesh.attempt(self.node, "approve", "nobody"), 3)

    def test_join_peer_in_a_pipe_without_trust_is_refused_before_anything_starts(self):
        node = next(self.spare)
        done = self.knock(node, self.node)
        self.assertNotEqual(done.returncode, 0)
        self.assert_refused(done, done.returncode)
        self.assertIn("--trust-first-use", done.stderr)
        self.assertIsNone(node.daemon_pid())

    def test_a_member_that_knocks_at_a_host_of_another_mesh_stays_where_it_is(self):
        node = next(self.spare)
        node.found("own")
        done = self.knock(node, self.node, "--trust-first-use")
        self.assert_refused(done, 125, "mesh.join.other_mesh")
        self.assertIn("own", done.stderr)
        self.assertIn("leave --forget", done.stderr)
        self.assertNotIn("invitation", done.stderr)

    def test_an_invitation_whose_address_belongs_to_another_mesh_now_says_so(self):
        old, taken, node = next(self.spare), next(self.spare), next(self.spare)
        old.found("old")
        line = old.command("invite")
        old.kill_host()
        taken.port = old.port
        taken.found("new")
        done = self.join(node, line)
        self.assert_refused(done, 125)
        self.assertRegex(done.stderr, r"\[mesh\.(session\.keys_do_not_fit|join\.other_mesh)\]")
        self.assertIn("swarmlet invite", done.stderr)

    def test_a_worker_never_votes_and_invites_nobody(self):
        worker = next(self.spare)
        self.assertEqual(self.join(worker, self.node.command("invite"), "--role", "worker").returncode, 0)

        def raft():
            return next((member.get("raft") for member in self.mesh.members(self.node)
                         if member["name"] == worker.name and member["state"] == "alive"), None)
        self.assertNotIn(meshes.wait_until(raft, "the worker is alive"), ("voter", "leader"))
        self.assert_refused(self.mesh.attempt(worker, "invite"), 125, "mesh.join.no_admission")

    def test_who_knocks_at_a_worker_is_sent_to_a_node_that_admits(self):
        worker, node = next(self.spare), next(self.spare)
        self.assertEqual(self.join(worker, self.node.command("invite"), "--role", "worker").returncode, 0)
        done = self.knock(node, worker, "--trust-first-use")
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn("[mesh.join.no_admission]", done.stderr)


class Strangers(MeshCase):
    """Connections to the mesh port of somebody who is no member."""

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.node.port), timeout=30)

    def assert_closed_within(self, connection, seconds):
        started = time.monotonic()
        connection.settimeout(seconds)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            self.fail(f"still open after {seconds} s")
        self.assertLess(time.monotonic() - started, seconds)

    def test_who_connects_and_says_nothing_is_closed_after_ten_seconds(self):
        with self.connect() as connection:
            started = time.monotonic()
            self.assert_closed_within(connection, 15)
            self.assertGreater(time.monotonic() - started, 5)

    def test_an_oversize_frame_is_closed_at_once(self):
        with self.connect() as connection:
            try:
                connection.sendall(b"\xff" * 200_000)
            except (ConnectionResetError, BrokenPipeError):
                return
            self.assert_closed_within(connection, 5)

    def test_the_mesh_serves_on_while_fifty_strangers_are_connected(self):
        connections = [self.connect() for _ in range(50)]
        try:
            self.assertEqual(self.run_job("--no-send", "--", "true").returncode, 0)
        finally:
            for connection in connections:
                connection.close()


class DataDirectories(MeshCase):
    def test_a_data_directory_in_use_is_not_used_twice(self):
        done = self.mesh.attempt(self.node, "daemon", "--listen", f"127.0.0.1:{meshes.free_port()}")
        self.assert_refused(done, 125)
        self.assertEqual(len(self.mesh.members(self.node)), 1)

    def test_what_a_killed_daemon_was_just_starting_may_hold_it_for_a_moment(self):
        self.node.kill_daemon()
        lock = os.path.join(self.node.data, "lock")
        with open(lock, encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            up = subprocess.Popen([self.mesh.binary, "up", "--data-dir", self.node.data, *self.node._flags],
                                  env=self.mesh.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            meshes.wait_until(lambda: processes.with_open(lock) - {os.getpid()}, "the daemon asks for it", every=0.01)
        self.assertEqual(up.wait(timeout=30), 0, up.stderr.read())
        up.stderr.close()

    def test_up_may_be_repeated(self):
        pid = self.node.daemon_pid()
        self.node.start_again()
        self.assertEqual(self.node.daemon_pid(), pid)

    def test_a_data_directory_that_others_can_read_is_refused(self):
        self.node.kill_daemon()
        os.chmod(self.node.data, 0o755)
        try:
            done = self.mesh.attempt(self.node, "up", "--listen", f"127.0.0.1:{self.node.port}")
            self.assert_refused(done, 125)
            self.assertIn(self.node.data, done.stderr)
        finally:
            os.chmod(self.node.data, 0o700)
        self.node.start_again()
        self.mesh.wait_alive(self.node, 1)


if __name__ == "__main__":
    unittest.main()
