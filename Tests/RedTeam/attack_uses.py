"""One-off use, revocation and time (rows T09 to T11 and T16 to T18)."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import time

import mint
import wire
from team import HERE, LayerMissing, row, wait_until

GRANTS = "Tests/TokensTests/AccessGrantTests.swift"
STEPS = "Tests/TokensTests/AccessStepTests.swift"
STATE = "Tests/SchedulerTests/TokenTests.swift"
FRESH_SECONDS = 15
# A call that goes on is looked at every 3 s, and a machine that is busy answers late.
SLACK_SECONDS = 8


def jobs_of(mesh, node, token):
    """The jobs that a token has started, as a member sees them."""
    short = token.names[0]
    wanted = "token:" + mint.unb64(short)[:2].hex()
    return [int(job["id"]) for job in node.command_json("ps", "-a")["jobs"] if job["user"] == wanted]


def at_once(count, work):
    """What `work(index)` answers, so many at the same time; what it raises is its answer, too."""

    def one(index):
        try:
            return work(index)
        except wire.Refused as refused:
            return refused

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def guest(mesh, node, token, *arguments, seconds=90):
    """A command of somebody whose host has no daemon and no data directory."""
    home = os.path.join(mesh.folder, "guest")
    os.makedirs(home, exist_ok=True)
    path = os.path.join(home, f"{node.name}-{token.names[0]}.token")
    with open(path, "w", encoding="utf-8") as stream:
        like = mesh.nodes[0].command("token", "create", "--address", f"127.0.0.1:{node.port}")
        stream.write(mint.line_of(token, like))
    environment = {"PATH": os.environ["PATH"], "HOME": home, "SWARMLET_TOKEN_FILE": path, "CI": "true"}
    return subprocess.Popen(
        [mesh.binary, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


@row(
    "T09",
    "a one-off token twice, by 100 clients at once, and while the leader is killed",
    "one job; the same request: the same",
    suites=[(STATE, "a token of one use starts one job, and the same request asked again is told which")],
)
def replayed(team):
    token = team.token(uses=1)
    request = wire.submit()
    first = team.accepted(team.submit(token, request=request), "the first use").job
    again = team.accepted(team.submit(token, request=request), "the same request again").job
    team.check(first == again, f"the same request got job {first} and then job {again}")
    team.check(
        team.accepted(team.submit(token, team.mesh.nodes[1], request), "at another node").job == first,
        "another job there",
    )
    team.refused(team.submit(token), "token.used")
    crowd = team.token(uses=1)
    answers = at_once(100, lambda index: team.submit(crowd, team.mesh.nodes[index % 3], seconds=60))
    jobs = {answer.job for answer in answers if isinstance(answer, wire.Answer) and answer.job}
    others = [
        answer
        for answer in answers
        if not isinstance(answer, wire.Answer) or answer.code not in (None, "token.used", "node.busy")
    ]
    team.check(len(jobs) == 1, f"100 clients at once started {len(jobs)} jobs: {jobs}; others {others[:3]}")
    team.check(jobs_of(team.mesh, team.node, crowd) == sorted(jobs), "the queue says something else than the answers")
    # Only the token's second byte pair names it in the queue: a clash is found by the numbers above.
    rounds = 20 if team.is_long else 3
    told = {"used": 0, "not used": 0}
    with team.own_mesh() as mesh:
        outer = wire.Mesh(mesh.nodes[0])
        for number in range(rounds):
            leader = team.leader(mesh)
            entry = leader if number % 2 else next(node for node in mesh.nodes if node is not leader)
            one = mint.mint(mint.Key.of_node(mesh.nodes[0]), outer.name, uses=1)
            running = guest(mesh, entry, one, "run", "-d", "--yes", "--no-send", "--", "true")
            wait_until(lambda: running.poll() is not None or number * 0.015 < 1, "the guest asks", 5)
            time_to_wait = time.monotonic() + 0.02 * (number % 10)
            wait_until(lambda: time.monotonic() >= time_to_wait, "the moment of this round", 5, 0.002)
            leader.kill_daemon()
            out, errors = running.communicate(timeout=120)
            leader.start_again()
            mesh.wait_alive(leader, 3, voters=3)
            mine = jobs_of(mesh, mesh.nodes[0], one)
            team.check(len(mine) <= 1, f"a one-off started the jobs {mine} when its leader was killed")
            if running.returncode == 0:
                team.check(
                    mine == [int(out.split()[0])], f"the guest was told job {out.split()[0]}, the mesh has {mine}"
                )
            else:
                team.check("[" in errors, f"the guest was not told: {errors}")
            told["used" if mine else "not used"] += 1
    return (
        f"one job of 100 clients; the same request got the same job at two nodes; leader killed in {rounds} rounds: "
        f"{told['used']} used once, {told['not used']} not at all, each guest told which"
    )


@row(
    "T10",
    "a one-off token in both halves of a partition",
    "one accepted; the minority has no quorum",
    root=True,
    suites=[(STATE, "a use cannot be spent after the token's end by the time of the mesh")],
)
def parted(team):
    return team.in_lab(os.path.join(HERE, "partition.py")).strip()


@row(
    "T11",
    "50 narrowings of a one-off token used together",
    "one accepted",
    suites=[(STATE, "fifty narrowings of a token of one use start one job together")],
)
def siblings(team):
    token = team.token(uses=1)
    below = [token.narrowed(uses=1) for _ in range(50)]
    answers = at_once(
        25,
        lambda index: [
            team.submit(below[2 * index + turn], team.mesh.nodes[index % 3], seconds=60) for turn in range(2)
        ],
    )
    answers = [answer for pair in answers for answer in (pair if isinstance(pair, list) else [pair])]
    jobs = [answer.job for answer in answers if isinstance(answer, wire.Answer) and answer.job]
    team.check(len(jobs) == 1, f"50 narrowings of a one-off started the jobs {jobs}")
    twice = team.token(uses=2)
    for one in (twice.narrowed(uses=1), twice.narrowed(uses=1)):
        team.accepted(team.submit(one), "a narrowing of a token with two uses")
    team.refused(team.submit(twice), "token.used")
    return f"one of {len(below)} started a job; two narrowings of a token with two uses one each, a third none"


@row(
    "T16",
    "revoked: new use, remembered chain, in the middle of a log and of a fetch",
    f"refused at once, streams cut in {FRESH_SECONDS} s",
    suites=[
        (STEPS, "step 10: a token, a link, a holder, and what an issuer made before a time, once revoked"),
        (GRANTS, "a stream that goes on ends when the token is revoked, runs out or nobody can say any more"),
    ],
)
def revoked(team):
    size = 1024 if team.is_long else 128
    job = team.start_job(
        "--profile",
        "none",
        "--no-send",
        "--",
        "sh",
        "-c",
        f"head -c {size}M /dev/zero > big; while :; do echo line; sleep 0.2; done",
    )
    done = team.start_job("--profile", "none", "--no-send", "--", "sh", "-c", f"head -c {size}M /dev/urandom > big")
    team.wait_job(done, 120)
    acts = {"act": ["logs", "fetch"], "res": {"job": [str(job), str(done)]}, "lim": {"out_bytes": 4 << 30}}

    def cut(token, request, operation, revoke, node):
        """How long after the withdrawal the stream went on."""

        def keep(session):
            session.receive()
            revoke()
            at = time.monotonic()
            session.deadline = at + FRESH_SECONDS + SLACK_SECONDS
            try:
                while (message := session.receive()) is not None:
                    if wire.Answer([message]).code:
                        return time.monotonic() - at
                    if operation == "fetch":
                        # As slowly as somebody would who wants to be served for ever.
                        wait_until(lambda due=time.monotonic() + 0.4: time.monotonic() > due, "a slow reader", 5)
            except (wire.Refused, EOFError):
                pass
            return time.monotonic() - at

        return wire.call(
            team.outer,
            node,
            token,
            request,
            operation,
            keep=keep,
            seconds=FRESH_SECONDS + SLACK_SECONDS,
            member=mint.Key.of_node(node).id,
        )

    worst = 0.0
    try:
        for what in ("token", "holder"):
            for request, operation in ((wire.logs(job, True), "logs"), (wire.fetch(done, "/big"), "fetch")):
                token = team.token(**acts)
                below = token.narrowed()
                team.accepted(team.call(token), "before it was revoked")
                words = ["-"] if what == "token" else ["--holder", mint.public_text(token.holder.public)]
                line = mint.line_of(token, team.issued()) if what == "token" else None

                def withdraw():
                    team.mesh.command(team.node, "token", "revoke", *words, stdin=line)

                took = cut(token, request, operation, withdraw, team.mesh.nodes[1])
                worst = max(worst, took)
                team.check(
                    took < FRESH_SECONDS + SLACK_SECONDS,
                    f"a {operation} stream went on for {took:.0f} s after {what} was revoked",
                )
                for node in team.mesh.nodes:
                    member = mint.Key.of_node(node).id
                    team.refused(team.call(token, node=node, member=member), "token.revoked")
                    team.refused(team.call(below, node=node, member=member), "token.revoked")
                team.accepted(team.call(team.token(**acts)), "another token")
    except TimeoutError:
        team.check(
            False, f"a stream went on for more than {FRESH_SECONDS + SLACK_SECONDS} s after its token was revoked"
        )
    finally:
        team.mesh.attempt(team.node, "cancel", str(job))
    old = team.token()
    team.mesh.command(team.node, "token", "revoke", "--all", stdin="")
    team.refused(team.call(old))
    epoch = mint.open_line(team.issued())[1][1][0]
    now = json.loads(mint.payload_of(epoch))["ep"]
    team.accepted(team.call(team.token(ep=now)), "a token made after all were withdrawn")
    team.epoch = now
    return (
        f"by token, holder and epoch: new and remembered uses refused at once at three nodes, links below with them; log and "
        f"fetch of {size} MiB cut after {worst:.1f} s at most; other tokens went on"
    )


@row(
    "T17",
    "revoked, then the leader dies, an old leader returns, a node is alone, a snapshot of before comes back",
    "stays revoked; who is alone refuses",
    suites=[
        (STEPS, "step 13: a node that has not heard for long enough what is revoked"),
        (
            "Tests/Faults/test_recover.py",
            "test_what_was_issued_before_the_recovery_is_void_and_what_is_issued_after_it_works",
        ),
    ],
)
def revived(team):
    with team.own_mesh() as mesh:
        outer = wire.Mesh(mesh.nodes[0])
        issuer = mint.Key.of_node(mesh.nodes[0])
        token, good = mint.mint(issuer, outer.name), mint.mint(issuer, outer.name)

        def ask(one, node):
            return wire.call(outer, node, one, wire.JOBS, "jobs", seconds=40)

        leader = team.leader(mesh)
        others = [node for node in mesh.nodes if node is not leader]
        team.check(ask(token, others[0]).code is None, "a good token was refused")
        mesh.command(
            leader, "token", "revoke", "-", stdin=mint.line_of(token, mesh.nodes[0].command("token", "create"))
        )
        leader.kill_daemon()
        team.check(ask(token, others[0]).code == "token.revoked", "no longer revoked after its leader was killed")
        leader.start_again()
        mesh.wait_alive(leader, 3, voters=3)
        team.check(ask(token, leader).code == "token.revoked", "no longer revoked where an old leader has returned")
        team.check(ask(good, leader).code is None, "the neighbour was refused")
        for node in others:
            node.kill_daemon()
        alone = wait_until(
            lambda: ask(good, leader).code, "the node that is alone refuses", FRESH_SECONDS + SLACK_SECONDS, 0.5
        )
        team.check(alone == "token.view_old", f"a node that is alone says {alone}")
        for node in others:
            node.start_again()
        mesh.wait_alive(leader, 3, voters=3)
        team.check(ask(good, leader).code is None, "the neighbour is refused when all are there again")
        team.check(ask(token, others[1]).code == "token.revoked", "no longer revoked when all are there again")
    return (
        "revoked at every node through the leader's death and return; a node that was alone refused even the good token"
    )


@row(
    "T18",
    "a node whose clock is an hour off, or is set back",
    "node marks itself unfit; no expired token is accepted",
    suites=[
        (
            "Tests/Faults/test_clocks.py",
            "test_a_host_whose_clock_is_wrong_issues_and_verifies_nothing_and_says_so_until_it_is_right_again",
        ),
        ("Tests/SchedulerTests/TokenTests.swift", "a use cannot be spent after the token's end by the time of the mesh")
    ],
)
def misdated(team):
    compiler = shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        raise LayerMissing("a C compiler, for a clock that is wrong")
    with team.own_mesh() as mesh:
        shim, dial = os.path.join(mesh.folder, "clock.so"), os.path.join(mesh.folder, "dial")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, os.path.join(HERE, "clock.c")], check=True)
        outer = wire.Mesh(mesh.nodes[0])
        issuer = mint.Key.of_node(mesh.nodes[0])
        job = int(mesh.command(mesh.nodes[0], "run", "-d", "--no-send", "--", "echo", "secret").split()[0])
        mesh.command(mesh.nodes[0], "wait", str(job))
        now = int(time.time())
        ago = {"iat": mint.moment(now - 7200), "nbf": mint.moment(now - 7200), "exp": mint.moment(now - 600)}
        expired = mint.mint(issuer, outer.name, act=["run", "logs"], res={"job": [str(job)]}, **ago)
        good = mint.mint(issuer, outer.name, act=["run", "logs"], res={"job": [str(job)]})

        def set_clock(seconds):
            with open(dial, "w", encoding="ascii") as stream:
                stream.write(str(seconds))

        def ask(token, node, request, operation):
            return wire.call(outer, node, token, request, operation, seconds=40)

        def both_refused(node, what):
            for request, operation in ((wire.submit(), "submit"), (wire.logs(job), "logs")):
                answer = ask(expired, node, request, operation)
                team.check(answer.code is not None, f"{what}: an expired token was accepted for {operation}: {answer}")

        wrong = mesh.nodes[2] if team.leader(mesh) is not mesh.nodes[2] else mesh.nodes[1]
        wrong.kill_daemon()
        set_clock(-3600)
        mesh.environment.update(LD_PRELOAD=shim, REDTEAM_CLOCK=dial)
        try:
            wrong.start_again()
        finally:
            del mesh.environment["LD_PRELOAD"], mesh.environment["REDTEAM_CLOCK"]
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        with open(f"/proc/{wrong.daemon_pid()}/maps", encoding="utf-8") as stream:
            team.check("clock.so" in stream.read(), "the daemon did not take the clock")
        both_refused(wrong, "a node an hour behind")
        right = mesh.nodes[0]
        team.check(
            ask(good, right, wire.logs(job), "logs").code is None,
            "the neighbour was refused at a node whose clock is right",
        )
        set_clock(3600)
        both_refused(wrong, "a node an hour ahead")
        # It knows with its next lease; nothing that has expired was accepted before.
        wait_until(
            lambda: ask(good, wrong, wire.logs(job), "logs").code == "node.clock_off", "it says that its clock is off", 15, 0.5
        )
        set_clock(-3600)
        both_refused(wrong, "a clock that was set back")
        said = mesh.attempt(wrong, "doctor").stdout
        team.check("issues and verifies no tokens" in said, f"doctor says nothing of it: {said}")
        made = mesh.attempt(wrong, "token", "create")
        team.check("[node.clock_off]" in made.stderr, f"it issues: {made.stderr}")
        set_clock(0)
        wait_until(
            lambda: ask(good, wrong, wire.logs(job), "logs").code is None, "a clock that is right again verifies", 30, 0.5
        )
    return (
        "nothing expired was accepted by a node an hour behind, ahead or set back, which verified and issued nothing and "
        "said so; a good token was, where the clock is right, and there, too, when it was right again"
    )
