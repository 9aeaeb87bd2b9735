"""Looking at processes and ending them, by pid only: what a daemon's data directory names, and what runs below it."""

import os
import select
import signal


def stat_fields(pid):
    """The fields of /proc/PID/stat after the name (state, parent, ...); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    """Whether the process runs or could run again: a zombie has ended."""
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def cpu_ticks(pid):
    """User and system time used, in clock ticks; None when the process has ended."""
    fields = stat_fields(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[11]) + int(fields[12])


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().rstrip(b"\0").decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def with_open(path):
    """The processes that have this file open, as far as this user may look."""
    wanted, found = os.stat(path), set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                facts = os.stat(f"/proc/{name}/fd/{descriptor}")
                if (facts.st_dev, facts.st_ino) == (wanted.st_dev, wanted.st_ino):
                    found.add(int(name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def tree(roots):
    """The given processes and everything below them, parents first."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            if fields is not None:
                children.setdefault(int(fields[1]), []).append(int(name))
    found = []
    for root in roots:
        if root not in found:
            found.append(root)
    for pid in found:
        found.extend(child for child in children.get(pid, []) if child not in found)
    return found


def wait_gone(pids, seconds):
    """Waits until all have ended; returns those that have not."""
    watched = {}
    for pid in pids:
        try:
            watched[os.pidfd_open(pid)] = pid
        except ProcessLookupError:
            continue
    poll = select.poll()
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    try:
        remaining = set(watched)
        while remaining:
            ended = poll.poll(seconds * 1000)
            if not ended:
                break
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                remaining.discard(descriptor)
        return [watched[descriptor] for descriptor in remaining if alive(watched[descriptor])]
    finally:
        for descriptor in watched:
            os.close(descriptor)


def signal_all(pids, number):
    """Sends the signal to each that still exists, in order."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill_tree(roots):
    """SIGKILL to the processes and all below them, as if the host had lost its power; waits until they are gone."""
    pids = tree([pid for pid in roots if alive(pid)])
    signal_all(pids, signal.SIGKILL)
    # A child that was born between the look and the blow.
    left = wait_gone(tree(pids), 5)
    if left:
        raise TimeoutError(f"processes {left} did not end after SIGKILL")
    return pids
