"""Forged, altered and widened tokens (rows T01 to T08)."""

import base64
import json
import os
import time

import mint
from team import row

STEPS = "Tests/TokensTests/AccessStepTests.swift"
GRANTS = "Tests/TokensTests/AccessGrantTests.swift"
TOKENS = "Tests/TokensTests/AccessTokenTests.swift"
KEYS = "Tests/TokensTests/KeyTests.swift"
ORDER = 2**252 + 27742317777372353535851937790883648493
# (0, -1) and (0, 1): points of order 2 and 1; the base point plus the first: of mixed order.
SMALL = [b"\xec" + b"\xff" * 30 + b"\x7f", b"\x01" + bytes(31), bytes(32)]
NOT_CANONICAL = [b"\xee" + b"\xff" * 30 + b"\x7f", b"\xed" + b"\xff" * 31]
MIXED = b"\x95" + b"\x99" * 31
INVALID = ("token.invalid", "tokens.malformed")
CLAIMS = ("token.invalid", "tokens.malformed", "tokens.key_invalid")


def each_refused(team, tokens, *codes, ask=None):
    """Every one of the tokens (label, token) is refused; how many."""
    count = 0
    with team.nothing_changes():
        for label, token in tokens:
            answer = (ask or team.call)(token)
            team.check(answer.code is not None, f"{label} was accepted: {answer}")
            team.check(not codes or answer.code in codes, f"{label}: {answer.code}, expected {codes}")
            count += 1
    return count


@row(
    "T01",
    "one bit of a token flipped, at every byte",
    "all refused",
    suites=[(TOKENS, "every single altered bit of a link makes it void")],
)
def flipped(team):
    good = team.token()
    link = good.links[0]
    tokens = []
    for position in range(len(link)):
        altered = link[:position] + chr(ord(link[position]) ^ 1) + link[position + 1 :]
        tokens.append((f"character {position}", good.with_links(altered)))
    count = each_refused(team, tokens)
    team.accepted(team.call(good))
    return f"{count} variants of {len(link)} characters refused; the token itself accepted"


def with_signature(link, signature):
    header, footer = mint.HEADER.decode(), link.split(".")[3]
    return header + mint.b64(mint.payload_of(link) + signature) + "." + footer


@row(
    "T02",
    "signatures with S + L, R or A of small order, non-canonical encodings",
    "refused by the node",
    suites=[
        (KEYS, "signatures are accepted and refused as the Wycheproof vectors say"),
        (KEYS, "keys of small order, of mixed order, off the curve and of other lengths are refused"),
    ],
)
def signatures(team):
    good = team.token()
    link = good.links[0]
    signature = mint.unb64(link.split(".")[2])[-64:]
    scalar = int.from_bytes(signature[32:], "little")
    bad = [signature[:32] + (scalar + ORDER).to_bytes(32, "little"), bytes(64), signature[32:] + signature[:32]]
    bad += [point + signature[32:] for point in (*SMALL, *NOT_CANONICAL)]
    bad += [point + bytes(32) for point in (*SMALL, *NOT_CANONICAL)]
    count = each_refused(
        team,
        [(f"signature {index}", good.with_links(with_signature(link, one))) for index, one in enumerate(bad)],
        *INVALID,
    )
    team.accepted(team.call(good))
    return f"{count} signatures refused; the right one accepted"


@row(
    "T03",
    "another header: versions, purposes, case, dots, footers",
    "refused before any signature is checked",
    suites=[(STEPS, "step 2: every other format, version and purpose")],
)
def headers(team):
    good = team.token()
    _, _, body, footer = good.links[0].split(".")
    links = [
        f"{version}.{purpose}.{body}.{footer}"
        for version in ("v1", "v2", "v3", "V4", "v5", "v4 ")
        for purpose in ("public",)
    ]
    links += [f"v4.{purpose}.{body}.{footer}" for purpose in ("local", "Public", "PUBLIC", "secret", "")]
    links += [
        f"v4.public.{body}",
        f"v4.public.{body}.",
        f"v4.public.{body}.{footer}.",
        f"v4.public.{body}.{footer}.{footer}",
        f"v4.public..{body}.{footer}",
        f"v4.public.{body}..{footer}",
        f".v4.public.{body}.{footer}",
        f"v4.public.{body}=.{footer}",
        f"v4.public.{body}\n.{footer}",
        "",
    ]
    count = each_refused(team, [(link[:24], good.with_links(link)) for link in links], *INVALID)
    team.accepted(team.call(good))
    return f"{count} headers refused; v4.public accepted"


def jwt(header, payload, signature=b""):
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload)]
    return ".".join([*parts, mint.b64(signature)])


