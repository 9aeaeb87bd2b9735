import Codec

/// What the mesh knows of a token, or of a link below one: that it was issued here, and the jobs it has started.
public struct TokenRecord: Hashable, Sendable, CBORCodable {
    /// A job that was started with it.
    public struct Start: Hashable, Sendable, CBORCodable {
        public var job: JobID
        /// The hash of the request.
        public var request: Bytes
        /// Who asked: the id of his key.
        public var holder: String
        /// Nanoseconds since the Unix epoch.
        public var at: Int64

        public init(job: JobID, request: Bytes, holder: String, at: Int64) {
            self.job = job
            self.request = request
            self.holder = holder
            self.at = at
        }

        public init(cbor: CBOR) throws(CodecError) {
            let map = try cbor.requireMap()
            job = try map.require(1)
            request = try map.require(2)
            holder = try map.require(3)
            at = try map.require(4)
        }

        public var cbor: CBOR {
            var map = CBORMap()
            map.set(1, job)
            map.set(2, request)
            map.set(3, holder)
            map.set(4, at)
            return .map(map)
        }
    }

    /// 22 characters.
    public var name: String
    /// Who made it: the id of his key.
    public var issuer: String
    /// The same as people know it.
    public var madeBy: String
    /// What it allows, for people; nil where it was not issued through this mesh.
    public var allows: String?
    /// How many jobs it starts in all; 0 for as many as fit into its time.
    public var uses: UInt64
    /// Nanoseconds since the Unix epoch; 0 where it was not issued through this mesh.
    public var issuedAt: Int64
    /// Nanoseconds since the Unix epoch.
    public var expires: Int64
    /// In the order they came.
    public var starts: [Start]
    /// BLAKE3 of the root as it was issued through this mesh; nil where it was not, or below level 6.
    public var root: Digest?
    /// Whose key it names, when its issuer signed it in seconds since the Unix epoch, and in which epoch of tokens; nil
    /// where it was not issued through this mesh, or below level 8.
    public var signed: Signed?

    /// What in a token's root can be revoked beside its name.
    public struct Signed: Hashable, Sendable, CBORCodable {
        /// The id of the holder's key.
        public var holder: String
        public var at: Int64
        public var epoch: UInt64

        public init(holder: String, at: Int64, epoch: UInt64) {
            self.holder = holder
            self.at = at
            self.epoch = epoch
        }

        public init(cbor: CBOR) throws(CodecError) {
            let map = try cbor.requireMap()
            holder = try map.require(1)
            at = try map.require(2)
            epoch = try map.require(3)
        }

        public var cbor: CBOR {
            var map = CBORMap()
            map.set(1, holder)
            map.set(2, at)
            map.set(3, epoch)
            return .map(map)
        }
    }

    public init(
        name: String, issuer: String, madeBy: String, allows: String? = nil, uses: UInt64, issuedAt: Int64 = 0,
        expires: Int64, starts: [Start] = [], root: Digest? = nil, signed: Signed? = nil
    ) {
        self.signed = signed
        self.name = name
        self.issuer = issuer
        self.madeBy = madeBy
        self.allows = allows
        self.uses = uses
        self.issuedAt = issuedAt
        self.expires = expires
        self.starts = starts
        self.root = root
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        issuer = try map.require(2)
        madeBy = try map.require(3)
        allows = try map.optional(4)
        uses = try map.require(5)
        issuedAt = try map.require(6)
        expires = try map.require(7)
        starts = try map.require(8)
        root = try map.optional(9)
        signed = try map.optional(10)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, issuer)
        map.set(3, madeBy)
        map.set(4, allows)
        map.set(5, uses)
        map.set(6, issuedAt)
        map.set(7, expires)
        map.set(8, starts)
        map.set(9, root)
        map.set(10, signed)
        return .map(map)
    }
}
