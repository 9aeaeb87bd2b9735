"""The other side of the test of PASETO tokens: pyseto (PyPI), which shares no code with swarmlet.

Reads one JSON object a line from stdin and answers each with one line:
  {"do": "verify", "key": PASERK, "token": TEXT, "implicit": HEX}  ->  {"payload": HEX} or {"refused": REASON}
  {"do": "sign", "key": HEX of a seed, "payload": HEX, "footer": HEX, "implicit": HEX}  ->  {"token": TEXT}
"""

import json
import sys

import pyseto
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyseto import Key


def answer(request):
    implicit = bytes.fromhex(request["implicit"])
    if request["do"] == "sign":
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(request["key"]))
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        token = pyseto.encode(
            Key.new(4, "public", pem), bytes.fromhex(request["payload"]), footer=bytes.fromhex(request["footer"]),
            implicit_assertion=implicit)
        return {"token": token.decode()}
    try:
        decoded = pyseto.decode(Key.from_paserk(request["key"]), request["token"], implicit_assertion=implicit)
    except (pyseto.VerifyError, pyseto.DecryptError, ValueError) as error:
        return {"refused": str(error)}
    return {"payload": decoded.payload.hex()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
