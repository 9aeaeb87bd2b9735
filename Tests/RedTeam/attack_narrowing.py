"""Narrowings that widen, tricks with names, and proofs of others (rows T12 to T15)."""

import time

import mint
import wire
from attack_tokens import CLAIMS, GRANTS, INVALID, STEPS, each_refused
from team import row


@row(
    "T12",
    "a narrowing that widens: acts, places, limits, end, links, order, signer",
    "refused",
    suites=[(GRANTS, "nothing can be widened: refused by who narrows, and by the mesh where somebody forges it")],
)
def widened(team):
    root = team.token(act=["logs", "fetch"], res={"path": ["result/**"]}, lim={"gpu": 1}, uses=3, dlg=3)
    good = root.narrowed(act=["logs"], res={"path": ["result/a/**"]}, lim={"gpu": 0}, uses=1)
    forged = [
        ("an act more", root.narrowed(act=["logs", "fetch", "run"])),
        ("a wider path", root.narrowed(res={"path": ["**"]})),
        ("another path", root.narrowed(res={"path": ["resultx/**"]})),
        ("a larger limit", root.narrowed(lim={"gpu": 2})),
        ("a later end", root.narrowed(exp=mint.moment(int(time.time()) + 7200))),
        ("more uses", root.narrowed(uses=4)),
        ("uses without number", root.narrowed(uses=0)),
        ("as many links", root.narrowed(dlg=3)),
        ("no prf", root.narrowed(prf=None)),
        ("prf of another", root.narrowed(above=mint.payload_of(team.token().links[0]))),
        ("another signer", root.narrowed(signer=mint.Key())),
        (
            "another signer under the holder's kid",
            root.narrowed(signer=mint.Key(), footer=mint.footer_of(root.holder.id)),
        ),
        ("the issuer as signer", root.narrowed(signer=team.issuer)),
        ("another audience", root.narrowed(aud=team.outer.name)),
        ("signed as a proof", root.narrowed(purpose=mint.PROOF)),
        ("the root twice", root.with_links(*root.links, *root.links)),
        ("a link below itself", good.with_links(*good.links, good.links[1])),
        ("the order turned round", good.with_links(*reversed(good.links))),
        ("a link left out", good.narrowed().with_links(root.links[0], good.narrowed().links[2])),
    ]
    longest = team.token()
    for _ in range(4):
        longest = longest.narrowed()
    forged.append(("six links", longest.narrowed()))
    count = each_refused(team, forged, *INVALID, "token.wider", "tokens.key_invalid")
    # The same without its own key: the links of somebody else are worth nothing.
    stolen = mint.Token(good.links, mint.Key(), good.mesh)
    team.refused(team.call(stolen), "token.proof")
    team.accepted(team.call(good), "a true narrowing")
    team.accepted(team.call(longest), "five links")
    return f"{count} refused; one that only narrows, and one of five links, accepted"


@row(
    "T13",
    "tricks with names: .. // . %2e, look-alikes, case, team and team2",
    "exact components only",
    suites=[(GRANTS, "paths are compared component by component, and what is not written canonically matches nothing")],
)
def names(team):
    job = team.start_job(
        "--profile",
        "none",
        "--no-send",
        "--",
        "sh",
        "-c",
        "mkdir -p team team2 result; echo a > team/a; echo b > team2/b; echo c > result/c; echo secret > key",
    )
    team.wait_job(job)
    bounded = team.token(act=["fetch"], res={"job": [str(job)], "path": ["team/**"]})
    paths = [
        "/team2/b",
        "/key",
        "/team/../key",
        "/team/../team2/b",
        "/team//../key",
        "/./key",
        "/team/%2e%2e/key",
        "/TEAM/a",
        "/team /a",
        "/tеam/a",
        "/team/.",
        "/team/",
        "/team",
        "",
        "/",
        "//team/a/../../key",
        "/team/\0/../../key",
        "/team/**",
        "/**",
        "/team\\..\\key",
        "/team/a/",
    ]
    with team.nothing_changes():
        for path in paths:
            answer = team.call(bounded, wire.fetch(job, path), "fetch")
            team.refused(answer, "token.scope.path", "job.file_not_found", *CLAIMS)
    for patterns in (
        ["../**"],
        ["/team/**"],
        ["team/../**"],
        ["team//x"],
        ["."],
        ["team/*"],
        ["**/team"],
        ["te*m/**"],
        [""],
        [],
    ):
        team.refused(team.call(team.token(res={"path": patterns})), *CLAIMS)
    other = team.token(act=["fetch"], res={"job": [f"{job}0", f"0{job}", f" {job}", f"{job}/**"]})
    team.refused(team.call(other, wire.fetch(job, "/team/a"), "fetch"), "token.scope.job", *CLAIMS)
    answer = team.call(bounded, wire.fetch(job, "/team/a"), "fetch")
    team.accepted(answer, "the path that is allowed")
    return f"{len(paths)} paths and 10 patterns refused, also another job's number; /team/a given"


