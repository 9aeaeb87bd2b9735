"""Lies about members, and datagrams of strangers (rows G01 to G05)."""

import hashlib
import hmac
import os
import socket
import struct
import time

import nacl.bindings
import nacl.public

import mint
import traitor
import wire
from team import memory_bytes, row, wait_until

ALIVE, SUSPECT, DEAD, LEFT = range(4)


class Siege:
    """A mesh of three voters and a worker whose daemon was killed and whose keys the attacker has."""

    def __init__(self, team):
        self.team = team
        self.mesh = team.new_mesh("siege", nodes=4)
        first, worker = self.mesh.nodes[0], self.mesh.nodes[3]
        first.found(self.mesh.name)
        for node in self.mesh.nodes[1:3]:
            node.join(first.command("invite"))
        self.mesh.attempt(
            worker,
            "join",
            "-",
            "--name",
            worker.name,
            "--role",
            "worker",
            *worker._flags,
            stdin=first.command("invite"),
        )
        self.mesh.wait_alive(first, 4, voters=3)
        self.outer = wire.Mesh(first)
        self.fold = self.mesh.nodes[:3]
        worker.kill_daemon()
        self.worker = traitor.Traitor(self.outer, worker, 4)
        self.log = {}

    def number(self, node):
        return self.mesh.nodes.index(node) + 1

    def raft(self, node):
        return node.command_json("raft", "ls")

    def leader(self):
        return self.team.leader(self.mesh)

    def standing(self):
        """Term and leader as each voter has them."""
        views = {node.name: self.raft(node) for node in self.fold}
        return {name: (view["term"], view["leader"]) for name, view in views.items()}

    def pids(self):
        return {node.name: node.daemon_pid() for node in self.fold}

    def works(self):
        """An ordinary write goes through the log, asked at each node."""
        for node in self.fold:
            done = self.mesh.attempt(node, "config", "set", "user.redteam", os.urandom(4).hex(), seconds=20)
            self.team.check(done.returncode == 0, f"{node.name} takes no command any more: {done.stderr}")

    def version_of(self, node):
        """What a member says of its own life: [generation, renewal, incarnation]."""

        def asked():
            heard = self.worker.say(node, traitor.swim([1, 0, 0], kind=1, f3=7), listen=0.4)
            return next((message[1][1] for message in heard if message[0] == traitor.SWIM), None)

        return wait_until(asked, f"{node.name} says its version", 10)

    def states(self, node):
        return {member["name"]: member["state"] for member in self.mesh.members(node)}


def siege(team):
    if not hasattr(team, "_siege"):
        team._siege = Siege(team)
    return team._siege


def keep_alive_through(team, one, seconds, what):
    """Everybody sees everybody of the fold alive, all the time."""
    due = time.monotonic() + seconds
    while time.monotonic() < due:
        for node in one.fold:
            for other, state in one.states(node).items():
                team.check(
                    other == "n4" or state in ("alive", "suspect"), f"{what}: {node.name} says that {other} is {state}"
                )
    wait_until(
        lambda: all(state == "alive" for node in one.fold for name, state in one.states(node).items() if name != "n4"),
        f"all are alive after {what}",
        15,
    )


