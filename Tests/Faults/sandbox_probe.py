"""Runs inside a job: tries what it is told to and prints, as one JSON list, how each try ended.

A try is a list: a word, then its arguments. Its answer is a value, or the name of the error ("EACCES"), or the name of
the signal that ended it ("SIGSYS"). Every try is made in a child of its own, so that none can spoil the next.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    """A raw system call; bytes are passed by address."""
    passed = [ctypes.c_char_p(bytes.fromhex(a[4:])) if isinstance(a, str) and a.startswith("hex:") else
              ctypes.c_char_p(a.encode()) if isinstance(a, str) else ctypes.c_long(a) for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        raise OSError(ctypes.get_errno(), "call")
    return "done"


def compat_call(number):
    """The same by the door of 32-bit programs (int 0x80)."""
    code = b"\xb8" + number.to_bytes(4, "little") + b"\xcd\x80\xc3"
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    result = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
    if result < 0:
        raise OSError(-result, "call")
    return "done"


def read(path):
    with open(path, "rb") as stream:
        stream.read(1)
    return "done"


def write(path, text="x"):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    return "done"


def create(path):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("x")
    return "done"


def names(path):
    return sorted(os.listdir(path))


def link(source, target):
    os.link(source, target)
    return "done"


def symlink(text, target):
    os.symlink(text, target)
    return "done"


def chdir(path):
    os.chdir(path)
    return os.getcwd()


def node(kind, major, minor):
    os.mknod("made-device", 0o666 | (stat.S_IFCHR if kind == "character" else stat.S_IFBLK), os.makedev(major, minor))
    return "done"


def fifo():
    os.mkfifo("made-fifo")
    return "done"


def connect(address, port):
    with socket.socket() as stream:
        stream.settimeout(3)
        stream.connect((address, port))
    return "done"


def connect_name(name):
    """A UNIX socket: abstract where the name begins with @, else a path."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(3)
        stream.connect("\0" + name[1:] if name.startswith("@") else name)
    return "done"


def open_socket(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()
    return "done"


def own_loopback():
    """A server and its client, both in this job."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname(), 3), server.accept()[0] as peer:
            peer.sendall(b"x")
    return "done"


def send_signal(process):
    os.kill(process, 0)
    return "done"


def raise_limit(name):
    soft, hard = resource.getrlimit(getattr(resource, name))
    if hard == resource.RLIM_INFINITY:
        return "unlimited"
    resource.setrlimit(getattr(resource, name), (soft, hard + 1))
    return "done"


def trace_own_child():
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        if LIBC.ptrace(16, child, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")
        os.waitpid(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
    return "done"


def every_call(first, last):
    """Each number without arguments, in a child that may not live long; what each child did is nobody's business."""
    for number in range(first, last):
        child = os.fork()
        if child == 0:
            signal.alarm(1)
            LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 6)
            os._exit(0)
        os.waitpid(child, 0)
    return "done"


def fork_until_refused(limit):
    children = []
    try:
        while len(children) < limit:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
        return "done"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def open_until_refused(limit):
    kept = []
    while len(kept) < limit:
        kept.append(os.open("/dev/null", os.O_RDONLY))
    return "done"


def fill(path, megabytes):
    with open(path, "wb") as stream:
        for _ in range(megabytes):
            stream.write(bytes(1 << 20))
    return "done"


def descriptors():
    # The last is that of the listing, and of the pipe to the parent of this try.
    return sorted({os.readlink(f"/proc/{os.getppid()}/fd/{name}").split(":")[0] for name in
                   os.listdir(f"/proc/{os.getppid()}/fd") if int(name) > 2} - {"pipe"})


def status(name):
    with open("/proc/self/status", encoding="utf-8") as stream:
        return next(line.split(":")[1].strip() for line in stream if line.startswith(name + ":"))


def environment():
    return sorted(os.environ)


def identity():
    return [os.getuid(), os.getgid(), os.getgroups()]


TRIES = {function.__name__: function for function in (
    call, compat_call, read, write, create, names, link, symlink, chdir, node, fifo, connect, connect_name, open_socket,
    own_loopback, send_signal, raise_limit, trace_own_child, every_call, fork_until_refused, open_until_refused, fill,
    descriptors, status, environment, identity)}


def tried(word, *arguments):
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = TRIES[word](*arguments)
        except OSError as error:
            answer = errno.errorcode.get(error.errno, "timeout" if isinstance(error, TimeoutError) else str(error))
        except ValueError as error:
            answer = str(error)
        os.write(sender, json.dumps(answer).encode())
        os._exit(0)
    os.close(sender)
    with open(receiver, "rb") as stream:
        said = stream.read()
    ended = os.waitpid(child, 0)[1]
    return signal.Signals(os.WTERMSIG(ended)).name if os.WIFSIGNALED(ended) else json.loads(said)


print(json.dumps([tried(*one) for one in json.loads(sys.argv[1])]))
