"""Speaks with a running daemon as a stranger, a guest or a member would, over noiseprotocol (docs/sessions.md).

Nothing here is swarmlet's own code, so nothing keeps an attacker from saying what the real client would not say.
"""

import os
import socket
import struct
import time

import blake3
import cbor2
import nacl.public
from noise.connection import Keypair, NoiseConnection

import mesh as meshes
import mint

MAGIC = b"swarmlet"
XX, IK = 1, 2
BOUND = 1
NOISE, REFUSAL = 1, 2
WELCOME, BUSY = 0, 1
READY, PING, PONG, CLOSE, POST, OPEN, DATA, CREDIT, FINISH, RESET = range(10)
PADDING = bytes(8192)
FRAGMENT = 32_768
ADMISSION, GUEST, UPGRADE = 3, 13, 12
MESSAGES, STREAMS = 1, 2
NAMES = {XX: "XX", IK: "IK"}


class Refused(Exception):
    """The other side said no, or hung up; the text is its reason."""


class Busy(Refused):
    """Too many ask at once, and the other side said so."""


def encoded(value):
    return cbor2.dumps(value, canonical=True)


class Connection:
    """The initiator's side of one session."""

    def __init__(self, port, pattern, static, mesh_id=b"", remote=None, payload=b"", seconds=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.used = 0
        self.buffer = b""
        # By the clock: what the other side says to keep the session alive must not keep a caller waiting.
        self.deadline = time.monotonic() + seconds
        self.noise = NoiseConnection.from_name(f"Noise_{NAMES[pattern]}_25519_ChaChaPoly_BLAKE2b".encode())
        self.noise.set_as_initiator()
        opening = MAGIC + bytes([1, pattern, BOUND if mesh_id else 0])
        self.noise.set_prologue(opening + mesh_id)
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
        if remote:
            self.noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
        self.noise.start_handshake()
        try:
            self._shake(opening, PADDING if pattern == XX else payload, payload)
        except (OSError, EOFError) as error:
            self.close()
            raise Refused(str(error)) from None
        except Refused:
            self.close()
            raise

    def _shake(self, opening, first, last):
        self.socket.sendall(opening + self._frame(self.noise.write_message(first)))
        answer = self.take(10)
        if answer[:8] != MAGIC or answer[9] != WELCOME:
            raise Busy("busy") if answer[9] == BUSY else Refused(f"status {answer[9]}")
        kind, length = struct.unpack("<BH", self.take(3))
        message = self.take(length)
        if kind != NOISE:
            raise Refused(message.decode(errors="replace") or "keys do not fit")
        self.shown = bytes(self.noise.read_message(message))
        if len(self.shown) and not self.noise.handshake_finished:
            self.socket.sendall(self._frame(self.noise.write_message(last)))
        self.hash = bytes(self.noise.get_handshake_hash())

    @staticmethod
    def _frame(message):
        return struct.pack("<BH", NOISE, len(message)) + message

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        self.socket.close()

    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65_536)
            if not more:
                raise EOFError("the daemon hung up")
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    # Frames

    def send_frame(self, frame):
        record = self.noise.encrypt(frame)
        try:
            self.socket.sendall(struct.pack("<H", len(record)) + record)
        except OSError as error:
            raise Refused(str(error)) from None

    def read_frame(self):
        """The next frame that is none of the session's own housekeeping."""
        while True:
            if time.monotonic() > self.deadline:
                raise TimeoutError("nothing was said in time")
            try:
                record = bytes(self.noise.decrypt(self.take(struct.unpack("<H", self.take(2))[0])))
            except TimeoutError:
                raise
            except (OSError, EOFError) as error:
                raise Refused(str(error)) from None
            if record[0] == PING:
                self.send_frame(bytes([PONG]) + record[1:])
            elif record[0] == CLOSE:
                raise Refused(record[1:].decode(errors="replace"))
            elif record[0] not in (READY, PONG, CREDIT):
                return record

    def ready(self):
        """Waits until the other side has taken this one in: it says so, or says something else than goodbye."""
        record = bytes(self.noise.decrypt(self.take(struct.unpack("<H", self.take(2))[0])))
        if record[0] == CLOSE:
            raise Refused(record[1:].decode(errors="replace"))
        if record[0] == PING:
            self.send_frame(bytes([PONG]) + record[1:])

    # Messages

    def post(self, kind, message, traffic=0):
        self._pieces(bytes([POST, traffic]), kind, message)

    def _pieces(self, head, kind, message):
        for start in range(0, max(len(message), 1), FRAGMENT):
            piece = message[start : start + FRAGMENT]
            flags = (1 if start == 0 else 0) | (2 if start + FRAGMENT >= len(message) else 0)
            first = struct.pack("<HI", kind, len(message)) if start == 0 else b""
            self.send_frame(head + bytes([flags]) + first + piece)

    def open(self, kind, number=1, traffic=2):
        self.send_frame(struct.pack("<BIHB", OPEN, number, kind, traffic))
        return number

    def send(self, message, number=1):
        self._pieces(struct.pack("<BI", DATA, number), 0, message)

    def finish(self, number=1):
        self.send_frame(struct.pack("<BI", FINISH, number))

    def receive(self, number=1, credit=True):
        """The next message of the stream; None when the other side has no more. `credit`: whether it may go on."""
        parts = []
        while True:
            record = self.read_frame()
            if record[0] == FINISH and struct.unpack_from("<I", record, 1)[0] == number:
                return None
            if record[0] == RESET:
                raise Refused("the stream was reset")
            if record[0] != DATA:
                continue
            flags = record[5]
            content = record[6 + (6 if flags & 1 else 0) :]
            parts.append(content)
            self.used += len(content) + 16
            if credit and self.used >= 65_536:
                self.send_frame(struct.pack("<BII", CREDIT, number, self.used))
                self.used = 0
            if flags & 2:
                return b"".join(parts)


