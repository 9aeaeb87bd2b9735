"""Makes tokens, proofs and lines offline, good and bad ones, with PyNaCl and cbor2: nothing of swarmlet's own code.

The format is that of docs/tokens.md. Whatever a maker of tokens could get wrong, or would like to, is a keyword here.
"""

import base64
import dataclasses
import hashlib
import json
import os
import struct
import time

import blake3
import cbor2
import nacl.signing

HEADER = b"v4.public."
ACCESS, PROOF = b"swarmlet/access/1", b"swarmlet/proof/1"
JOIN = b"swarmlet/join/1"
SKEW_SECONDS = 30
LINE_CONTEXTS = {"swa1.": "swarmlet 2026-11-22 access token check 1", "swm1.": "swarmlet 2026-11-21 invitation check 1"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def blake2(data, size=32):
    return hashlib.blake2b(data, digest_size=size).digest()


def public_text(public):
    return "k4.public." + b64(public)


def key_id(public):
    """PASERK k4.pid of any 32 bytes."""
    return "k4.pid." + b64(blake2(("k4.pid." + public_text(public)).encode(), 33))


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def pre_authentication(parts):
    """PASETO's encoding of a list of byte strings as one."""
    return struct.pack("<Q", len(parts)) + b"".join(struct.pack("<Q", len(part)) + part for part in parts)


class Key:
    """An Ed25519 key of the attacker's own, or one that he has stolen."""

    def __init__(self, seed=None):
        self.seed = seed or os.urandom(32)
        self._signing = nacl.signing.SigningKey(self.seed)
        self.public = bytes(self._signing.verify_key)
        self.id = key_id(self.public)

    @classmethod
    def of_node(cls, node):
        """What somebody has who has taken the identity of a host."""
        with open(os.path.join(node.data, "keys", "identity"), encoding="ascii") as stream:
            return cls(unb64(stream.read().strip().removeprefix("swarmlet.seed.1.")))

    def sign(self, message):
        return self._signing.sign(message).signature

    @property
    def confirmation(self):
        return {"kid": self.id, "key": public_text(self.public)}


def footer_of(identifier):
    return b'{"kid":"' + identifier.encode() + b'"}'


def paseto(payload, key, implicit, footer=None):
    """A v4.public token over any bytes; `footer` is another than that of its signer."""
    footer = footer_of(key.id) if footer is None else footer
    signature = key.sign(pre_authentication([HEADER, payload, footer, implicit]))
    return (HEADER + b64(payload + signature).encode() + b"." + b64(footer).encode()).decode()


def payload_of(link):
    return unb64(link.split(".")[2])[:-64]


def implicit(purpose, mesh):
    return purpose + b"\0" + mesh.encode()


def encoded(claims):
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()


def root_claims(issuer, mesh, holder, **changes):
    """What a good root says; None leaves a claim out."""
    now = int(time.time())
    claims = {
        "typ": "swarmlet.access.v1",
        "iss": issuer.id,
        "aud": mesh,
        "iat": moment(now),
        "nbf": moment(now),
        "exp": moment(now + 3600),
        "jti": b64(os.urandom(16)),
        "ep": 0,
        "cnf": holder.confirmation,
        "act": ["run", "logs", "fetch", "cancel"],
        "uses": 0,
        "dlg": 4,
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Token:
    """Links and the key of their holder."""

    links: tuple
    holder: Key
    mesh: str

    @property
    def hash(self):
        return blake2("\n".join(self.links).encode())

    def with_links(self, *links):
        return dataclasses.replace(self, links=tuple(links))

    def narrowed(self, signer=None, above=None, footer=None, purpose=ACCESS, **changes):
        """One link more, as `token narrow` would make it; each keyword is a lie or a change. None leaves a claim out."""
        now = int(time.time())
        holder = changes.pop("holder", None) or Key()
        above = payload_of(self.links[-1]) if above is None else above
        signer = signer or self.holder
        claims = {
            "typ": "swarmlet.delegation.v1",
            "iss": signer.id,
            "prf": b64(blake2(HEADER + above)),
            "jti": b64(os.urandom(16)),
            "iat": moment(now),
            "exp": json.loads(payload_of(self.links[-1]))["exp"],
            "cnf": holder.confirmation,
        }
        claims.update(changes)
        payload = encoded({name: value for name, value in claims.items() if value is not None})
        link = paseto(payload, signer, implicit(purpose, self.mesh), footer)
        return Token((*self.links, link), holder, self.mesh)

    @property
    def names(self):
        """What each link is counted and revoked by."""
        names, above = [], None
        for link in self.links:
            claims = json.loads(payload_of(link))
            above = b64(blake2(f"{above or claims['iss']}/{claims['jti']}".encode())[:16])
            names.append(above)
        return names

    def proof(self, channel, operation, request, node, now, key=None, **changes):
        key = key or self.holder
        claims = {
            "typ": "swarmlet.proof.v1",
            "tok": b64(self.hash),
            "ch": b64(channel),
            "op": operation,
            "req": b64(blake2(request)),
            "aud": node,
            "iat": moment(now),
            "jti": b64(os.urandom(16)),
        }
        claims.update(changes)
        return paseto(encoded(claims), key, implicit(PROOF, self.mesh))


def mint(issuer, mesh, holder=None, payload=None, purpose=ACCESS, for_mesh=None, footer=None, **changes):
    """A root signed by the issuer. `payload`: any bytes instead of claims; `for_mesh`: signed for another mesh."""
    holder = holder or Key()
    payload = encoded(root_claims(issuer, mesh, holder, **changes)) if payload is None else payload
    return Token((paseto(payload, issuer, implicit(purpose, for_mesh or mesh), footer),), holder, mesh)


def open_line(line):
    """The content of an `swa1.` or `swm1.` line."""
    prefix, body = line.strip()[:5], line.strip()[5:]
    return prefix, cbor2.loads(unb64(body)[3:-4])


def close_line(prefix, content):
    """A line whose length and check bytes are right, whatever is in it."""
    body = cbor2.dumps(content, canonical=True)
    total = len(prefix) + ((3 + len(body) + 4) * 4 + 2) // 3
    start = total.to_bytes(3, "big") + body
    check = blake3.blake3(start, derive_key_context=LINE_CONTEXTS[prefix]).digest()[:4]
    return prefix + b64(start + check)


def of_line(line):
    """The token that a line carries."""
    _, content = open_line(line)
    return Token(tuple(content[1]), Key(content[3]), key_id(content[4]))


def line_of(token, like):
    """The token as a line, with the addresses and the mesh of another line."""
    _, content = open_line(like)
    content[1], content[3] = list(token.links), token.holder.seed
    return close_line("swa1.", content)
