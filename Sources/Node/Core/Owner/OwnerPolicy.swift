import Codec

/// When the owner of a host lets jobs use it, and how much of it. Without a rule: always, and all.
public struct OwnerPolicy: Hashable, Sendable {
    /// All of them have to find the owner away.
    public var idle: [IdleRule]
    /// Empty: all the time.
    public var hours: [OpeningHours]
    /// Percent of its CPUs, its memory and its devices, 1 to 100; devices are rounded down.
    public var share: UInt64

    public init(idle: [IdleRule] = [], hours: [OpeningHours] = [], share: UInt64 = 100) {
        self.idle = idle
        self.hours = hours
        self.share = share
    }

    /// Whether the host is ever closed by it.
    public var mayClose: Bool { !idle.isEmpty || !hours.isEmpty }

    /// What of a number of equal things jobs may have.
    public func part(of count: UInt64) -> UInt64 { count / 100 * share + count % 100 * share / 100 }

    /// With what was asked for in place of what was.
    public func changed(by wishes: OwnerWishes) -> OwnerPolicy {
        OwnerPolicy(idle: wishes.idle ?? idle, hours: wishes.hours ?? hours, share: wishes.share ?? share)
    }
}

/// What was said about a host's owner when its daemon was started; nil for what was not spoken of.
public struct OwnerWishes: Hashable, Sendable {
    public var idle: [IdleRule]?
    public var hours: [OpeningHours]?
    public var share: UInt64?

    public init(idle: [IdleRule]? = nil, hours: [OpeningHours]? = nil, share: UInt64? = nil) {
        self.idle = idle
        self.hours = hours
        self.share = share
    }

    /// Everything that a policy says.
    public init(_ policy: OwnerPolicy) { self.init(idle: policy.idle, hours: policy.hours, share: policy.share) }

    /// The flags of which this policy knows nothing, as they were typed.
    public func flags(differingFrom policy: OwnerPolicy) -> [String] {
        let idle = self.idle == policy.idle ? nil : self.idle
        let hours = self.hours == policy.hours ? nil : self.hours
        return OwnerWishes(idle: idle, hours: hours, share: share == policy.share ? nil : share).words
            .map { $0.joined(separator: " ") }
    }

    /// Flag and value of each.
    public var words: [[String]] {
        var words: [[String]] = []
        if let idle { words += idle.isEmpty ? [["--idle-only", "-"]] : idle.map { ["--idle-only", $0.text] } }
        if let hours { words += hours.isEmpty ? [["--hours", "-"]] : hours.map { ["--hours", $0.text] } }
        if let share { words.append(["--share", "\(share)"]) }
        return words
    }
}

extension OwnerWishes: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        idle = try map.optional(1, [String].self).map { texts throws(CodecError) in
            var rules: [IdleRule] = []
            for text in texts {
                guard let rule = IdleRule(text) else { throw .invalid("no idle rule: \(text)") }
                rules.append(rule)
            }
            return rules
        }
        hours = try map.optional(2, [String].self).map { texts throws(CodecError) in
            var hours: [OpeningHours] = []
            for text in texts {
                guard let span = OpeningHours(text) else { throw .invalid("no opening hours: \(text)") }
                hours.append(span)
            }
            return hours
        }
        share = try map.optional(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, idle?.map(\.text))
        map.set(2, hours?.map(\.text))
        map.set(3, share)
        return .map(map)
    }
}