class Mesh:
    """What an outsider with a line knows of a mesh, and how to reach its nodes."""

    def __init__(self, node):
        """Asks a node for what it shows to anybody."""
        with Connection(node.port, XX, os.urandom(32)) as stranger:
            self.credentials = cbor2.loads(stranger.shown)
        self.key = bytes(self.credentials[2])
        self.name = mint.key_id(self.key)
        self.id = blake3.blake3(b"swarmlet mesh" + self.key).digest()

    def noise_secret(self, node):
        with open(os.path.join(node.data, "keys", "noise"), "rb") as stream:
            return stream.read()

    def stranger(self, node, seconds=20):
        return Connection(node.port, XX, os.urandom(32), self.id, seconds=seconds)

    def member(self, node, secret, purpose=MESSAGES, seconds=20):
        """A session with the node by the key of a member."""
        remote = bytes(nacl.public.PrivateKey(self.noise_secret(node)).public_key)
        session = Connection(node.port, IK, secret, self.id, remote, bytes([purpose]) + bytes(8), seconds)
        session.send_frame(bytes([READY]))
        return session


class Answer:
    """What a daemon answered to a call: its replies, or the code with which it refused."""

    def __init__(self, replies):
        self.replies = [cbor2.loads(reply) for reply in replies]
        failure = next((reply[1] for reply in self.replies if reply[0] == 1), None)
        self.code = failure[1] if failure else None
        self.text = failure[2] if failure else ""

    def reply(self, number):
        return next((reply[1] for reply in self.replies if reply[0] == number), None)

    @property
    def job(self):
        submitted = self.reply(10)
        return submitted[1] if submitted else None

    def __str__(self):
        return self.code or f"replies {[reply[0] for reply in self.replies]}"


def call(mesh, node, token, request, operation, proof=None, keep=None, seconds=20, member=None):
    """One call of a guest; `proof(connection, bytes, now)` makes another proof than the right one.

    `keep`: takes the connection after the call was sent, and reads for itself.
    """
    body = request if isinstance(request, bytes) else encoded(request)

    def let_in():
        try:
            return mesh.stranger(node, seconds)
        except Busy:
            return None

    session = meshes.wait_until(let_in, f"{node.name} lets a stranger in", seconds)
    member = member or mint.Key.of_node(node).id
    try:
        session.ready()
        session.open(GUEST)
        greeting = session.receive()
        now = cbor2.loads(greeting)
        if not isinstance(now, int):
            # In place of its time: why it answers no guest.
            return Answer([greeting])
        shown = proof(session, body, now) if proof else token.proof(session.hash, operation, body, member, now)
        session.send(encoded({1: list(token.links), 2: shown, 3: body}))
        if keep:
            return keep(session)
        replies = []
        while (message := session.receive()) is not None:
            replies.append(message)
        session.finish()
        return Answer(replies)
    finally:
        session.close()


# What guests ask (docs/node.md has the numbers of the API).
JOBS = [13, {1: True}]


def submit(command=("true",), high=None, low=None, **spec):
    """A job, asked for with a request id of its own."""
    number = int.from_bytes(os.urandom(7), "big")
    fields = {1: "redteam", 2: list(command), 4: "guest", 16: 0}
    fields.update({int(name[1:]): value for name, value in spec.items()})
    return [8, {1: {1: high or number, 2: low or number}, 2: fields}]


def logs(job, follow=False):
    return [12, {1: job, 2: 0, 4: follow}]


def fetch(job, path):
    return [18, {1: job, 2: 0, 3: path}]


def cancel(job):
    return [16, {1: job}]
