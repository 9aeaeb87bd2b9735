import Codec
import Ring

/// What a job asks of its proxy: the head of a request, HTTP/1.1 (RFC 9112, section 3.2).
struct ProxyRequest: Hashable {
    /// Where to: a name, or an address without brackets.
    var host: String
    var port: UInt16
    /// What the server is sent for it; empty of CONNECT: what follows is between the two ends alone.
    var forwarded: [UInt8]
    /// What it says that follows its head: another request may be for another server. nil: a tunnel, which has no end.
    var bodyBytes: Int?

    /// Longest head.
    static let headBytesMax = 16 << 10

    /// Why it is not carried out.
    struct Refusal: Error, Hashable {
        var reason: String
    }

    /// The length of the head that `bytes` begins with, empty line and all; nil while it has not come whole.
    static func headLength(of bytes: [UInt8], from start: Int = 0) -> Int? {
        let end = Array("\r\n\r\n".utf8)
        var index = max(0, start - 3)
        while index + end.count <= bytes.count {
            if bytes[index..<index + end.count].elementsEqual(end) { return index + end.count }
            index += 1
        }
        return nil
    }

    /// - Parameter head: whole, with its empty line.
    init(head: some Collection<UInt8>) throws(Refusal) {
        guard head.allSatisfy({ $0 == 9 || $0 == 10 || $0 == 13 || $0 >= 32 && $0 != 127 }) else {
            throw Refusal(reason: "there are control bytes in the head of the request")
        }
        var lines = head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast(2)
            .map { Array($0) }
        guard lines.allSatisfy({ $0.last == 13 && !$0.dropLast().contains(13) }), !lines.isEmpty else {
            throw Refusal(reason: "lines of a request end with CR and LF")
        }
        let words = lines.removeFirst().dropLast().split(separator: 32, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 3, words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0", Self.isToken(words[0].utf8),
            words[1].utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else {
            throw Refusal(reason: "the first line is no request of HTTP/1.1")
        }
        guard words[0] != "CONNECT" else {
            (host, port) = try Self.authority(words[1], defaultPort: nil)
            forwarded = []
            return
        }
        guard let rest = Self.afterScheme(words[1]) else {
            throw Refusal(
                reason: "this is a proxy: it takes CONNECT HOST:PORT and http://…, not \(words[1].prefix(40))")
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        (host, port) = try Self.authority(String(rest[..<end]), defaultPort: 80)
        let place = rest[end...].prefix { $0 != "#" }
        let path = place.hasPrefix("/") ? String(place) : "/" + place
        bodyBytes = try Self.bodyBytes(lines)
        var text = Array("\(words[0]) \(path) \(words[2])\r\nHost: \(rest[..<end])\r\nConnection: close\r\n".utf8)
        for line in lines {
            if try Self.isPassedOn(line) { text += line + [10] }
        }
        forwarded = text + Array("\r\n".utf8)
    }

    private static func bodyBytes(_ lines: [[UInt8]]) throws(Refusal) -> Int {
        var said: Int?
        for line in lines {
            let words = line.dropLast().split(
                separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false
            )
            .map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 2 else { continue }
            switch words[0].lowercased() {
            case "transfer-encoding": throw Refusal(reason: "a plain request says how long it is: Content-Length")
            case "content-length":
                let digits = words[1].drop { $0 == " " || $0 == "\t" }
                guard said == nil, digits.utf8.allSatisfy({ 48...57 ~= $0 }), let number = Int(digits) else {
                    throw Refusal(reason: "its Content-Length is no number, or comes twice")
                }
                said = number
            default: break
            }
        }
        return said ?? 0
    }

    /// One request a connection: what follows it goes nowhere.
    private static func isPassedOn(_ line: [UInt8]) throws(Refusal) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), isToken(line[..<colon]) else {
            throw Refusal(reason: "a line of the request is no NAME: VALUE")
        }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let ownNames = ["host", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade"]
        return !ownNames.contains(name)
    }

    private static func afterScheme(_ target: String) -> Substring? {
        let scheme = "http://"
        guard target.utf8.count > scheme.utf8.count, target.prefix(7).lowercased() == scheme else { return nil }
        return target.dropFirst(7)
    }

    private static func authority(_ text: String, defaultPort: UInt16?) throws(Refusal) -> (String, UInt16) {
        do throws(RingError) {
            let (host, port) = try SocketAddress.split(text, defaultPort: defaultPort ?? 0)
            if isHost(host), port != 0 { return (host, port) }
        } catch {
            // Said below.
        }
        throw Refusal(reason: "\(text.prefix(80)) is no HOST:PORT")
    }

    /// A name or an address; not one with an interface, which is for this host's own links.
    private static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 253
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"): true
                default: false
                }
            }
    }

    /// RFC 9110, section 5.6.2.
    private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
        !bytes.isEmpty
            && bytes.allSatisfy { $0 > 32 && $0 < 127 && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
    }
}