@row(
    "G01",
    "words for another node, old, unsigned, with a wrong signature, from the future",
    "not believed",
    suites=[
        (
            "Tests/MeshTests/Gossip/SwimSignatureTests.swift",
            "an accusation under a false signature is refused, counted and never passed on, and ends its message",
        )
    ],
)
def words(team):
    one = siege(team)
    victim = one.fold[1]
    number, version = one.number(victim), one.version_of(victim)
    pids = one.pids()
    mine, theirs = one.worker.identity, mint.Key.of_node(victim)
    ahead = [version[0], version[1], version[2] + 1]
    far = [version[0], version[1], version[2] + (1 << 21)]
    later = [version[0] + 1, 0, 0]
    mesh_id = one.outer.id
    lies = [
        ("left, by another", traitor.word(mesh_id, 4, mine, number, ahead, LEFT)),
        ("alive in a later life, by another", traitor.word(mesh_id, 4, mine, number, later, ALIVE)),
        ("left, under its name, by another's key", traitor.word(mesh_id, number, mine, number, ahead, LEFT)),
        ("left, under its name, unsigned", traitor.word(mesh_id, number, None, number, ahead, LEFT)),
        ("left, signed for another mesh", traitor.word(bytes(32), number, theirs, number, ahead, LEFT)),
        ("dead, accusing itself", traitor.word(mesh_id, number, mine, number, version, DEAD)),
        ("dead, by the leader's name", traitor.word(mesh_id, 1, mine, number, version, DEAD)),
        ("dead, far ahead", traitor.word(mesh_id, 4, mine, number, far, DEAD)),
        ("dead, in an old life", traitor.word(mesh_id, 4, mine, number, [max(version[0] - 1, 1), 0, 0], DEAD)),
        ("dead, by nobody", traitor.word(mesh_id, 4711, mine, number, version, DEAD)),
    ]
    for what, lie in lies:
        for node in one.fold:
            one.worker.say(node, traitor.swim([1, 0, 0], [lie]), listen=0.05)
    # The form of programs that knew no signatures.
    unsigned = {0: 5, 1: [1, 0, 0], 2: [[number, ahead, LEFT, [], None], [number, version, DEAD, [4], None]]}
    facts = [1, number, ahead, b"\xa0", mine.sign(b"x")]
    for node in one.fold:
        one.worker.say(node, [traitor.SWIM, unsigned], traitor.swim([1, 0, 0], [facts]), listen=0.05)
    keep_alive_through(team, one, 2, "the lies")
    team.check(one.version_of(victim)[:2] == version[:2], "the victim had to begin a new life")
    team.check(one.pids() == pids, "a daemon ended")
    # What a member has said of itself is believed, whoever brings it: it has to go beyond a word of its own.
    current = one.version_of(victim)
    beyond = [current[0], current[1], current[2] + 5]
    one.worker.say(
        victim, traitor.swim([1, 0, 0], [traitor.word(mesh_id, number, theirs, number, beyond, ALIVE)]), listen=0.1
    )
    wait_until(lambda: one.version_of(victim) > beyond, "a genuine word is believed", 15)
    return f"{len(lies) + 3} lies to three nodes changed nothing; a word under the victim's own key was believed"


@row(
    "G02",
    "false suspicion of the leader by one, k-1 or k members",
    "it objects and leads on",
    suites=[
        (
            "Tests/MeshTests/Gossip/SwimCoreTests.swift",
            "an accused member objects with the incarnation after its accuser's, and is alive again for who hears that",
        )
    ],
)
def suspicions(team):
    one = siege(team)
    leader = one.leader()
    others = [node for node in one.fold if node is not leader]
    number, before = one.number(leader), one.standing()
    mine, mesh_id = one.worker.identity, one.outer.id
    for turn in range(10):
        version = one.version_of(leader)
        for state in (SUSPECT, DEAD):
            for node in others:
                one.worker.say(
                    node, traitor.swim([1, 0, 0], [traitor.word(mesh_id, 4, mine, number, version, state)]), listen=0.05
                )
    keep_alive_through(team, one, 4, "the accusations")
    team.check(one.standing() == before, f"leader or term changed: {before} became {one.standing()}")
    one.works()
    team.part("k-1 and k members that lie together: in simulation only; here one, ten times at each node")
    return f"accused {turn + 1} times of being suspect and dead, {leader.name} objected each time and led on in the same term"


def datagram_root(outer, own_secret, remote_public):
    shared = nacl.bindings.crypto_scalarmult(own_secret, remote_public)
    own = bytes(nacl.public.PrivateKey(own_secret).public_key)
    binding = outer.id + bytes(8)
    first, second = sorted([own, remote_public])
    salt = hashlib.blake2b(b"swarmlet datagrams 1" + bytes([len(binding)]) + binding + first + second).digest()
    temporary = hmac.new(salt, shared, "blake2b").digest()
    return hmac.new(temporary, b"\x01", "blake2b").digest()


