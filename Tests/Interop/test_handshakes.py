"""What programs that nobody here wrote say of our handshakes, certificates and keys: noiseprotocol speaks them with a daemon,
PyNaCl and pyseto check what the daemon shows, with cbor2 and blake3 for its formats (docs/sessions.md)."""

import base64
import os
import socket
import struct
import sys
import unittest

import blake3
import cbor2
import nacl.public
import nacl.signing
import pyseto
from noise.connection import Keypair, NoiseConnection

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib"))
import mesh as meshes  # noqa: E402

MAGIC = b"swarmlet"
VERSION = 1
XX, IK = 1, 2
BOUND, AES = 1, 2
NOISE, REFUSAL, MISFIT = 1, 2, 3
WELCOME, VERSION_UNKNOWN = 0, 2
READY, PING, PONG, CLOSE = 0, 1, 2, 3
FIRST_CONTACT_PADDING = bytes(8192)
NAMES = {XX: "XX", IK: "IK"}


def has_aes():
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        return any(line.startswith("flags") and " aes " in line for line in stream)


def pre_authentication(parts):
    """PASETO's encoding of a list of byte strings as one."""
    return struct.pack("<Q", len(parts)) + b"".join(struct.pack("<Q", len(part)) + part for part in parts)


class Dialler:
    """The initiator's side of a session, over noiseprotocol."""

    def __init__(self, port, pattern, flags, static, mesh_id=b"", remote=None, altered_prologue=False):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        cipher = "AESGCM" if flags & AES else "ChaChaPoly"
        self.noise = NoiseConnection.from_name(f"Noise_{NAMES[pattern]}_25519_{cipher}_BLAKE2b".encode())
        self.noise.set_as_initiator()
        self.opening = MAGIC + bytes([VERSION, pattern, flags])
        self.noise.set_prologue(self.opening + mesh_id + (b"!" if altered_prologue else b""))
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
        if remote:
            self.noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
        self.noise.start_handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def take(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError(f"the daemon hung up after {len(data)} of {count} bytes")
            data += more
        return data

    def begin(self, payload):
        """Sends the opening and the first message; the status of the answer."""
        message = self.noise.write_message(payload)
        self.socket.sendall(self.opening + self.frame(message))
        answer = self.take(10)
        assert answer[:8] == MAGIC, answer
        return answer[9]

    @staticmethod
    def frame(message):
        return struct.pack("<BH", NOISE, len(message)) + message

    def read_frame(self):
        kind, length = struct.unpack("<BH", self.take(3))
        return kind, self.take(length)

    def send_record(self, frame):
        record = self.noise.encrypt(frame)
        self.socket.sendall(struct.pack("<H", len(record)) + record)

    def read_record(self):
        return self.noise.decrypt(self.take(struct.unpack("<H", self.take(2))[0]))

    def pong(self, number):
        """Sends a ping and reads, whatever else comes, until it is answered."""
        self.send_record(bytes([PING]) + struct.pack("<Q", number))
        while True:
            record = self.read_record()
            if record[0] == CLOSE:
                raise EOFError(record[1:].decode())
            if record[0] == PONG:
                return struct.unpack("<Q", record[1:])[0]


class HandshakeTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = meshes.Mesh(meshes.build_binary(), "interop", nodes=2, gpus=0)
        cls.addClassCleanup(cls.mesh.stop)
        cls.mesh.start()
        cls.first, cls.second = cls.mesh.nodes
        cls.mesh.wait_alive(cls.first, 2)

    def suites(self):
        return [0, AES] if has_aes() else [0]

    def stranger(self, flags):
        """An XX handshake to its end; the credentials that the daemon showed."""
        dialler = Dialler(self.first.port, XX, flags, bytes(nacl.public.PrivateKey.generate()))
        self.assertEqual(dialler.begin(FIRST_CONTACT_PADDING), WELCOME)
        kind, message = dialler.read_frame()
        self.assertEqual(kind, NOISE)
        credentials = cbor2.loads(dialler.noise.read_message(message))
        remote = dialler.noise.noise_protocol.handshake_state.rs.public_bytes
        dialler.socket.sendall(dialler.frame(dialler.noise.write_message(b"")))
        return dialler, credentials, remote

    def test_noiseprotocol_completes_a_first_contact_in_every_suite(self):
        for flags in self.suites():
            with self.subTest(flags=flags):
                dialler, _, _ = self.stranger(flags)
                with dialler:
                    self.assertEqual(dialler.read_record(), bytes([READY]))
                    self.assertEqual(dialler.pong(7), 7)

    def test_pynacl_and_pyseto_agree_with_what_a_daemon_shows_of_itself(self):
        dialler, credentials, remote = self.stranger(0)
        dialler.socket.close()
        name, mesh_key, certificates, binding = (credentials[number] for number in (1, 2, 3, 4))
        self.assertEqual(name, self.mesh.name)
        self.assertEqual(binding[1], bytes(remote))
        signer = bytes(mesh_key)
        mesh_id = pyseto.Key.from_asymmetric_key_params(4, x=signer).to_paserk_id()
        for token in certificates:
            key = pyseto.Key.from_asymmetric_key_params(4, x=signer)
            decoded = pyseto.decode(key, token, implicit_assertion=b"swarmlet/certificate/1", deserializer=None)
            self.assertEqual(decoded.footer, b'{"kid":"' + key.to_paserk_id().encode() + b'"}')
            self.assertIn(f'"aud":"{mesh_id}"'.encode(), decoded.payload)
            subject = decoded.payload.split(b'"sub":"k4.public.')[1].split(b'"')[0]
            signer = base64.urlsafe_b64decode(subject + b"=")
        bound = pre_authentication([b"swarmlet/noise/1", binding[1]])
        nacl.signing.VerifyKey(signer).verify(bound, binding[2])
        with self.assertRaises(nacl.exceptions.BadSignatureError):
            nacl.signing.VerifyKey(signer).verify(bound + b"!", binding[2])

    def secret(self, node):
        with open(os.path.join(node.data, "keys", "noise"), "rb") as stream:
            return stream.read()

    def member(self, flags, static=None, **options):
        """A dialler that knows what a member knows."""
        remote = bytes(nacl.public.PrivateKey(self.secret(self.first)).public_key)
        dialler, credentials, _ = self.stranger(0)
        dialler.socket.close()
        mesh_id = blake3.blake3(b"swarmlet mesh" + credentials[2]).digest()
        return Dialler(self.first.port, IK, BOUND | flags, static or self.secret(self.second), mesh_id, remote, **options)

    def test_noiseprotocol_is_a_member_where_it_has_a_members_key(self):
        for flags in self.suites():
            with self.subTest(flags=flags), self.member(flags) as dialler:
                # A session for streams, which stands beside the one that the true member has.
                self.assertEqual(dialler.begin(b"\x02" + bytes(8)), WELCOME)
                kind, message = dialler.read_frame()
                self.assertEqual(kind, NOISE)
                dialler.noise.read_message(message)
                dialler.send_record(bytes([READY]))
                for number in range(100):
                    self.assertEqual(dialler.pong(number), number)

    def test_a_key_of_no_member_is_refused_with_a_reason(self):
        with self.member(0, static=bytes(nacl.public.PrivateKey.generate())) as dialler:
            self.assertEqual(dialler.begin(b"\x02" + bytes(8)), WELCOME)
            self.assertEqual(dialler.read_frame(), (REFUSAL, b"this key is no member's"))

    def test_an_opening_that_was_changed_on_the_way_breaks_the_handshake(self):
        with self.member(0, altered_prologue=True) as dialler:
            self.assertEqual(dialler.begin(b"\x02" + bytes(8)), WELCOME)
            self.assertEqual(dialler.read_frame(), (MISFIT, b""))

    def test_pyseto_opens_a_mesh_key_that_was_locked_and_we_open_one_of_its(self):
        key = self.first.command("key", "export").strip()
        seed = base64.urlsafe_b64decode(key.removeprefix("swarmlet.seed.1.") + "=")
        secret = os.path.join(self.mesh.folder, "secret")
        with open(secret, "w", encoding="utf-8") as stream:
            stream.write("open sesame")
        os.chmod(secret, 0o600)
        locked = self.first.command("key", "export", "--passphrase", f"file:{secret}").strip()
        opened = pyseto.Key.from_paserk(locked, password="open sesame")
        token = pyseto.encode(opened, b"message").decode()
        public = bytes(nacl.signing.SigningKey(seed).verify_key)
        theirs = pyseto.Key.from_asymmetric_key_params(4, x=public)
        self.assertEqual(pyseto.decode(theirs, token, deserializer=None).payload, b"message")
        wrapped = opened.to_paserk(password="open sesame", memory_cost=16 << 10, time_cost=2)
        self.second.command("key", "import", "-", "--passphrase", f"file:{secret}", stdin=wrapped)
        self.assertEqual(self.second.command("key", "export").strip(), key)

    def test_a_version_that_nobody_has_is_told_ours(self):
        with socket.create_connection(("127.0.0.1", self.first.port), timeout=20) as stream:
            stream.sendall(MAGIC + bytes([VERSION + 1, XX, 0]))
            self.assertEqual(stream.recv(10, socket.MSG_WAITALL), MAGIC + bytes([VERSION, VERSION_UNKNOWN]))


if __name__ == "__main__":
    unittest.main()
