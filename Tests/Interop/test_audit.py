"""What somebody who has only PyNaCl and hashlib finds in the log of what happened of a running mesh: a proof, its checkpoint, the
leader's signature and the voters' cosignatures (C2SP tlog-proof, tlog-checkpoint, signed-note, tlog-cosignature)."""

import base64
import hashlib
import json
import os
import sys
import time as clock
import unittest

import nacl.exceptions
import nacl.signing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib"))
import mesh as meshes  # noqa: E402

LOG, WITNESS = 1, 4


def hashed(prefix, *parts):
    return hashlib.sha256(bytes([prefix]) + b"".join(parts)).digest()


def tree_root(leaves):
    """RFC 9162, section 2.1.1, as it is written."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashed(1, tree_root(leaves[:half]), tree_root(leaves[half:]))


def proved_root(index, size, node, path):
    """RFC 9162, section 2.1.3.2."""
    last = size - 1
    for sibling in path:
        if last == 0:
            raise ValueError("a proof that is too long")
        if index & 1 or index == last:
            node = hashed(1, sibling, node)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashed(1, node, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise ValueError("a proof that is too short")
    return node


def public_keys(lines):
    """Raw public keys by the name that stands before their signatures, from PASERK k4.public."""
    keys = {}
    for line in lines:
        name, key = line.split(" ")
        text = key.removeprefix("k4.public.")
        keys.setdefault(name, []).append(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return keys


def key_hash(name, kind, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


def signers(note, keys):
    """Names of those whose signature under a signed note is good, with the time of a cosignature."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    found = {}
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        assert dash == "\u2014"
        raw = base64.b64decode(encoded, validate=True)
        for key in keys.get(name, []):
            verifier = nacl.signing.VerifyKey(key)
            try:
                if raw[:4] == key_hash(name, LOG, key) and len(raw) == 68:
                    verifier.verify(text.encode(), raw[4:])
                    found[name] = None
                elif raw[:4] == key_hash(name, WITNESS, key) and len(raw) == 76:
                    time = int.from_bytes(raw[4:12], "big")
                    verifier.verify(f"cosignature/v1\ntime {time}\n{text}".encode(), raw[12:])
                    found[name] = time
            except nacl.exceptions.BadSignatureError:
                pass
    return found


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = meshes.Mesh(meshes.build_binary(), "interop", nodes=3)
        cls.addClassCleanup(cls.mesh.stop)
        cls.mesh.start()
        cls.node = cls.mesh.nodes[0]
        cls.mesh.wait_alive(cls.node, 3, voters=3)
        meshes.wait_until(lambda: cls.mesh.attempt(cls.node, "audit", "ls").returncode == 0, "a log", 40)
        cls.job = int(cls.mesh.command(cls.node, "run", "-d", "--no-send", "--", "true").split()[0])

        def signed_by_all():
            proof = cls.node.command_json("audit", "proof", str(cls.job))
            return proof if len(proof["keys"]) == 3 else None

        cls.proof = meshes.wait_until(signed_by_all, "all voters have signed", 60, every=0.3)

    def test_the_file_proves_that_the_job_was_submitted_and_who_says_so(self):
        lines = self.proof["proof"].split("\n")
        self.assertEqual(lines[0], "c2sp.org/tlog-proof@v1")
        leaf = base64.b64decode(lines[1].removeprefix("extra "), validate=True)
        index = int(lines[2].removeprefix("index "))
        end = lines.index("")
        path = [base64.b64decode(line, validate=True) for line in lines[3:end]]
        note = "\n".join(lines[end + 1:])
        origin, size, root = note.split("\n")[:3]
        event = json.loads(leaf)
        self.assertEqual((event["act"], event["job"], event["seq"]), ("job.submitted", self.job, index))
        self.assertEqual(proved_root(index, int(size), hashed(0, leaf), path), base64.b64decode(root, validate=True))
        found = signers(note, public_keys(self.proof["keys"]))
        self.assertEqual(len(found), 3)
        self.assertIn(origin, found, "the leader has signed as the log")
        now = clock.time()
        times = [time for name, time in found.items() if name != origin]
        self.assertTrue(all(name.startswith(origin + "/k4.pid.") for name in found if name != origin))
        self.assertTrue(all(abs(time - now) < 600 for time in times))

    def test_the_tree_of_all_lines_has_the_root_that_was_signed(self):
        size, root = self.proof["checkpoint"].split("\n")[1:3]
        leaves = []
        for number in range(int(size)):
            leaf = self.node.command_json("audit", "proof", f"seq:{number}")["leaf"]
            leaves.append(hashed(0, leaf.encode()))
        self.assertEqual(tree_root(leaves), base64.b64decode(root))

    def test_what_was_changed_on_the_way_proves_nothing(self):
        keys = public_keys(self.proof["keys"])
        origin, size, root = self.proof["checkpoint"].split("\n")[:3]
        other = self.proof["checkpoint"].replace(f"\n{size}\n", f"\n{int(size) + 1}\n", 1)
        self.assertEqual(signers(other, keys), {})
        hashes = [base64.b64decode(text) for text in self.proof["hashes"]]
        leaf = self.proof["leaf"].replace("job.submitted", "job.cancelled").encode()
        self.assertNotEqual(proved_root(self.proof["seq"], int(size), hashed(0, leaf), hashes), base64.b64decode(root))
        self.assertTrue(origin.startswith("swarmlet.dev/k4.pid."))


if __name__ == "__main__":
    unittest.main()