def hello(sender, receiver, root=None):
    packet = struct.pack("<BBQQI", 1, 1, sender, receiver, 7) + os.urandom(16) + struct.pack("<Q", 1)
    mac = hashlib.blake2b(b"mac" + packet, key=root, digest_size=16).digest() if root else os.urandom(16)
    return packet + mac


@row(
    "G03",
    "datagrams of strangers with another's address",
    "nobody gets more bytes than he sent",
    suites=[
        (
            "Tests/MeshTests/Datagrams/DatagramCoreTests.swift",
            "an address that has proven nothing gets no more bytes than it sent",
        )
    ],
)
def amplified(team):
    one = siege(team)
    count = 10_000 if team.is_long else 1_000
    target = one.fold[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        sent = received = 0
        for number in range(count):
            packet = [
                hello(4, 2),
                hello(1, 2),
                b"\x02" + os.urandom(49),
                b"\x12" + os.urandom(60),
                os.urandom(number % 1200 + 1),
                b"\x01",
            ][number % 6]
            stranger.sendto(packet, ("127.0.0.1", target.port))
            sent += len(packet)
            try:
                received += len(stranger.recv(65_536))
            except BlockingIOError:
                continue
        due = time.monotonic() + 1

        def drained():
            nonlocal received
            try:
                received += len(stranger.recv(65_536))
            except BlockingIOError:
                pass
            return time.monotonic() > due

        wait_until(drained, "late answers", 5)
        team.check(received <= sent, f"{received} bytes for {sent}")
        team.check(received == 0, f"what proved nothing was answered with {received} bytes")
        remote = bytes(nacl.public.PrivateKey(one.outer.noise_secret(target)).public_key)
        root = datagram_root(one.outer, one.worker.secret, remote)
        answered = []

        def welcomed():
            stranger.sendto(hello(4, 2, root), ("127.0.0.1", target.port))
            try:
                answered.append(stranger.recv(65_536))
            except BlockingIOError:
                return False
            return True

        wait_until(welcomed, "a proven hello is answered", 10, 0.3)
        team.check(
            answered[0][0] == 2 and len(answered[0]) <= 62, f"a hello of 62 bytes was answered with {len(answered[0])}"
        )
    if not team.is_long:
        team.part(f"10^4 datagrams: {count} here, all with --long")
    return f"{count} datagrams, {sent} bytes, brought 0 bytes back; a member's proven hello of 62 bytes one of {len(answered[0])}"


@row("G04", "invented members, many addresses, the address of a victim", "caps hold; no storm at the victim")
def poisoned(team):
    one = siege(team)
    before, memory = one.states(one.fold[0]), {node.name: memory_bytes(node.daemon_pid()) for node in one.fold}
    count = 100_000 if team.is_long else 10_000
    mine, mesh_id = one.worker.identity, one.outer.id
    invented = traitor.word(mesh_id, 4, mine, 10, [5, 0, 0], ALIVE)
    for start in range(0, count, 50):
        if start % 2500 == 0:
            session = one.worker.session(one.fold[start // 2500 % 3])
        rumours = [[0, 10 + start + index, [5, 0, 0], ALIVE, invented[4]] for index in range(50)]
        try:
            session.post(traitor.MESSAGE_KIND, wire.encoded(traitor.swim([1, 0, 0], rumours)))
        except wire.Refused:
            session = one.worker.session(one.fold[start // 50 % 3])
        if start % 2500 == 2450:
            traitor.hear(session, 0.1)
            session.close()
    after = one.states(one.fold[0])
    team.check(set(after) == set(before), f"members were invented: {set(after) - set(before)}")
    # Its own addresses are its to say; a long list and somebody else's are not to bring others into trouble.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as victim:
        victim.setblocking(False)
        address = "127.0.0.1:%d" % victim.getsockname()[1]

        def propose(addresses):
            command = {0: 4, 1: 4, 2: addresses, 3: {1: 1000, 2: 1 << 30, 3: []}, 4: "0"}
            one.worker.say(one.leader(), [traitor.PROPOSE, traitor.entry(command)], listen=0.3)

        for addresses in (["127.0.0.1:1"] * 10_000, ["x" * 100_000], [address] * 100):
            propose(addresses)
        known = max(len(record.get("addresses", [])) for record in one.fold[0].command_json("members")["members"])
        team.check(known <= 16, f"a member has {known} addresses")
        propose([address])
        arrived, seconds = 0, 20
        due = time.monotonic() + seconds

        def counted():
            nonlocal arrived
            try:
                victim.accept()[0].close()
                arrived += 1
            except BlockingIOError:
                pass
            return time.monotonic() > due

        wait_until(counted, "the victim counts", seconds + 5, 0.01)
        rate = arrived / seconds
        team.check(rate < 20, f"the victim was dialled {rate:.0f} times a second")
    for node in one.fold:
        grown = memory_bytes(node.daemon_pid()) - memory[node.name]
        team.check(grown < 32 << 20, f"{node.name} grew by {grown >> 20} MiB")
    one.works()
    if rate > 3 / 60:
        team.part(
            f"one dial an address a minute: {arrived} in {seconds} s by three nodes, while the member is taken for reachable there"
        )
    if not team.is_long:
        team.part(f"10^5 members: {count} here, all with --long")
    return f"{count} invented members: none taken in; lists of 10,000 addresses and one of 100 kB refused; {arrived} dials in {seconds} s"


@row(
    "G05",
    "bombs: lengths of 2^32-1, nested, cut off, empty",
    "refused before memory is taken",
    suites=[("Tests/Fuzzing/SessionFuzzing.swift", "SessionFrame"), ("Tests/Fuzzing/DatagramFuzzing.swift", "atagram")],
)
def bombs(team):
    one = siege(team)
    pids, memory = one.pids(), {node.name: memory_bytes(node.daemon_pid()) for node in one.fold}
    head = bytes([wire.POST, 0])
    frames = [
        head + b"\x01" + struct.pack("<HI", 1, 2**32 - 1) + b"x",
        head + b"\x03" + struct.pack("<HI", 1, 0),
        head + b"\x01" + struct.pack("<HI", 1, 16 << 20) + bytes(100),
        head + b"\x02x",
        head + b"\x07" + bytes(6),
        b"",
        b"\xff",
        bytes([wire.DATA]),
        bytes([wire.POST, 9, 3]),
        bytes([wire.OPEN]) + bytes(3),
        bytes([wire.CREDIT]) + b"\xff" * 8,
    ]
    bodies = [
        b"",
        b"\x9f" * 100_000,
        b"\x81" * 100_000,
        b"\xbf" * 1000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8 + b"x",
        b"\xa1" * 5000,
        b"\x7f" * 1000,
        b"\xc0" * 10_000,
        wire.encoded([traitor.SWIM, {0: 6, 1: [1, 0, 0], 5: [[1] * 5] * 20_000}]),
        wire.encoded([traitor.SWIM, {0: 9, 1: [1, 0, 0], 5: [], 8: 1, 9: list(range(60_000))}]),
        os.urandom(1000),
    ]
    for node in one.fold:
        for frame in frames:
            with one.worker.session(node) as session:
                try:
                    session.send_frame(frame)
                except wire.Refused:
                    pass
                traitor.hear(session, 0.02)
        with one.worker.session(node) as session:
            for body in bodies:
                try:
                    session.post(traitor.MESSAGE_KIND, body)
                except wire.Refused:
                    break
            traitor.hear(session, 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for node in one.fold:
            for body in (b"", b"\x01", os.urandom(65_000), b"\x11" + bytes(12), b"\x12" + b"\xff" * 1199):
                stranger.sendto(body, ("127.0.0.1", node.port))
    team.check(one.pids() == pids, "a daemon ended")
    for node in one.fold:
        grown = memory_bytes(node.daemon_pid()) - memory[node.name]
        team.check(grown < 32 << 20, f"{node.name} grew by {grown >> 20} MiB")
    one.works()
    return f"{len(frames)} frames, {len(bodies)} messages and 5 datagrams to each of three nodes: refused, memory as before, writes go on"
