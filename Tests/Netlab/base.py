"""What the tests on real networks share: a lab a test, and watching that nobody is slandered."""

import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib"))
import mesh as meshes  # noqa: E402
import netlab  # noqa: E402

long_test = unittest.skipUnless(os.environ.get("SWARMLET_LONG_TESTS"), "takes minutes: scripts/netlab --long")


class LabCase(unittest.TestCase):
    def lab(self, count, **special):
        """A lab of so many hosts; `h3={...}` says what is special about the third."""
        lab = netlab.Lab(count, special={int(name[1:]): what for name, what in special.items()})
        self.addCleanup(lab.stop)
        return lab

    def mesh(self, count, **special):
        """A lab whose hosts are one mesh, all alive."""
        lab = self.lab(count, **special)
        lab.start()
        for host in lab.nodes:
            lab.wait_alive(host, count, voters=3)
        return lab

    def assert_runs(self, lab, host, *command, says=""):
        """A job typed on this host ends well, and its output comes back."""
        done = lab.attempt(host, "run", "--no-send", *(command or ("--", "true")), seconds=60)
        self.assertEqual((done.returncode, done.stdout), (0, says), done.stderr)

    def wait_seen(self, lab, watchers, subject, states, seconds):
        """Until each of the watchers sees the subject in one of the states; how long the last one took."""
        started = time.monotonic()
        for host in watchers:
            meshes.wait_until(lambda: lab.states(host).get(subject.name) in states,
                              f"{host.name} sees {subject.name} {' or '.join(map(str, states))}", seconds, 0.1)
        return time.monotonic() - started


class Watch:
    """Asks hosts again and again while something goes on, and keeps every state that should not be."""

    def __init__(self, lab, watchers, allowed=("alive", "suspect")):
        self.lab, self.watchers, self.allowed = lab, watchers, allowed
        self.slanders, self.asked = [], 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.ending.is_set():
            for host in self.watchers:
                for name, state in self.lab.states(host).items():
                    if state not in self.allowed:
                        self.slanders.append(f"{host.name} says that {name} is {state}")
                self.asked += 1
            self.ending.wait(0.25)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def hold(self, seconds):
        self.ending.wait(seconds)