@row(
    "T14",
    "an unknown key in act, res, lim or at the top",
    "refused",
    suites=[(STEPS, "step 7: a payload that two readers could read in two ways, and every claim that is not known")],
)
def unknown(team):
    bad = [
        ("act", team.token(act=["run", "admin"])),
        ("act in capitals", team.token(act=["RUN"])),
        ("res", team.token(res={"host": ["n1"]})),
        ("lim", team.token(lim={"gpu": 1, "gpu_mem": 1})),
        ("the top", team.token(max=1)),
        ("cnf", team.token(cnf={**mint.Key().confirmation, "jkt": "x"})),
        ("below the root", team.token().narrowed(aud=team.outer.name)),
        ("lim below", team.token().narrowed(lim={"x": 1})),
    ]
    count = each_refused(team, bad, *CLAIMS)
    team.accepted(team.call(team.token(meta={"anything": "for people", "by": "x"})), "a text for people")
    return f"{count} refused; an unknown text in meta, which is for people, accepted"


@row(
    "T15",
    "a proof missing, of another key, connection, operation, request, node, or carried to another node",
    "refused",
    suites=[(STEPS, "step 11: a proof by another key, of another token, connection, operation, request, node or time")],
)
def proofs(team):
    good, other, node = team.token(), team.token(), team.issuer.id
    elsewhere = mint.Key.of_node(team.mesh.nodes[1]).id
    kept = {}

    def keep(session, body, now):
        kept["proof"] = good.proof(session.hash, "jobs", body, node, now)
        return kept["proof"]

    team.accepted(team.call(good, proof=keep), "a right proof")
    wrong = [
        ("none", lambda s, b, n: ""),
        ("of an earlier connection", lambda s, b, n: kept["proof"]),
        ("by another key", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n, key=mint.Key())),
        ("by the issuer", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n, key=team.issuer)),
        ("of another token", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n, tok=mint.b64(other.hash))),
        ("of another operation", lambda s, b, n: good.proof(s.hash, "logs", b, node, n)),
        ("of another request", lambda s, b, n: good.proof(s.hash, "jobs", b + b"x", node, n)),
        ("for another node", lambda s, b, n: good.proof(s.hash, "jobs", b, elsewhere, n)),
        ("of another channel", lambda s, b, n: good.proof(bytes(len(s.hash)), "jobs", b, node, n)),
        ("of long ago", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n - 600)),
        ("of later", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n + 600)),
        (
            "for another mesh",
            lambda s, b, n: mint.mint(good.holder, mint.key_id(bytes(32)), purpose=mint.PROOF).links[0],
        ),
        ("with a claim more", lambda s, b, n: good.proof(s.hash, "jobs", b, node, n, act="run")),
        ("a link as the proof", lambda s, b, n: good.links[0]),
    ]
    with team.nothing_changes():
        for what, make in wrong:
            team.refused(team.call(good, proof=make), "token.proof")
        # A hostile node passes on what was said to it: proof and request of the guest, on its own connection to another.
        relayed = team.call(good, node=team.mesh.nodes[1], proof=lambda s, b, n: kept["proof"])
        team.refused(relayed, "token.proof")
    team.accepted(
        team.call(good, node=team.mesh.nodes[1], member=elsewhere), "the same at the other node, proved to it"
    )
    return f"{len(wrong)} proofs refused, and one carried to another node; a right one at each of the two accepted"
