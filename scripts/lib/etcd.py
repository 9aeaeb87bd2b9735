"""Three members of etcd on loopback, from Debian's etcd-server, for the benchmarks that compare with it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request

from mesh import MeshError, free_port, wait_until


def installed():
    """True where etcd and what the Go clients are built from are there (scripts/setup --differential)."""
    return bool(shutil.which("etcd") and shutil.which("go") and os.path.isdir("/usr/share/gocode/src/go.etcd.io/etcd"))


class Etcd:
    """Members with a data directory each below one folder; a context manager that ends them on every way out."""

    def __init__(self, folder=None):
        self.folder = tempfile.mkdtemp(prefix="etcd-bench-", dir=folder or os.environ.get("SWARMLET_MESH_FOLDER", "/tmp"))
        self.members = {f"e{number}": (free_port(), free_port()) for number in (1, 2, 3)}
        self.running = {}

    def __enter__(self):
        for name in self.members:
            self.start(name)
        wait_until(self.leader, "etcd has a leader", 30)
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.send_signal(signal.SIGKILL)
        for process in self.running.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def endpoint(self, name):
        return f"127.0.0.1:{self.members[name][0]}"

    def start(self, name):
        """Starts a member, or starts it again."""
        peers = ",".join(f"{each}=http://127.0.0.1:{ports[1]}" for each, ports in self.members.items())
        client, peer = (f"http://127.0.0.1:{port}" for port in self.members[name])
        with open(os.path.join(self.folder, f"{name}.log"), "ab") as log:
            self.running[name] = subprocess.Popen(
                ["etcd", "--name", name, "--data-dir", os.path.join(self.folder, name), "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", peers, "--initial-cluster-token", "bench", "--initial-cluster-state", "new"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def _status(self, name):
        request = urllib.request.Request(f"http://{self.endpoint(name)}/v3/maintenance/status", data=b"{}")
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return json.load(answer)
        except OSError:
            return None

    def leader(self):
        """The name of the leader; None while there is none that all running members know."""
        leaders = set()
        for name, process in self.running.items():
            if process.poll() is not None:
                continue
            status = self._status(name)
            if not status or status.get("leader", "0") == "0":
                return None
            leaders.add(status["leader"])
            if status["leader"] == status["header"]["member_id"]:
                found = name
        if len(leaders) != 1:
            return None
        return found

    def restart(self, name):
        """A member whose process was ended comes back; returns when all know one leader again."""
        process = self.running[name]
        process.wait()
        self.start(name)
        wait_until(self.leader, "etcd has a leader again", 30)

    def pid(self, name):
        process = self.running[name]
        if process.poll() is not None:
            raise MeshError(f"etcd {name} has ended")
        return process.pid
