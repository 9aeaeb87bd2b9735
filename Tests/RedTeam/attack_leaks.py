"""Floods of tokens, stolen keys, leaks and clocks (rows T19 to T23)."""

import concurrent.futures
import os
import statistics
import subprocess
import time

import attack_join
import attack_tokens
import mint
from attack_tokens import GRANTS, STEPS
from team import row, wait_until


@row(
    "T19",
    "floods: valid, invalid, unknown issuers, revocations",
    "memory bounded, others are answered",
    suites=[(GRANTS, "the cache holds no more than its bound, and strangers put nothing into it")],
)
def flooded(team):
    count = 25_000 if team.is_long else 600
    epoch = getattr(team, "epoch", 0)
    issuer, mesh, other = team.issuer, team.outer.name, mint.Key()
    holder = mint.Key()
    kinds = {
        "valid": lambda: mint.mint(issuer, mesh, holder, ep=epoch),
        "invalid": lambda: (lambda token: token.with_links(token.links[0][:40] + "A" + token.links[0][41:]))(
            mint.mint(issuer, mesh, holder, ep=epoch)
        ),
        "unknown": lambda: mint.mint(other, mesh, holder, ep=epoch),
    }
    slowest, rates = 0.0, []
    for what, make in kinds.items():
        started = time.monotonic()

        def some(_index, make=make):
            return [team.call(make(), seconds=60).code for _ in range(count // 20)]

        with concurrent.futures.ThreadPoolExecutor(21) as pool:
            flood = [pool.submit(some, index) for index in range(20)]
            while not all(one.done() for one in flood):
                asked = time.monotonic()
                team.node.command_json("members")
                slowest = max(slowest, time.monotonic() - asked)
        answers = [answer for one in flood for answer in one.result()]
        # More than an issuer's tokens may ask in a second is refused, too, and said to be that.
        expected = ("node.busy", None, "token.rate") if what == "valid" else ("node.busy", "token.invalid")
        bad = [answer for answer in answers if answer not in expected]
        team.check(not bad, f"of the {what} tokens {len(bad)} were answered with {bad[:2]}")
        team.check(what != "valid" or None in answers, "no valid token was accepted")
        rates.append(f"{len(answers) / (time.monotonic() - started):.0f}/s {what}")
    revocations = 20_000 if team.is_long else 100
    for number in range(revocations):
        key = os.urandom(32)
        done = team.mesh.attempt(team.node, "token", "revoke", "--holder", mint.key_id(key))
        if done.returncode != 0:
            team.check("too_many" in done.stderr, done.stderr)
            break
    team.accepted(team.call(mint.mint(issuer, mesh, ep=epoch)), "a token after the flood")
    if not team.is_long:
        team.part(
            f"10^5 of each: {count} of each and {revocations} revocations here, 25,000 and 20,000 with --long; "
            "each comes on a connection of its own"
        )
    return f"{count} of each kind at {', '.join(rates)}; a member was answered within {slowest:.2f} s meanwhile; memory as before"


@row("T20", "tokens of a stolen issuer's key that are in no log", "refused: not in the log")
def off_log(team):
    added = mint.Key()
    text = mint.public_text(added.public)
    team.node.command("token", "issuer", "add", text, "stolen")
    token = mint.mint(added, team.outer.name, ep=getattr(team, "epoch", 0))
    team.accepted(team.call(token), "where a mesh does not ask for it")
    team.node.command("config", "set", "tokens.issued-only", "yes")
    try:
        for node in team.mesh.nodes:
            wait_until(lambda: team.call(token, node=node).code == "token.not_issued", f"{node.name} refuses it", 30)
            team.accepted(team.call(mint.of_line(team.issued()), node=node), "one that the mesh has issued")
    finally:
        team.node.command("config", "unset", "tokens.issued-only")
        team.node.command("token", "issuer", "revoke", text)
    team.check(team.call(token).code == "token.invalid", "a token of the stolen key works after it was revoked")
    return "with tokens.issued-only refused by every node; one that the mesh has issued works"


@row(
    "T21",
    "keys of small or mixed order as holder, issuer or node",
    "refused",
    suites=[
        (
            "Tests/TokensTests/KeyTests.swift",
            "keys of small order, of mixed order, off the curve and of other lengths are refused",
        ),
        (STEPS, "a holder's key of small or mixed order, or under the name of another key, is refused"),
    ],
)
def crooked_keys(team):
    bad = [*attack_tokens.SMALL, *attack_tokens.NOT_CANONICAL, attack_tokens.MIXED]
    epoch = getattr(team, "epoch", 0)
    with team.nothing_changes():
        for point in bad:
            confirmation = {"kid": mint.key_id(point), "key": mint.public_text(point)}
            team.refused(team.call(team.token(cnf=confirmation, ep=epoch)), *attack_tokens.CLAIMS)
            team.refused(team.call(team.token(ep=epoch).narrowed(cnf=confirmation)), *attack_tokens.CLAIMS)
            done = team.mesh.attempt(team.node, "token", "issuer", "add", mint.public_text(point), "crooked")
            team.check(done.returncode != 0, f"{mint.public_text(point)} became an issuer")
            done = team.mesh.attempt(team.node, "token", "create", "--holder", mint.public_text(point))
            team.check(done.returncode != 0, f"a token was made for the holder {mint.public_text(point)}")
        for point in bad:
            answer = attack_join.ask_admission(team, identity=mint.Key(), public=point)
            team.check(answer.code is not None, f"a node with the key {point.hex()} was admitted")
    team.accepted(team.call(team.token(ep=epoch)), "an ordinary holder")
    return f"{len(bad)} keys refused as holder of a root and of a link, as issuer, in token create, and as node"


@row(
    "T22",
    "the token's secret in arguments, environment, logs, ps, files of the mesh, core dumps",
    "nowhere",
    suites=[("Tests/Faults/test_tokens.py", "the token itself is nowhere")],
)
def leaked(team):
    line = team.issued("--act", "run,logs,status", "--uses", "3")
    token = mint.of_line(line)
    os.makedirs(os.path.join(team.mesh.folder, "guest"), exist_ok=True)
    path = os.path.join(team.mesh.folder, "guest", "leak.token")
    with open(path, "w", encoding="ascii") as stream:
        stream.write(line)
    environment = {"PATH": os.environ["PATH"], "HOME": os.path.dirname(path), "SWARMLET_TOKEN": line, "CI": "true"}
    running = subprocess.Popen(
        [team.binary, "run", "--yes", "--no-send", "--", "sh", "-c", "env; cat /proc/[0-9]*/environ; sleep 2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=os.path.dirname(path),
    )
    seen = set()

    def look():
        for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
            for what in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{pid}/{what}", "rb") as stream:
                        text = stream.read()
                except OSError:
                    continue
                # The environment that its own process was started with is the guest's, and unset at once.
                if line[20:90].encode() in text and (what, int(pid)) != ("environ", running.pid):
                    seen.add((what, pid))
        return running.poll() is not None

    wait_until(look, "the guest's command ends", 90, 0.1)
    out, errors = running.communicate(timeout=30)
    own = running.pid
    team.check(not {one for one in seen if one[1] != str(own)}, f"the token is seen in {seen}")
    secrets = [
        line[20:90].encode(),
        token.holder.seed,
        mint.b64(token.holder.seed).encode(),
        token.holder.seed.hex().encode(),
    ]
    for secret in secrets:
        team.check(secret not in out and secret not in errors, "the job or the command's words hold the token")
    for node in team.mesh.nodes:
        for folder, _, names in os.walk(node.data):
            for name in names:
                place = os.path.join(folder, name)
                if os.path.islink(place) or not os.path.isfile(place) or os.path.getsize(place) > 64 << 20:
                    continue
                with open(place, "rb") as stream:
                    content = stream.read()
                for secret in secrets:
                    team.check(secret not in content, f"{place} holds the secret of a token")
        with open(f"/proc/{node.daemon_pid()}/limits", encoding="ascii") as stream:
            core = next(entry for entry in stream if entry.startswith("Max core file size"))
        team.check(
            core.split()[4:6] == ["0", "0"] or core.split()[4] == "0",
            f"{node.name} may leave core dumps: {core.strip()}",
        )
        daemon_log = os.path.join(node.data, "daemon.log")
        with open(daemon_log, "rb") as stream:
            team.check(b"v4.public." not in stream.read(), f"{daemon_log} holds links of a token")
    shown = team.node.command("token", "ls", "--json")
    team.check(token.links[0][20:80] not in shown, "token ls shows the token")
    if running.returncode != 0 and team.is_strict:
        team.check(False, f"the guest's own job did not run: {errors.decode()[-300:]}")
    return "not in any process's arguments or environment, nor job, output, data directories and logs of three nodes; no core dumps"


@row(
    "T23",
    "time tells apart unknown kid, bad signature and expired",
    "only the documented early end differs",
    slow=True,
    suites=[(STEPS, "of several flaws the first in the order of the steps is the one that counts")],
)
def timed(team):
    count = 10_000 if team.is_long else 300
    epoch = getattr(team, "epoch", 0)
    good = team.token(ep=epoch)
    signature = mint.unb64(good.links[0].split(".")[2])[-64:]
    early = bytearray(signature)
    early[0] ^= 1
    late = bytearray(signature)
    late[63] ^= 1
    kinds = {
        "unknown kid": mint.mint(mint.Key(), team.outer.name, ep=epoch),
        "first byte of the signature": good.with_links(attack_tokens.with_signature(good.links[0], bytes(early))),
        "last byte of the signature": good.with_links(attack_tokens.with_signature(good.links[0], bytes(late))),
        "expired": team.token(ep=epoch, iat=mint.moment(0), nbf=mint.moment(0), exp=mint.moment(1)),
    }
    took = {what: [] for what in kinds}
    for _ in range(count // len(kinds)):
        for what, token in kinds.items():

            def keep(session):
                asked = time.perf_counter()
                session.receive()
                took[what].append(time.perf_counter() - asked)

            (team.submit if what == "expired" else team.call)(token, keep=keep)
    team.accepted(team.call(good))
    said = ", ".join(f"{what} {statistics.median(values) * 1e6:.0f} us" for what, values in took.items())
    team.part(
        "that no step depends on a secret: measured from outside, over sockets, not proven; comparisons are libsodium's"
    )
    return f"median of {count // len(kinds)} refusals each: {said}"
