"""Hosts that want to get in and should not (rows J01 to J06)."""

import json
import os
import shutil
import socket

import threading
import time

import blake3
import cbor2
import nacl.public

import mint
import wire
from team import meshes, row, wait_until

CORE = "Tests/TokensTests/JoinTests.swift"
BINDING, JOIN_PROOF = b"swarmlet/noise/1", b"swarmlet/join-proof/1"


class Said:
    """What a member answered to somebody who wants to join."""

    def __init__(self, number, content):
        self.number = number
        self.code = content[1] if number == 3 else None
        self.text = content[2] if number == 3 else ""
        self.admission = content if number == 2 else None

    def __str__(self):
        return self.code or f"reply {self.number}"


def ask_admission(
    team, identity, public=None, token=None, token_id="", node=None, mesh=None, lies=None, secret=None, key=None
):
    """Asks for admission as `join` would; `lies` are fields of the record, `public` another key than it signs with."""
    node, mesh = node or team.node, mesh or team.outer
    secret = secret or os.urandom(32)
    own = bytes(nacl.public.PrivateKey(secret).public_key)
    record = {
        1: 0,
        2: "intruder",
        3: public or identity.public,
        4: own,
        5: 0,
        6: [],
        7: ["127.0.0.1:1"],
        8: {1: 1000, 2: 1 << 30, 3: []},
        9: 0,
        10: {0: 0},
        11: "0",
        13: {1: 1, 2: 9},
    }
    record.update(lies or {})
    record = {number: value for number, value in record.items() if value is not None}
    with wire.Connection(node.port, wire.XX, secret, mesh.id) as session:
        session.ready()
        facts = blake3.blake3(wire.encoded(record)).digest()
        binding = identity.sign(mint.pre_authentication([BINDING, own]))
        proof = (key or identity).sign(mint.pre_authentication([JOIN_PROOF, session.hash, token_id.encode(), facts]))
        request = {1: record, 2: {1: own, 2: binding}, 4: proof}
        if token:
            request[3] = token
        session.open(wire.ADMISSION)
        session.send(wire.encoded(request))
        return Said(*cbor2.loads(session.receive()))


def invitation(node, *flags):
    """The content of an invitation and the id of its token."""
    line = node.command("invite", *flags)
    _, content = mint.open_line(line)
    claims = json.loads(mint.payload_of(content[4]))
    return line, content, claims["jti"]


class Tap:
    """A port that passes everything on and keeps what the initiator said."""

    def __init__(self, port):
        self.target, self.said = port, b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                here, _ = self.server.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(here, there, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(there, here, False), daemon=True).start()

    def _pass(self, source, target, is_kept):
        try:
            while data := source.recv(65_536):
                if is_kept:
                    self.said += data
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()


def join(mesh, node, line, *flags, seconds=40):
    return mesh.attempt(
        node,
        "join",
        "-",
        "--name",
        node.name,
        "--listen",
        f"127.0.0.1:{node.port}",
        *flags,
        stdin=line,
        seconds=seconds,
    )


def with_addresses(content, *addresses):
    return mint.close_line("swm1.", {**content, 1: list(addresses)})


@row(
    "J01",
    "a wrong mesh pin, a middleman with his own mesh, an address of an attacker",
    "stops before token or proof is sent",
    suites=[
        (
            "Tests/TokensTests/InvitationTests.swift",
            "an invitation whose chain does not lead to the signer of its token is void",
        )
    ],
)
def middleman(team):
    hosts = team.new_mesh("newcomers", nodes=3)
    evil = team.new_mesh("evil", nodes=1)
    tap = None
    try:
        evil.start()
        _, content, _ = invitation(team.node)
        tap = Tap(evil.nodes[0].port)
        with team.nothing_changes():
            done = join(hosts, hosts.nodes[0], with_addresses(content, f"127.0.0.1:{tap.port}"))
        team.check(done.returncode != 0, "the newcomer joined the mesh of the middleman")
        # What it may say: the opening and the first message, an ephemeral key and 8 KiB of nothing. Never the third message.
        first = 11 + 3 + 32 + len(wire.PADDING)
        team.check(
            len(tap.said) <= first + 16,
            f"the newcomer said {len(tap.said)} bytes to the middleman, {first} are the first message",
        )
        team.check(content[4].encode()[:60] not in tap.said, "the token was said in clear")
        # Another mesh key in the invitation, which the chain of its issuer does not fit.
        pinned = mint.close_line("swm1.", {**content, 2: mint.Key().public})
        team.check(join(hosts, hosts.nodes[0], pinned).returncode != 0, "an invitation with another pin was taken")
        honest = Tap(team.node.port)
        done = join(hosts, hosts.nodes[1], with_addresses(content, f"127.0.0.1:{honest.port}"))
        honest.close()
        team.check(done.returncode == 0, f"the true mesh behind a proxy was refused: {done.stderr}")
        team.check(content[4].encode()[:60] not in honest.said, "the token can be read on the way")
        # Takes it out again: the other rows know three members.
        hosts.nodes[1].command("leave")
        wait_until(
            lambda: sum(member["state"] == "alive" for member in team.mesh.members(team.node)) == 3, "it has left"
        )
        return (
            f"{len(tap.said)} bytes were said to the middleman: opening, ephemeral key and padding, no token and no key; "
            "a wrong pin refused; behind a proxy to the true mesh it joined"
        )
    finally:
        if tap:
            tap.close()
        hosts.stop()
        evil.stop()