@row("T04", "JWT: alg=none, HS256 with the public key, a key in the header", "refused as no token")
def web_tokens(team):
    import hashlib
    import hmac

    good = team.token()
    claims = mint.root_claims(team.issuer, team.outer.name, good.holder)
    keyed = jwt({"alg": "HS256", "typ": "JWT"}, claims)
    mac = hmac.new(team.issuer.public, keyed.rsplit(".", 1)[0].encode(), hashlib.sha256).digest()
    own = mint.Key()
    carried = {"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": mint.b64(own.public)}}
    signed = jwt(carried, claims).rsplit(".", 1)[0]
    links = [
        jwt({"alg": "none"}, claims),
        jwt({"alg": "None"}, claims),
        jwt({"alg": "HS256"}, claims, mac),
        f"{signed}.{mint.b64(own.sign(signed.encode()))}",
    ]
    links += [f"v4.public.{link.split('.')[1]}.{link.split('.')[0]}" for link in links]
    count = each_refused(team, [(link[:24], good.with_links(link)) for link in links], *INVALID)
    team.accepted(team.call(good))
    return f"{count} refused; the PASETO of the same claims accepted"


@row(
    "T05",
    "footer: kid of another, unknown or revoked issuer, a public key in it",
    "refused, unknown ones without a check",
    suites=[(STEPS, "step 4: an issuer that is not known, and a footer of any other form")],
)
def footers(team):
    own, other = mint.Key(), mint.Key.of_node(team.mesh.nodes[1])
    added = mint.Key()
    text = mint.public_text(added.public)
    team.node.command("token", "issuer", "add", text, "redteam")
    team.accepted(team.call(mint.mint(added, team.outer.name)), "a token of an issuer that was added")
    holder = mint.Key()
    good = mint.root_claims(team.issuer, team.outer.name, holder)
    payload = mint.encoded(good)
    tokens = [
        ("an unknown issuer", mint.mint(own, team.outer.name)),
        ("an unknown issuer under a known kid", mint.mint(own, team.outer.name, footer=mint.footer_of(team.issuer.id))),
        ("the kid of another member", mint.mint(team.issuer, team.outer.name, footer=mint.footer_of(other.id))),
        ("claims of another issuer", mint.mint(own, team.outer.name, payload=payload)),
    ]
    for footer in (
        b'{"kid":"' + mint.public_text(own.public).encode() + b'"}',
        b"{}",
        b"",
        b'{"kid":1}',
        mint.footer_of(team.issuer.id) + b" ",
        b" " + mint.footer_of(team.issuer.id),
        mint.footer_of(team.issuer.id)[:-1] + b',"key":"x"}',
        mint.footer_of(team.issuer.id).replace(b"kid", b"wpk"),
    ):
        tokens.append((f"footer {footer[:30]}", mint.mint(team.issuer, team.outer.name, footer=footer)))
    count = each_refused(team, tokens, *INVALID)
    team.node.command("token", "issuer", "revoke", text)
    team.refused(team.call(mint.mint(added, team.outer.name)), "token.invalid")
    team.accepted(team.call(team.token()))
    return f"{count} refused, that of an issuer once it was revoked too; a member's accepted"


@row(
    "T06",
    "times: expired, not yet, from the future, too long, other spellings",
    "refused; good to the second it says",
    suites=[(STEPS, "step 8: a token for others, of another time, or beyond what its issuer may")],
)
def times(team):
    now = int(time.time())
    skew = mint.SKEW_SECONDS

    def at(issued, begins, ends, **changes):
        named = {"iat": issued, "nbf": begins, "exp": ends}
        return team.token(
            **{name: mint.moment(value) if isinstance(value, int) else value for name, value in named.items()},
            **changes,
        )

    bad = [
        ("expired", at(now - 3600, now - 3600, now - skew - 5)),
        ("not yet", at(now, now + skew + 30, now + 3600)),
        ("made in the future", at(now + skew + 30, now + skew + 30, now + 3600)),
        ("ends before it begins", at(now, now, now - 1)),
        ("lives longer than a day", at(now - 10, now - 10, now + 86_401)),
        ("year 9999", at(now, now, "9999-12-31T23:59:59Z")),
        ("year 10000", at(now, now, "10000-01-01T00:00:00Z")),
    ]
    ends = mint.moment(now + 3600)
    for text in (
        ends.replace("Z", "+00:00"),
        ends.replace("Z", "z"),
        ends.replace("T", "t"),
        ends.replace("Z", ".5Z"),
        ends[:-3] + "60Z",
        ends.replace("T", " "),
        ends[:-1],
        now + 3600,
        "2026-02-30T00:00:00Z",
    ):
        bad.append((f"exp {text}", team.token(exp=text)))
    count = each_refused(team, bad, ask=team.submit)
    edge = [
        ("ended a little ago", at(now - 3600, now - 3600, int(time.time()) - skew + 15)),
        ("begins in a little", at(int(time.time()), int(time.time()) + skew - 15, now + 3600)),
        ("a whole day", at(now, now, now + 86_400)),
    ]
    for what, token in edge:
        team.accepted(team.submit(token), what)
    return f"{count} refused; {len(edge)} at the edge of the {skew} s of tolerance and of a day accepted"


