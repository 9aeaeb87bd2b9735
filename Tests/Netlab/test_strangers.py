"""What a job of the profile strict reaches of the network that it was granted, on hosts of a real one."""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from base import LabCase, netlab  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROBE = os.path.join(HERE, "..", "Faults", "sandbox_probe.py")
# As clouds have them; here they are addresses of the wider network like any other.
METADATA = ("169.254.169.254", "100.100.100.200")
# The host takes it for its own, and none of its interfaces has it.
ROUTED = "10.99.0.1"


class Strangers(LabCase):
    def setUp(self):
        self.hosts = self.lab(4)
        *self.hosts.nodes, self.world = self.hosts.nodes
        for address in METADATA:
            self.world.ip("address", "add", f"{address}/32", "dev", "eth0")
        server = subprocess.Popen([*self.world.enter, sys.executable, os.path.join(HERE, "world.py")], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.communicate)
        self.assertEqual(server.stdout.readline(), "ready\n")
        self.hosts.start()
        for host in self.hosts.nodes:
            for address in METADATA:
                host.ip("route", "add", address, "dev", "eth0")
            self.hosts.wait_alive(host, 3, voters=3)
        self.first, self.second = self.hosts.nodes[:2]
        for host in self.hosts.nodes[1:]:
            self.hosts.command(self.first, "node", "cordon", host.name)
        self.first.ip("route", "add", "local", ROUTED, "dev", "lo")
        self.work = os.path.join(self.hosts.folder, "stranger")
        os.mkdir(self.work)
        shutil.copy(PROBE, os.path.join(self.work, "probe.py"))

    def run_strict(self, *words):
        done = self.hosts.attempt(self.first, "run", "--profile", "strict", "--mem", "1G", *words, cwd=self.work, seconds=120)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def probe(self, *tries, flags=("--network", "on")):
        return json.loads(self.run_strict(*flags, "--", "/usr/bin/python3", "probe.py", json.dumps(tries)))

    def test_s10_a_granted_network_is_reached_through_a_proxy_that_knows_where_not_to_go(self):
        world, world6 = self.world.addresses
        self.assertEqual(
            self.probe(("fetch", f"http://{world}/page?x=1"), ("fetch", f"http://[{world6}]/"),
                       ("ask_proxy", "CONNECT", f"{world}:80"), ("digested", world, 9000, 24), ("crowd", world, 9000, 300),
                       ("digested", f"[{world6}]", 9000, 1)),
            [f"200 /page?x=1 of {world}\n", f"200 / of [{world6}]\n", "200", "done", 300, "done"])
        refused = [*METADATA, f"[::ffff:{METADATA[0]}]", "127.0.0.1", "localhost", ROUTED, *self.first.addresses[:1],
                   f"[{self.first.addresses[1]}]"]
        tries = [("ask_proxy", "CONNECT", f"{name}:80") for name in refused]
        tries += [("ask_proxy", "CONNECT", f"{name}:7717") for name in (
            *refused, self.second.addresses[0], f"[{self.second.addresses[1]}]", world)]
        for one, answer in zip(tries, self.probe(*tries)):
            self.assertEqual(answer, "403", one)
        # The host itself is let there: it was the proxy that refused.
        for address in METADATA:
            self.assertIn(b"200", netlab.sh(*self.first.enter, sys.executable, "-c", (
                f"import urllib.request; print(urllib.request.urlopen('http://{address}/').status)")).encode())
        closed = ("ask_proxy", "CONNECT", f"{self.second.addresses[0]}:1")
        posted = ("post_refused", f"http://{self.first.addresses[0]}/", 8)
        # A server that keeps a connection open is not told what is meant for the next one.
        twice = ("ask_twice", f"http://{world}:9000/", f"http://{world}/")
        self.assertEqual(self.probe(closed, ("connect", world, 80), posted, twice), ["502", "ENETUNREACH", 403, ""])
        self.assertEqual(self.probe(("ask_proxy", "CONNECT", f"{world}:80"), flags=()), ["ECONNREFUSED"])

    def test_s10_a_network_for_the_setup_ends_with_it(self):
        world = self.world.addresses[0]
        ask = ("ask_proxy", "CONNECT", f"{world}:80")
        # Who holds a tunnel open in the background goes before the command begins.
        line = f"/usr/bin/python3 probe.py '{json.dumps([ask, ('keep_tunnel', world, 9000)])}'"
        command = ("/usr/bin/python3", "probe.py", json.dumps([ask]))
        for in_setup in (["200", "done"], None):
            # The second finds what the setup of the first made.
            answers = [json.loads(said) for said in self.run_strict(
                "--network", "setup-only", "--setup", line, "--", *command).splitlines()]
            self.assertEqual(answers, [*([in_setup] if in_setup else []), ["ECONNREFUSED"]])


if __name__ == "__main__":
    unittest.main()
