"""Runs inside a job: tries what it is told to and prints, as one JSON list, how each try ended.

A try is a list: a word, then its arguments. Its answer is a value, or the name of the error ("EACCES"), or the name of
the signal that ended it ("SIGSYS"). Every try is made in a child of its own, so that none can spoil the next.
"""

import concurrent.futures
import ctypes
import errno
import hashlib
import json
import mmap
import os
import resource
import signal
import socket
import stat
import sys
import urllib.error
import urllib.request

PROXY = ("127.0.0.1", 3128)
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


def ask_proxy(method, target):
    """The status that the proxy answers with."""
    with socket.create_connection(PROXY, 30) as stream:
        stream.sendall(f"{method} {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        with stream.makefile("rb") as lines:
            return lines.readline().decode().split(" ")[1]


def ask_twice(first, second):
    """What is heard after a plain request whose server does not end the connection, and one for another server."""
    with socket.create_connection(PROXY, 30) as stream:
        stream.sendall(f"POST {first} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET {second} HTTP/1.1\r\n\r\n".encode())
        try:
            return stream.recv(1 << 16).decode()
        except ConnectionResetError:
            return ""


def post_refused(url, megabytes):
    """The status that a proxy answers with before it has taken what is posted."""
    request = urllib.request.Request(url, data=bytes(1 << 20) * megabytes)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def tunnel(address, port):
    """A connection through the proxy."""
    stream = socket.create_connection(PROXY, 30)
    stream.sendall(f"CONNECT {address}:{port} HTTP/1.1\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = stream.recv(1)
        if not piece:
            raise OSError("the proxy says nothing")
        head += piece
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(head.decode().split("\r\n")[0])
    return stream


def digested(address, port, megabytes):
    """The digest of so much, by a server that answers only when it has heard that this was all."""
    data = os.urandom(1 << 20) * megabytes
    with tunnel(address, port) as stream:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        with stream.makefile("rb") as answer:
            return "done" if answer.read().decode() == hashlib.sha256(data).hexdigest() else "something else"


def crowd(address, port, count):
    """How many of so many that come at once are carried both ways."""
    def carried(number):
        with tunnel(address, port) as stream:
            stream.sendall(b"%d" % number)
            stream.shutdown(socket.SHUT_WR)
            with stream.makefile("rb") as answer:
                return answer.read().decode() == hashlib.sha256(b"%d" % number).hexdigest()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sum(pool.map(carried, range(count)))


def keep_tunnel(address, port):
    """Leaves somebody behind who holds one open."""
    stream = tunnel(address, port)
    if os.fork() == 0:
        os.setsid()
        os.dup2(stream.fileno(), 3)
        os.closerange(4, 1024)
        signal.pause()
    return "done"


def fetch(url):
    """Over whatever proxy the environment names."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as refused:
        return f"{refused.code} {refused.read().decode()}"


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
    ask_proxy, ask_twice, post_refused, digested, crowd, keep_tunnel, fetch,
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
