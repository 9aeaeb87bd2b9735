"""A network of hosts on one machine: each host a network namespace, joined by a bridge, with faults between them.

Runs inside the namespaces that scripts/netlab makes, so that nothing of it is seen outside or stays. Addresses are
10.77.0.N and fd77::N; links are cut and made lossy by nftables in the host that receives.
"""

import fcntl
import heapq
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import mesh as meshes
import processes

BRIDGE = "lab0"
HOSTS_MAX = 13


def sh(*words, stdin=None):
    """Runs a command that must work."""
    done = subprocess.run(words, input=stdin, text=True, capture_output=True)
    if done.returncode != 0:
        raise meshes.MeshError(f"{' '.join(words)} exited {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Host(meshes.Node):
    """A daemon on a host of its own."""

    def __init__(self, lab, number):
        super().__init__(lab, number)
        self.number = number
        self.namespace = f"h{number}"
        self.outside = f"lab{number}"
        self.addresses = [f"10.77.0.{number}", f"fd77::{number}"]
        self.seen_as = self.addresses

    @property
    def names(self):
        return f"/run/utsns/{self.namespace}"

    @property
    def enter(self):
        """What starts a command on this host."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", f"--uts={self.names}"]

    @property
    def _flags(self):
        # What a user types: the default port on every address.
        return ["--simulate-gpus", "1"] if self.has_gpu else []

    def build(self, translated=False, only6=False, mtu=None, delay=None, gpu=False):
        self.has_gpu = gpu
        sh("ip", "netns", "add", self.namespace)
        # A name of its own, by which programs of several hosts tell these apart.
        with open(self.names, "x", encoding="ascii"):
            sh("unshare", f"--uts={self.names}", "hostname", self.name)
        self.ip("link", "set", "lo", "up")
        if translated:
            self._build_router()
        else:
            self._plug(self.namespace, self.outside, [] if only6 else [self.addresses[0]], self.addresses[1], mtu, delay)
        if only6:
            self.addresses = self.addresses[1:]
        self.nft("add table inet lab\n"
                 "add chain inet lab in { type filter hook input priority 0; }\n")

    def _plug(self, namespace, outside, addresses4, address6, mtu=None, delay=None):
        """A cable from the bridge into the namespace."""
        sh("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        for address in addresses4:
            sh("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
        sh("ip", "-n", namespace, "address", "add", f"{address6}/64", "dev", "eth0", "nodad")
        if mtu:
            sh("ip", "-n", namespace, "link", "set", "eth0", "mtu", str(mtu))
            sh("ip", "link", "set", outside, "mtu", str(mtu))
        sh("ip", "-n", namespace, "link", "set", "eth0", "up")
        sh("ip", "link", "set", outside, "up")
        if delay:
            self.mesh.delay_line(outside, namespace, delay)
        else:
            sh("ip", "link", "set", outside, "master", BRIDGE)

    def _build_router(self):
        """The host stands behind a router that translates addresses: it reaches the others, they do not reach it."""
        router = f"r{self.number}"
        sh("ip", "netns", "add", router)
        self._plug(router, self.outside, [f"10.77.0.{100 + self.number}"], f"fd77::{100 + self.number:x}")
        sh("ip", "link", "add", "inside", "netns", router, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        sh("ip", "-n", router, "address", "add", "192.168.7.1/24", "dev", "inside")
        sh("ip", "-n", router, "link", "set", "inside", "up")
        self.ip("address", "add", "192.168.7.2/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", "192.168.7.1")
        sh("nsenter", f"--net=/run/netns/{router}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        sh("nsenter", f"--net=/run/netns/{router}", "nft", "-f", "-", stdin=(
            "add table ip nat\n"
            "add chain ip nat post { type nat hook postrouting priority 100; }\n"
            "add rule ip nat post oifname eth0 masquerade\n"
            # As routers at home do: nothing comes in that was not asked for.
            "add table ip guard\n"
            "add chain ip guard forward { type filter hook forward priority 0; policy drop; }\n"
            "add rule ip guard forward iifname inside accept\n"
            "add rule ip guard forward ct state established,related accept\n"))
        self.addresses = ["192.168.7.2"]
        self.seen_as = [f"10.77.0.{100 + self.number}"]

    def ip(self, *words):
        return sh("ip", "-n", self.namespace, *words)

    def nft(self, rules):
        sh("nsenter", f"--net=/run/netns/{self.namespace}", "nft", "-f", "-", stdin=rules)

    def deaf_to(self, others):
        """Nothing of these hosts arrives here; what is sent to them still goes out."""
        for other in others:
            for address in other.seen_as:
                family = "ip6" if ":" in address else "ip"
                self.nft(f"add rule inet lab in {family} saddr {address} drop\n")

    def loses(self, percent, protocol=None):
        """So much of what comes from others is lost, of one protocol or of all."""
        only = f"meta l4proto {protocol} " if protocol else ""
        self.nft(f"add rule inet lab in iifname eth0 {only}numgen random mod 100 < {percent} drop\n")

    def hears_all(self):
        self.nft("flush chain inet lab in\n")

    def freeze(self):
        """Stops daemon, supervisors and jobs, as a host that swaps or whose lid is shut."""
        self.frozen = processes.tree([self.daemon_pid(), *self.supervisor_pids().values()])
        processes.signal_all(self.frozen, signal.SIGSTOP)

    def thaw(self):
        processes.signal_all(self.frozen, signal.SIGCONT)


class Lab(meshes.Mesh):
    """Hosts, their network and one mesh on them."""

    def __init__(self, count, binary=None, special=None):
        """special: number -> what `Host.build` takes."""
        if os.getpid() != 1:
            raise meshes.MeshError("only scripts/netlab may do this: it needs namespaces of its own")
        for folder in ("/run/netns", "/run/utsns"):
            if not os.path.ismount(folder):
                os.makedirs(folder, exist_ok=True)
                sh("mount", "-t", "tmpfs", "namespaces", folder)
        sh("ip", "link", "set", "lo", "up")
        super().__init__(binary or meshes.build_binary(), "lab", nodes=0)
        self.delay_lines = []
        self.nodes = [Host(self, number) for number in range(1, count + 1)]
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        sh("ip", "link", "set", BRIDGE, "up")
        for host in self.nodes:
            host.build(**(special or {}).get(host.number, {}))

    def attempt(self, node, *arguments, stdin=None, seconds=meshes.COMMAND_SECONDS, cwd=None):
        try:
            return subprocess.run([*node.enter, self.binary, *self.arguments(node, arguments)], input=stdin or "", text=True,
                                  capture_output=True, env=self.environment, timeout=seconds, cwd=cwd or self.folder)
        except subprocess.TimeoutExpired as late:
            raise meshes.MeshError(f"{node.name}: swarmlet {' '.join(arguments)} had not ended after {seconds:g} s; "
                                   f"stderr: {(late.stderr or b'').decode(errors='replace').strip()}") from None

    def delay_line(self, outside, namespace, seconds):
        """Between the host's cable and the bridge: every frame waits."""
        sh("ip", "link", "add", f"d{outside}", "type", "veth", "peer", "name", f"b{outside}")
        sh("ip", "link", "set", f"d{outside}", "up")
        sh("ip", "link", "set", f"b{outside}", "up", "master", BRIDGE)
        # Frames must be as they would be on a wire: checksums filled in, none longer than the wire takes.
        without_offload(outside)
        without_offload(f"b{outside}")
        without_offload(f"d{outside}")
        with Inside(namespace):
            without_offload("eth0")
        self.delay_lines.append(DelayLine(outside, f"d{outside}", seconds))

    def split(self, left, right):
        """Two halves that hear nothing of each other."""
        for host in left:
            host.deaf_to(right)
        for host in right:
            host.deaf_to(left)

    def heal(self):
        for host in self.nodes:
            host.hears_all()

    def states(self, asked):
        """Name -> state, as the asked host sees its members."""
        return {member["name"]: member["state"] for member in self.members(asked)}

    def stop(self):
        super().stop()
        for line in self.delay_lines:
            line.end()
        # The cables by themselves: with a namespace they go some time after it, and the next lab has cables of these names.
        for host in self.nodes:
            subprocess.run(["ip", "link", "delete", host.outside], capture_output=True)
        for path in sorted(os.listdir("/run/netns")):
            sh("ip", "netns", "delete", path)
        for path in os.listdir("/run/utsns"):
            sh("umount", f"/run/utsns/{path}")
            os.remove(f"/run/utsns/{path}")
        # Cables end with the namespaces that they lead to; those of delay lines lead nowhere.
        for line in self.delay_lines:
            sh("ip", "link", "delete", line.right)
        sh("ip", "link", "delete", BRIDGE)


class Inside:
    """This thread's system calls act on the network of a host."""

    def __init__(self, namespace):
        self.namespace = namespace

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._enter(f"/run/netns/{self.namespace}")

    def __exit__(self, *_):
        self._enter(f"/proc/self/fd/{self.before}")
        os.close(self.before)

    @staticmethod
    def _enter(path):
        import ctypes
        descriptor = os.open(path, os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        clone_newnet = 0x40000000
        done = libc.setns(descriptor, clone_newnet)
        os.close(descriptor)
        if done != 0:
            raise OSError(ctypes.get_errno(), "setns")


def without_offload(interface):
    """Switches off what a network card would do for the kernel (linux/ethtool.h)."""
    siocethtool = 0x8946
    set_checksums, set_gso, set_gro, set_tso = 0x17, 0x24, 0x2C, 0x1F
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (set_checksums, set_tso, set_gso, set_gro):
            value = bytearray(struct.pack("II", command, 0))
            address = (ctypes_address(value))
            request = struct.pack("16sP", interface.encode(), address)
            fcntl.ioctl(any_socket, siocethtool, request.ljust(40, b"\0"))


def ctypes_address(buffer):
    import ctypes
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


class DelayLine:
    """Takes frames from one interface and gives them to another, some time later, both ways."""

    def __init__(self, left, right, seconds):
        self.seconds, self.right = seconds, right
        self.sockets = [self._open(left), self._open(right)]
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _open(interface):
        every_protocol = 3
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every_protocol))
        opened.bind((interface, 0))
        return opened

    def _run(self):
        waiting, count = [], 0
        while True:
            timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            readable, _, _ = select.select([*self.sockets, self.wake], [], [], timeout)
            if self.wake in readable:
                return
            for index, opened in enumerate(self.sockets):
                if opened in readable:
                    frame, address = opened.recvfrom(65_536)
                    if address[2] != socket.PACKET_OUTGOING:
                        count += 1
                        heapq.heappush(waiting, (time.monotonic() + self.seconds, count, 1 - index, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(waiting)
                try:
                    self.sockets[target].send(frame)
                except OSError:
                    continue  # As a wire would: a frame that does not fit, or a cable that is out, is lost.

    def end(self):
        os.write(self.waker, b"x")
        self.thread.join()
        for opened in self.sockets:
            opened.close()
        os.close(self.wake)
        os.close(self.waker)


def main():
    meshes.exit_on_signals()
    with Lab(int(sys.argv[1])) as lab:
        lab.start()
        lab.wait_alive(lab.nodes[0], len(lab.nodes))
        print("A mesh of namespaces on this machine. To type on a host:", flush=True)
        for host in lab.nodes:
            print(f"  {' '.join(host.enter)} {lab.binary} members --data-dir {host.data}")
        print("It ends with this shell.", flush=True)
        subprocess.run([os.environ.get("SHELL", "/bin/sh")])


if __name__ == "__main__":
    main()
