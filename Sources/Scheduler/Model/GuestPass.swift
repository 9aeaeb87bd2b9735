import Codec

/// What somebody outside the mesh showed to start a job: a token that the member which took the request has verified,
/// with everything that the node which runs the job needs to verify it again for itself.
public struct GuestPass: Hashable, Sendable, CBORCodable {
    /// A link of the token whose uses are counted.
    public struct Count: Hashable, Sendable, CBORCodable {
        public var name: String
        /// How many jobs it starts in all.
        public var uses: UInt64
        /// Nanoseconds since the Unix epoch.
        public var expires: Int64

        public init(name: String, uses: UInt64, expires: Int64) {
            self.name = name
            self.uses = uses
            self.expires = expires
        }

        public init(cbor: CBOR) throws(CodecError) {
            let map = try cbor.requireMap()
            name = try map.require(1)
            uses = try map.require(2)
            expires = try map.require(3)
        }

        public var cbor: CBOR {
            var map = CBORMap()
            map.set(1, name)
            map.set(2, uses)
            map.set(3, expires)
            return .map(map)
        }
    }

    /// Of the links of the token, root first: what the job belongs to.
    public var names: [String]
    /// What is to be counted by the entry that starts the job; empty for a token without a number of uses.
    public var counts: [Count]
    /// Who made the token: the id of his key.
    public var issuer: String
    /// The same as people know it.
    public var madeBy: String
    /// Who used it: the id of his key.
    public var holder: String
    /// The links, as they were shown.
    public var links: [String]
    /// The holder's proof over the request, the connection and the member that took it.
    public var proof: String
    /// The connection: the hash of its handshake.
    public var channel: Bytes
    /// The member that took the request: the id of its key.
    public var member: String
    /// The request that was proved, byte for byte.
    public var request: Bytes
    /// The hash of that request: the same one again starts no second job.
    public var requestHash: Bytes
    /// How long after its end the job's log and files stay the holder's, in seconds.
    public var keepSeconds: UInt64

    public init(
        names: [String], counts: [Count], issuer: String, madeBy: String, holder: String, links: [String],
        proof: String, channel: Bytes, member: String, request: Bytes, requestHash: Bytes, keepSeconds: UInt64
    ) {
        self.names = names
        self.counts = counts
        self.issuer = issuer
        self.madeBy = madeBy
        self.holder = holder
        self.links = links
        self.proof = proof
        self.channel = channel
        self.member = member
        self.request = request
        self.requestHash = requestHash
        self.keepSeconds = keepSeconds
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        names = try map.require(1)
        counts = try map.require(2)
        issuer = try map.require(3)
        madeBy = try map.require(4)
        holder = try map.require(5)
        links = try map.require(6)
        proof = try map.require(7)
        channel = try map.require(8)
        member = try map.require(9)
        request = try map.require(10)
        requestHash = try map.require(11)
        keepSeconds = try map.require(12)
        // Whoever writes what is counted must not be able to leave the root's name out of the job.
        guard !names.isEmpty, names.count <= SchedulerLimits.tokenLinksMax, counts.count <= names.count else {
            throw .invalid("a pass without a token, or one with too many links")
        }
        for count in counts where !names.contains(count.name) || count.uses == 0 {
            throw .invalid("a pass that counts another token")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, names)
        map.set(2, counts)
        map.set(3, issuer)
        map.set(4, madeBy)
        map.set(5, holder)
        map.set(6, links)
        map.set(7, proof)
        map.set(8, channel)
        map.set(9, member)
        map.set(10, request)
        map.set(11, requestHash)
        map.set(12, keepSeconds)
        return .map(map)
    }
}
