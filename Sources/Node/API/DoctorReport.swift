import Codec

/// What a member says to one that looks after the link between them.
public struct DoctorReport: Hashable, Sendable {
    /// Nanoseconds since the Unix epoch.
    public var wallClock: Int64
    /// Of its host.
    public var checks: [CheckView]
    /// Whether it reaches who asked, by a connection of its own.
    public var reachBack: CheckView
    /// How its host would let a port in.
    public var firewall: FirewallLine

    public init(wallClock: Int64, checks: [CheckView], reachBack: CheckView, firewall: FirewallLine) {
        self.wallClock = wallClock
        self.checks = checks
        self.reachBack = reachBack
        self.firewall = firewall
    }
}

extension DoctorReport: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        wallClock = try map.require(1)
        checks = try map.require(2)
        reachBack = try map.require(3)
        firewall = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, wallClock)
        map.set(2, checks)
        map.set(3, reachBack)
        map.set(4, firewall)
        return .map(map)
    }
}
