import Codec
import Ring

@testable import Node

/// What a stranger's job says to its proxy.
enum ProxyFuzzing {
    static func request(_ bytes: [UInt8]) -> String? {
        guard let length = ProxyRequest.headLength(of: bytes) else { return nil }
        guard
            let request = Fuzzer.taken({ () throws(ProxyRequest.Refusal) in
                try ProxyRequest(head: bytes[..<length])
            })
        else { return nil }
        if request.host.utf8.contains(where: { $0 <= 32 || $0 >= 127 }) || request.port == 0 { return "no host" }
        let isTunnel = bytes.starts(with: Array("CONNECT ".utf8))
        guard !request.forwarded.isEmpty else { return isTunnel ? nil : "a request that is not forwarded" }
        if isTunnel { return "a tunnel that is told to the server" }
        if ProxyRequest.headLength(of: request.forwarded) != request.forwarded.count { return "more than one head" }
        let lines = String(decoding: request.forwarded, as: UTF8.self).split(separator: "\r\n")
        let hosts = lines.filter { $0.lowercased().hasPrefix("host:") }
        return hosts.count == 1 && hosts.first == lines.dropFirst().first ? nil : "\(hosts.count) names of hosts"
    }
}
