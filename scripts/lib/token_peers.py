"""What other programs issue and verify in a second of processor time, for scripts/bench tokens; runs with the Python that
`scripts/setup --interop` makes. One JSON object on stdout; a library that is not here is left out.

  token_peers.py SECONDS
"""

import datetime
import json
import sys
import time

CLAIMS = {"typ": "access", "iss": "k4.pid.issuer", "act": ["run", "logs", "fetch", "cancel"], "exp": "2026-11-22T12:00:00Z",
          "lim": {"gpu": 1, "mem": 34359738368, "wall_s": 14400}, "uses": 1}


def rate(seconds, body):
    began = time.thread_time()
    count = 0
    while time.thread_time() < began + seconds:
        for _ in range(64):
            body()
        count += 64
    return count / (time.thread_time() - began)


def pyseto_rates(seconds):
    import pyseto
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
    private = Ed25519PrivateKey.generate()
    secret = pyseto.Key.new(4, "public", private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = pyseto.Key.new(4, "public", private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    payload = json.dumps(CLAIMS).encode()
    token = pyseto.encode(secret, payload, footer=b"kid", implicit_assertion=b"mesh")
    return {"issue": rate(seconds, lambda: pyseto.encode(secret, payload, footer=b"kid", implicit_assertion=b"mesh")),
            "verify": rate(seconds, lambda: pyseto.decode(public, token, implicit_assertion=b"mesh"))}


def biscuit_rates(seconds):
    import biscuit_auth as biscuit
    keys = biscuit.KeyPair()
    code = 'act("run"); act("logs"); act("fetch"); act("cancel"); gpu(1); check if time($now), $now <= 2030-01-01T00:00:00Z;'

    def issue():
        return biscuit.BiscuitBuilder(code).build(keys.private_key)

    line = issue().to_base64()

    def verify():
        token = biscuit.Biscuit.from_base64(line, keys.public_key)
        builder = biscuit.AuthorizerBuilder('time(2026-11-22T00:00:00Z); allow if act("run"), gpu(1);')
        # Its millisecond for each decision is too short on a busy machine.
        limits = builder.limits()
        limits.max_time = datetime.timedelta(seconds=1)
        builder.set_limits(limits)
        builder.build(token).authorize()

    verify()
    return {"issue": rate(seconds, issue), "verify": rate(seconds, verify)}


def main():
    found = {}
    for name, measure in (("pyseto", pyseto_rates), ("biscuit", biscuit_rates)):
        try:
            found[name] = measure(float(sys.argv[1]))
        except ImportError:
            print(f"{name} is not here: scripts/setup --interop", file=sys.stderr)
    print(json.dumps(found))


main()
