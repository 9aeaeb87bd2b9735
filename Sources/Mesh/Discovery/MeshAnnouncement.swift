import Codec

/// What a member says on its network to who asks for meshes: a service of multicast DNS (RFC 6763), `_swarmlet._tcp.local`.
///
/// Nobody has proved anything by it: who joins compares the fingerprint that the mesh itself shows.
public struct MeshAnnouncement: Hashable, Sendable {
    public var mesh: String
    public var fingerprint: String
    public var node: String
    /// `HOST:PORT`, at most four.
    public var addresses: [String]

    private static let service = DNSName("_swarmlet", "_tcp", "local")
    private static let addressesMax = 4
    private static let textBytesMax = 200

    public init(mesh: String, fingerprint: String, node: String, addresses: [String]) {
        self.mesh = mesh
        self.fingerprint = fingerprint
        self.node = node
        self.addresses = Array(addresses.prefix(Self.addressesMax))
    }

    /// The question which meshes there are.
    public static func question(id: UInt16) -> [UInt8] {
        var message = DNSMessage(id: id, isAnswer: false)
        message.questions = [DNSMessage.Question(name: service, type: DNSMessage.RecordType.pointer)]
        return message.encoded
    }

    /// The number of a question which meshes there are; nil for any other message.
    public static func question(in bytes: [UInt8]) -> UInt16? {
        guard let message = DNSMessage(decoding: bytes), !message.isAnswer else { return nil }
        let asks = message.questions.contains {
            $0.name.ends(in: service) && $0.name.labels.count == service.labels.count
                && ($0.type == DNSMessage.RecordType.pointer || $0.type == DNSMessage.RecordType.any)
        }
        return asks ? message.id : nil
    }

    /// The answer to a question; nil where a name does not fit into one.
    public func answer(to id: UInt16) -> [UInt8]? {
        let label = Array(node.utf8)
        guard (1...DNSName.labelBytesMax).contains(label.count) else { return nil }
        let texts = [("mesh", mesh), ("fingerprint", fingerprint), ("node", node)] + addresses.map { ("address", $0) }
        guard texts.allSatisfy({ $1.utf8.count <= Self.textBytesMax }) else { return nil }
        let instance = DNSName([label] + Self.service.labels)
        let host = DNSName([label, Array("local".utf8)])
        let port = addresses.first?.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        var message = DNSMessage(id: id, isAnswer: true)
        message.questions = [DNSMessage.Question(name: Self.service, type: DNSMessage.RecordType.pointer)]
        message.records = [
            DNSMessage.Record(name: Self.service, content: .pointer(instance)),
            DNSMessage.Record(name: instance, content: .service(port: port, target: host)),
            DNSMessage.Record(name: instance, content: .text(texts.map { Array("\($0)=\($1)".utf8) })),
        ]
        for address in addresses.compactMap(Self.ipv4) {
            message.records.append(DNSMessage.Record(name: host, content: .address(address)))
        }
        let bytes = message.encoded
        return bytes.count <= DNSMessage.bytesMax ? bytes : nil
    }

    /// What an answer says of the first mesh in it; nil where it names none. Texts that would not print are none.
    public init?(answer bytes: [UInt8], to id: UInt16) {
        guard let message = DNSMessage(decoding: bytes), message.isAnswer, message.id == id else { return nil }
        for record in message.records where record.name.ends(in: Self.service) {
            guard case .text(let strings) = record.content else { continue }
            var (mesh, fingerprint, node, addresses): (String?, String?, String?, [String]) = (nil, nil, nil, [])
            for string in strings {
                guard let (key, value) = Self.pair(string) else { continue }
                switch key {
                case "mesh": mesh = value
                case "fingerprint": fingerprint = value
                case "node": node = value
                case "address": addresses.append(value)
                default: continue
                }
            }
            guard let mesh, let fingerprint, let node, !addresses.isEmpty else { continue }
            self.init(mesh: mesh, fingerprint: fingerprint, node: node, addresses: addresses)
            return
        }
        return nil
    }

    private static func pair(_ bytes: [UInt8]) -> (String, String)? {
        guard bytes.count <= textBytesMax + 16, let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let value = String(decoding: bytes[(equals + 1)...], as: UTF8.self)
        guard !value.isEmpty, value.utf8.elementsEqual(bytes[(equals + 1)...]),
            value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        else { return nil }
        return (String(decoding: bytes[..<equals], as: UTF8.self), value)
    }

    private static func ipv4(_ address: String) -> UInt32? {
        guard let colon = address.lastIndex(of: ":") else { return nil }
        let parts = address[..<colon].split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard let part else { return nil }
            number = number << 8 | UInt32(part)
        }
        return number
    }
}