@row(
    "J02",
    "an invitation used, expired, of another role; two hosts race for one",
    "one admitted; the other hears who used it; alarm",
    suites=[
        (CORE, "an expired token is refused with its time, once the tolerated difference of clocks is over"),
        (
            "Tests/Faults/test_alarms.py",
            "test_every_member_is_told_of_an_invitation_that_is_used_twice_by_whom_and_from_where",
        ),
    ],
)
def raced(team):
    with team.own_mesh(nodes=1, voters=1) as mesh:
        node = mesh.nodes[0]
        outer = wire.Mesh(node)
        _, content, token_id = invitation(node)
        intruders = [mint.Key(), mint.Key()]
        answers = [None, None]

        def go(index):
            answers[index] = ask_admission(
                team,
                intruders[index],
                token=content[4],
                token_id=token_id,
                node=node,
                mesh=outer,
                lies={2: f"host{index}"},
            )

        threads = [threading.Thread(target=go, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        admitted = [answer for answer in answers if answer.admission]
        other = next(answer for answer in answers if not answer.admission)
        team.check(
            len(admitted) == 1 and other.code == "mesh.join.token_used", f"two raced: {answers[0]} and {answers[1]}"
        )
        winner = "host0" if answers[0].admission else "host1"
        team.check(winner in other.text, f"the second is not told who was first: {other.text}")
        late = ask_admission(team, mint.Key(), token=content[4], token_id=token_id, node=node, mesh=outer)
        team.check(late.code == "mesh.join.token_used", f"used again: {late}")
        # Signed by a member that may admit, as of an hour ago.
        claims = json.loads(mint.payload_of(content[4]))
        claims.update(exp=mint.moment(time.time() - 3600), jti=mint.b64(os.urandom(16)))
        old = mint.paseto(mint.encoded(claims), mint.Key.of_node(node), mint.JOIN)
        expired = ask_admission(team, mint.Key(), token=old, token_id=claims["jti"], node=node, mesh=outer)
        team.check(expired.code == "mesh.join.token_expired", f"expired: {expired}")
        claims.update(exp=mint.moment(time.time() + 3600), jti=mint.b64(os.urandom(16)))
        forged = mint.paseto(mint.encoded(claims), mint.Key(), mint.JOIN)
        answer = ask_admission(team, mint.Key(), token=forged, token_id=claims["jti"], node=node, mesh=outer)
        team.check(answer.code is not None, "admitted by an invitation that nobody of the mesh has signed")
        _, fresh, fresh_id = invitation(node)
        wrong = ask_admission(
            team, mint.Key(), token=fresh[4], token_id=fresh_id, node=node, mesh=outer, key=mint.Key()
        )
        team.check(wrong.code is not None, "admitted by a proof of another key")
        alarms = [
            json.loads(line)["detail"] for line in node.command("events", "--json").splitlines() if '"alarm"' in line
        ]
        team.check(len(alarms) == 1 and winner in alarms[0], f"no alarm, or not who was first: {alarms}")
        good = ask_admission(
            team, mint.Key(), token=fresh[4], token_id=fresh_id, node=node, mesh=outer, lies={2: "good"}
        )
        team.check(good.admission is not None, f"a fresh invitation was refused: {good}")
    team.part("invitations name no host or key beforehand")
    return "of two that raced one was admitted, the other told who, and the mesh alarmed; used, expired and wrongly proved ones refused; a fresh one admitted"


@row("J03", "who joins claims to vote, another number, labels, an owner", "role and labels from the token alone")
def claimed(team):
    with team.own_mesh(nodes=1, voters=1) as mesh:
        node = mesh.nodes[0]
        outer = wire.Mesh(node)
        _, content, token_id = invitation(node, "--role", "worker", "--labels", "owner=guest,rack=z")
        key = mint.Key()
        lies = {
            1: 1,
            2: mesh.nodes[0].name,
            5: 0,
            6: [{1: "owner", 2: "root"}, {1: "rack", 2: "a"}],
            9: 1,
            10: {0: 0},
            12: True,
        }
        answer = ask_admission(team, key, token=content[4], token_id=token_id, node=node, mesh=outer, lies=lies)
        team.check(answer.admission is not None, f"refused altogether: {answer}: {answer.text}")
        name, number = answer.admission[2], answer.admission[1]
        team.check(number != 1 and name != mesh.nodes[0].name, f"it became {name} with the number {number}")
        member = next(one for one in node.command_json("members")["members"] if one["name"] == name)
        team.check(
            member.get("role") == "worker" and member.get("raft") not in ("voter", "leader"), f"it became {member}"
        )
        labels = {**member.get("labels", {})} if isinstance(member.get("labels"), dict) else str(member.get("labels"))
        team.check("root" not in str(labels) and "guest" in str(labels), f"its labels are {labels}")
        chain = answer.admission[4]
        rights = json.loads(mint.payload_of(chain[-1]))
        team.check(
            not rights.get("rights") and "admit" not in str(rights.get("rgt", rights.get("can", ""))),
            f"its certificate says {rights}",
        )
        with_revocation = ask_admission(team, mint.Key(), token=content[4], token_id=token_id, node=node, mesh=outer)
        team.check(with_revocation.code == "mesh.join.token_used", str(with_revocation))
    return "number, name, role and labels that it claimed were not taken; it is a worker with the token's labels and certifies nobody"


@row(
    "J04",
    "half-open handshakes, garbage, slow bytes",
    "bounded; an honest host joins meanwhile",
    suites=[("Tests/Faults/test_admission.py", "test_who_connects_and_says_nothing_is_closed_after_ten_seconds")],
)
def half_open(team):
    count = 10_000 if team.is_long else 1_000
    held, refused = [], 0
    port = team.node.port
    first = wire.MAGIC + bytes([1, wire.XX, 0])
    for index in range(count):
        try:
            one = socket.create_connection(("127.0.0.1", port), timeout=5)
            one.setblocking(False)
            said = [
                first,
                first + b"\x01\x20\x20" + bytes(100),
                os.urandom(64),
                b"GET / HTTP/1.1\r\n\r\n",
                first[:3],
                b"",
            ][index % 6]
            one.send(said)
        except OSError:
            refused += 1
            continue
        held.append(one)
        if len(held) > 900:
            held.pop(0).close()
    ending = threading.Event()

    def drip():
        while not ending.wait(1):
            for one in held[-100:]:
                try:
                    one.send(b"\x00")
                except OSError:
                    continue

    dripping = threading.Thread(target=drip)
    dripping.start()
    hosts = team.new_mesh("honest", nodes=1)
    try:
        line = team.node.command("invite")
        started = time.monotonic()
        done = join(hosts, hosts.nodes[0], line)
        took = time.monotonic() - started
        team.check(done.returncode == 0, f"an honest host was kept out: {done.stderr}")
        hosts.nodes[0].command("leave")
        wait_until(
            lambda: sum(member["state"] == "alive" for member in team.mesh.members(team.node)) == 3, "it has left"
        )
    finally:
        ending.set()
        dripping.join()
        for one in held:
            one.close()
        hosts.stop()
    if not team.is_long:
        team.part(f"10^4 connections: {count} here, all with --long, 900 of them at once")
    return f"{count} connections ({refused} not even taken), 900 at once, 100 of them a byte a second: a host joined in {took:.1f} s"


@row(
    "J05",
    "a revoked host: same key, its key with a point of small order, its session key, old certificate, a clone",
    "refused; one key from two addresses raises an alarm",
    suites=[
        (
            "Tests/Faults/test_alarms.py",
            "test_a_host_that_is_there_twice_is_told_from_one_that_was_started_again_or_moved",
        ),
        ("Tests/NodeTests/Core/TwinWatchTests.swift", "a process that is started again, however often and from whatever"),
    ],
)
def returned(team):
    with team.own_mesh(nodes=3) as mesh:
        first, victim = mesh.nodes[0], mesh.nodes[2]
        outer = wire.Mesh(first)
        key, secret = mint.Key.of_node(victim), outer.noise_secret(victim)
        with outer.member(first, secret, wire.STREAMS) as session:
            session.ready()
        victim.kill_daemon()
        clone = os.path.join(mesh.folder, "clone")
        shutil.copytree(victim.data, clone, ignore=shutil.ignore_patterns("socket", "supervisors"))
        wait_until(
            lambda: mesh.attempt(first, "node", "revoke", "--yes", victim.name).returncode == 0,
            "it is revoked",
            60,
            0.5,
        )
        for node in mesh.nodes[:2]:
            try:
                outer.member(node, secret, wire.MESSAGES).ready()
                team.check(False, f"{node.name} takes a revoked key for a member's")
            except (wire.Refused, EOFError) as refused:
                team.check("revoked" in str(refused), f"refused with {refused}")
        line, content, token_id = invitation(first)
        same = ask_admission(team, key, token=content[4], token_id=token_id, node=first, mesh=outer)
        team.check(same.code is not None, "its key was admitted again")
        twisted = ask_admission(
            team, key, public=twist(key.public), token=content[4], token_id=token_id, node=first, mesh=outer
        )
        team.check(twisted.code is not None, "its key with a point of order 2 was admitted")
        renamed = ask_admission(
            team, mint.Key(), token=content[4], token_id=token_id, node=first, mesh=outer, secret=secret
        )
        team.check(renamed.code == "mesh.join.revoked", f"its session key under a new identity: {renamed}")
        mesh.attempt(victim, "up", *victim._flags, seconds=60)
        alive = [one["name"] for one in mesh.members(first) if one["state"] == "alive"]
        team.check(victim.name not in alive, "its daemon takes part again")
        cloned = meshes.Node(mesh, 9)
        cloned.data = clone
        mesh.nodes.append(cloned)
        mesh.attempt(cloned, "up", *cloned._flags, seconds=60)
        alive = [one["name"] for one in mesh.members(first) if one["state"] == "alive"]
        team.check(victim.name not in alive, "a copy of its disk takes part")
        fresh = ask_admission(team, mint.Key(), token=content[4], token_id=token_id, node=first, mesh=outer)
        team.check(fresh.admission is not None, f"a new host was refused: {fresh}: {fresh.text}")
    return (
        "session, admission, session key under another identity, daemon and a copy of the disk refused; the same invitation "
        "admitted a new host"
    )


def twist(public):
    """The key plus the point of order 2: (-x, -y)."""
    prime = 2**255 - 19
    number = int.from_bytes(public, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    return ((prime - y) | ((1 - sign) << 255)).to_bytes(32, "little")


@row(
    "J06",
    "a data directory others can read, a key file that is a link, keys of another mesh",
    "does not start",
    suites=[("Tests/TokensTests/KeyFileTests.swift", "a key that others may read is refused")],
)
def opened(team):
    with team.own_mesh(nodes=1, voters=1) as mesh:
        node = mesh.nodes[0]
        stranger = team.new_mesh("stranger", nodes=1)
        try:
            stranger.start()
            stranger.nodes[0].kill_daemon()
            node.kill_daemon()
            identity = os.path.join(node.data, "keys", "identity")
            kept = identity + ".kept"

            def refuses(what, spoil, mend):
                spoil()
                done = mesh.attempt(node, "up", *node._flags)
                team.check(done.returncode != 0 and node.daemon_pid() is None, f"it starts with {what}")
                mend()

            for path, bad, good in (
                (node.data, 0o755, 0o700),
                (node.data, 0o740, 0o700),
                (identity, 0o644, 0o600),
                (identity, 0o640, 0o600),
            ):
                refuses(
                    f"{path} open",
                    lambda path=path, bad=bad: os.chmod(path, bad),
                    lambda path=path, good=good: os.chmod(path, good),
                )

            def link():
                os.rename(identity, kept)
                os.symlink(kept, identity)

            def unlink():
                os.unlink(identity)
                os.rename(kept, identity)

            refuses("a key file that is a link", link, unlink)

            def swap():
                os.rename(identity, kept)
                shutil.copy2(os.path.join(stranger.nodes[0].data, "keys", "identity"), identity)

            refuses("the key of another mesh", swap, unlink)
            node.start_again()
            mesh.wait_alive(node, 1)
        finally:
            stranger.stop()
    return "open directories and keys, a link and another mesh's key: it did not start; with its own again it did"
