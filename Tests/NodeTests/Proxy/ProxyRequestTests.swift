import Fuzzing
import Testing

@testable import Node

@Suite("What a job asks of its proxy")
struct ProxyRequestTests {
    private func read(_ text: String) throws -> ProxyRequest {
        let bytes = Array(text.utf8)
        #expect(ProxyRequest.headLength(of: bytes) == bytes.count)
        return try ProxyRequest(head: bytes)
    }

    @Test(
        "a tunnel names its host and port, and the server is told nothing of it",
        arguments: [
            ("example.org:443", "example.org", 443), ("10.0.0.1:22", "10.0.0.1", 22),
            ("[2001:db8::1]:8443", "2001:db8::1", 8443),
        ] as [(String, String, UInt16)])
    func tunnel(_ target: String, _ host: String, _ port: UInt16) throws {
        let request = try read(
            "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\nProxy-Authorization: Basic eA==\r\n\r\n")
        #expect((request.host, request.port) == (host, port))
        #expect(request.forwarded.isEmpty)
        #expect(request.bodyBytes == nil)
    }

    @Test(
        "of a plain request the server gets what is its own: the path, its own name, and one request a connection",
        arguments: [
            ("http://example.org/a/b?c=d#e", "example.org", 80, "/a/b?c=d", "example.org"),
            ("HTTP://example.org:8080", "example.org", 8080, "/", "example.org:8080"),
            ("http://[2001:db8::1]:81?q", "2001:db8::1", 81, "/?q", "[2001:db8::1]:81"),
        ] as [(String, String, UInt16, String, String)])
    func plain(_ target: String, _ host: String, _ port: UInt16, _ path: String, _ name: String) throws {
        let request = try read(
            "POST \(target) HTTP/1.1\r\nhost: inner.example\r\nContent-Length: 3\r\nProxy-Connection: keep-alive\r\n"
                + "Connection: keep-alive, X-Own\r\nCookie: ä=1\r\n\r\n")
        #expect((request.host, request.port) == (host, port))
        #expect(request.bodyBytes == 3)
        #expect(
            String(decoding: request.forwarded, as: UTF8.self)
                == "POST \(path) HTTP/1.1\r\nHost: \(name)\r\nConnection: close\r\nContent-Length: 3\r\nCookie: ä=1\r\n\r\n"
        )
    }

    @Test("who speaks HTTP/1.0 gets an answer of HTTP/1.0")
    func older() throws {
        let request = try read("GET http://a/ HTTP/1.0\r\n\r\n")
        #expect(request.forwarded.starts(with: Array("GET / HTTP/1.0\r\nHost: a\r\n".utf8)))
        #expect(request.bodyBytes == 0)
    }

    @Test(
        "what is no request to a proxy is refused with what is wrong",
        arguments: [
            "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "GET https://example.org/ HTTP/1.1\r\n\r\n",
            "GET ftp://example.org/ HTTP/1.1\r\n\r\n", "GET http:// HTTP/1.1\r\n\r\n", "GET http:///a HTTP/1.1\r\n\r\n",
            "GET http://user:pw@example.org/ HTTP/1.1\r\n\r\n", "GET http://exam ple.org/ HTTP/1.1\r\n\r\n",
            "GET http://example.org:0/ HTTP/1.1\r\n\r\n", "GET http://example.org:65536/ HTTP/1.1\r\n\r\n",
            "GET http://exämple.org/ HTTP/1.1\r\n\r\n", "GET http://[fe80::1%25eth0]/ HTTP/1.1\r\n\r\n",
            "GET http://example.org/ HTTP/2\r\n\r\n", "GET http://example.org/\r\n\r\n",
            "G(T http://a/ HTTP/1.1\r\n\r\n",
            "CONNECT example.org HTTP/1.1\r\n\r\n", "CONNECT :443 HTTP/1.1\r\n\r\n",
            "CONNECT unix:/run/x:1 HTTP/1.1\r\n\r\n",
            "CONNECT http://example.org:443 HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n folded: x\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nname : x\r\n\r\n", "GET http://a/ HTTP/1.1\r\nno colon\r\n\r\n",
            "GET http://a/ HTTP/1.1\nHost: a\r\n\r\n", "GET http://a/ HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nA: \u{0}\r\n\r\n", "\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        ])
    func malformed(_ text: String) {
        #expect(throws: ProxyRequest.Refusal.self) { try ProxyRequest(head: Array(text.utf8)) }
    }

    @Test("the head ends with its first empty line, wherever the pieces that it comes in end")
    func head() {
        let bytes = Array("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n".utf8)
        let end = 33
        for come in 0...bytes.count {
            for before in 0...come {
                // Of what came before, the end had not been found.
                guard before < end else { continue }
                let found = ProxyRequest.headLength(of: Array(bytes[..<come]), from: before)
                #expect(found == (come >= end ? end : nil))
            }
        }
    }

    @Test("whatever bytes come, what is forwarded is one head with one name of a host")
    func damaged() {
        let seeds = [
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://example.org:81/a?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: y\r\n\r\nbody",
        ].map { Array($0.utf8) }
        #expect(Fuzzer.proxy.flaw(from: seeds, rounds: 4_000, seed: 9) == nil)
    }
}
