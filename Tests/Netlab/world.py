"""A host of the wider network, for the jobs of strangers: pages, and digests of whatever is sent."""

import hashlib
import http.server
import socket
import socketserver
import sys
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{self.path} of {self.headers['Host']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Digest(socketserver.BaseRequestHandler):
    """Answers once it has heard that this was all."""

    def handle(self):
        digest = hashlib.sha256()
        while piece := self.request.recv(1 << 16):
            digest.update(piece)
        self.request.sendall(digest.hexdigest().encode())


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    request_queue_size = 512
    daemon_threads = True


servers = [Server(("::", port), Page) for port in (80, 7717)] + [Server(("::", 9000), Digest)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
sys.stdin.read()
for server in servers:
    server.shutdown()