@row(
    "T07",
    "JSON that two readers could read in two ways",
    "refused",
    suites=[
        (STEPS, "step 7: a payload that two readers could read in two ways, and every claim that is not known"),
        ("Tests/Fuzzing/AccessFuzzing.swift", "access"),
    ],
)
def notations(team):
    claims = mint.root_claims(team.issuer, team.outer.name, mint.Key(), meta={"by": "x"})
    good = mint.encoded(claims)

    def swap(old, new):
        assert old.encode() in good, old
        return good.replace(old.encode(), new.encode(), 1)

    many = ",".join(f'"k{index}":"v"' for index in range(65))
    bad = [
        swap('"uses":0', '"uses":0,"uses":9'),
        swap('"uses":0', '"uses":9,"\\u0075ses":0'),
        swap('"uses":0', '"uses":0.0'),
        swap('"uses":0', '"uses":0e0'),
        swap('"uses":0', '"uses":-1'),
        swap('"uses":0', '"uses":9223372036854775808'),
        swap('"uses":0', '"uses":"0"'),
        swap('"uses":0', '"uses":00'),
        swap('"uses":0', '"uses":null'),
        swap('{"by":"x"}', '{"by\\u0000":"x"}'),
        swap('{"by":"x"}', '{"by":"\\ud800"}'),
        swap('{"by":"x"}', '{"by":[[[["x"]]]]}'),
        swap('{"by":"x"}', "{" + many + "}"),
        swap('"x"', '"' + "a" * 4096 + '"'),
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16-le"),
        good.decode().encode("utf-16"),
        good.replace(b'"x"', b'"\xc0\xaf"'),
        good + b"\0",
        good + b" {}",
        b"[" + good + b"]",
        good[:-1],
        b"",
        b"null",
    ]
    count = each_refused(
        team,
        [
            (f"payload {index}", mint.mint(team.issuer, team.outer.name, payload=payload))
            for index, payload in enumerate(bad)
        ],
        *CLAIMS,
    )
    holder = mint.Key()
    claims["cnf"] = holder.confirmation
    team.accepted(team.call(mint.mint(team.issuer, team.outer.name, holder, payload=mint.encoded(claims))))
    return f"{count} payloads, each signed by a real issuer, refused; the plain one accepted"


@row(
    "T08",
    "a token of another mesh or purpose; a proof as a token",
    "refused",
    suites=[
        (STEPS, "step 6: a signature of another key, for another mesh, for another purpose"),
        ("Tests/TokensTests/CertificateTests.swift", "a join token is no certificate"),
    ],
)
def crossed(team):
    elsewhere = mint.key_id(os.urandom(32))
    _, invitation = mint.open_line(team.node.command("invite"))
    good = team.token()
    holder = good.holder
    proof = good.proof(bytes(32), "jobs", b"", team.issuer.id, int(time.time()))
    tokens = [
        ("signed for another mesh", mint.mint(team.issuer, team.outer.name, for_mesh=elsewhere)),
        ("for the audience of another mesh", team.token(aud=elsewhere)),
        ("for another node", team.token(aud=mint.Key.of_node(team.mesh.nodes[1]).id)),
        ("a join token", good.with_links(invitation[4])),
        ("claims of a join token", team.token(typ="swarmlet.join.v1")),
        ("signed for joining", mint.mint(team.issuer, team.outer.name, holder, purpose=mint.JOIN)),
        ("signed as a proof", mint.mint(team.issuer, team.outer.name, holder, purpose=mint.PROOF)),
        ("a proof", good.with_links(proof)),
        ("a certificate", good.with_links(invitation[5][0])),
        ("a narrowing as a root", good.with_links(good.narrowed().links[1])),
    ]
    count = each_refused(team, tokens)
    # The other way round: an access token where a join token belongs.
    newcomer = team.new_mesh("crossed", nodes=1)
    try:
        invitation[4] = good.links[0]
        line = mint.close_line("swm1.", invitation)
        with team.nothing_changes():
            done = newcomer.attempt(
                newcomer.nodes[0], "join", "-", "--listen", f"127.0.0.1:{newcomer.nodes[0].port}", stdin=line
            )
        team.check(done.returncode != 0, "an access token admitted a host")
    finally:
        newcomer.stop()
    team.accepted(team.call(team.token(aud=[team.issuer.id])), "a token for this node")
    team.accepted(team.call(good))
    return f"{count} refused, and an access token as an invitation; its own mesh and this node accepted"
