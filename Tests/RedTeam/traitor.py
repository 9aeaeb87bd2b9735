"""A host of the mesh that was taken over: it holds the keys of a member, and says what it likes with them."""

import os
import select
import struct
import time

import blake3
import cbor2

import mesh as meshes
import mint
import wire

SIGNED_GOSSIP = b"swarmlet/gossip/1"
SIGNED_ROLE = b"swarmlet/role/1"
USER, ADMINISTRATOR = range(2)
MESSAGE_KIND = 1
RAFT, SWIM, PROPOSE, RENEW, GRANTED, PROPOSE_ALL, READ, READABLE, REFUSED = range(1, 10)
# Kinds of Raft messages on the wire (RaftMessage+CBOR.swift).
(
    VOTE_REQUEST,
    VOTE_RESPONSE,
    APPEND,
    APPEND_RESPONSE,
    HEARTBEAT,
    HEARTBEAT_RESPONSE,
    SNAPSHOT,
    SNAPSHOT_RESPONSE,
    TIMEOUT_NOW,
) = range(1, 10)


class Traitor:
    """Sessions to the nodes of a mesh under the keys of one of its members, whose own daemon does not run."""

    def __init__(self, outer, node, number):
        self.outer, self.number = outer, number
        self.secret, self.identity = outer.noise_secret(node), mint.Key.of_node(node)

    def session(self, target):
        """A session for messages; where one stands that was not closed yet, as soon as that is gone."""
        def opened():
            session = self.outer.member(target, self.secret, wire.MESSAGES)
            try:
                session.ready()
                return session
            except (wire.Refused, EOFError) as refused:
                session.close()
                if "already" in str(refused):
                    return None
                raise

        return meshes.wait_until(opened, "the session before is gone", 10, every=0.1)

    def say(self, target, *messages, listen=0.5):
        """Says these `[number, content]`, then listens; the messages that came. Raises `Refused` where it is not let in."""
        with self.session(target) as session:
            for message in messages:
                session.post(MESSAGE_KIND, wire.encoded(message))
            return hear(session, listen)


def hear(session, seconds):
    """The messages of the control session within the time."""
    heard, parts = [], {}
    due = time.monotonic() + seconds
    while (left := due - time.monotonic()) > 0:
        if not session.buffer and not select.select([session.socket], [], [], left)[0]:
            break
        try:
            record = session.read_frame()
        except wire.Refused:
            break
        if record[0] != wire.POST:
            continue
        traffic, flags, rest = record[1], record[2], record[3:]
        if flags & 1:
            parts[traffic] = (struct.unpack_from("<H", rest)[0], b"")
            rest = rest[6:]
        kind, content = parts[traffic]
        parts[traffic] = (kind, content + rest)
        if flags & 2 and kind == MESSAGE_KIND:
            heard.append(cbor2.loads(parts[traffic][1]))
    return heard


def raft(kind, term, *fields):
    return [RAFT, {0: kind, 1: term, **{2 + index: field for index, field in enumerate(fields) if field is not None}}]


def digest(data):
    return blake3.blake3(data).digest()


def entry(command, **fields):
    """An entry of the log for the leader to propose; `command` is `{0: kind, 1: ...}`."""
    return {
        1: {1: int.from_bytes(os.urandom(7), "big"), 2: int.from_bytes(os.urandom(7), "big")},
        2: 0,
        3: command,
        **{int(name[1:]): value for name, value in fields.items()},
    }


def stated(mesh, asked, role, key, about=None):
    """The entry with a host's word of who asks for it, signed with the key; `about`: signed for another entry."""
    parts = [SIGNED_ROLE, mesh.encode(), bytes([role]), digest(wire.encoded(about or asked))]
    return {**asked, 6: {1: role, 2: key.sign(mint.pre_authentication(parts))}}


def word(mesh_id, author, key, subject, version, state):
    """A signed word of gossip: [0, subject, version, state, [[author, signature]]]."""
    statement = wire.encoded([0, author, subject, version, state])
    signature = key.sign(mint.pre_authentication([SIGNED_GOSSIP, mesh_id, statement])) if key else b""
    return [0, subject, version, state, [[author, signature]]]


def swim(version, rumours=(), kind=5, **fields):
    message = {0: kind, 1: version, **{int(name[1:]): value for name, value in fields.items()}}
    if rumours:
        message[6] = list(rumours)
    return [SWIM, message]
