"""Finding a process by an argument that nothing else on the machine has, whatever namespace it lives in."""

import os
import random

import processes


def new():
    """A number of seconds for `sleep` that no other process was given."""
    return f"300.{random.SystemRandom().randrange(10**9):09d}"


def holders(marker):
    """Pids of processes with the marker as an argument of its own."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and marker in processes.command_line(name)[1:] and processes.alive(name):
            found.append(int(name))
    return found
