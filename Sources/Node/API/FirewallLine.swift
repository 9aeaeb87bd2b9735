import Codec

/// How a host lets others in: its firewall and the interface that swarmlet listens on.
public struct FirewallLine: Hashable, Sendable {
    public enum Tool: UInt64, Hashable, Sendable, CBORCodable {
        case ufw = 1
        case firewalld = 2
        case nftables = 3
        case iptables = 4

        public init(cbor: CBOR) throws(CodecError) {
            let value = try UInt64(cbor: cbor)
            guard let tool = Tool(rawValue: value) else { throw .invalid("firewall \(value) is not known") }
            self = tool
        }

        public var cbor: CBOR { .unsigned(rawValue) }
    }

    public var tool: Tool
    /// nil: every one.
    public var interface: String?

    public init(tool: Tool, interface: String? = nil) {
        self.tool = tool
        self.interface = interface
    }

    /// What an administrator of that host types.
    ///
    /// - Parameter transport: `tcp` or `udp`.
    public func opening(port: String, transport: String) -> String {
        switch tool {
        case .ufw:
            let on = interface.map { "in on \($0) to any port" } ?? "in to any port"
            return "sudo ufw allow \(on) \(port) proto \(transport)"
        case .firewalld:
            return "sudo firewall-cmd --permanent --add-port=\(port)/\(transport) && sudo firewall-cmd --reload"
        case .nftables:
            let on = interface.map { "iifname \($0) " } ?? ""
            return "sudo nft insert rule inet filter input \(on)\(transport) dport \(port) accept"
        case .iptables:
            let on = interface.map { "-i \($0) " } ?? ""
            return "sudo iptables -I INPUT \(on)-p \(transport) --dport \(port) -j ACCEPT"
        }
    }
}

extension FirewallLine: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        tool = try map.require(1)
        interface = try map.optional(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, tool)
        map.set(2, interface)
        return .map(map)
    }
}
