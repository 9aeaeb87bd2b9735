import Codec
import Tokens

/// What somebody outside the mesh says on a stream of his own: the links of his token, what he asks, and the proof that the
/// token is his, on this connection and for exactly that.
struct GuestCall: Hashable, Sendable, CBORCodable {
    var links: [String]
    var proof: String
    /// An `APIRequest`, byte for byte as it was proved.
    var request: Bytes

    init(links: [String], proof: String, request: Bytes) {
        self.links = links
        self.proof = proof
        self.request = request
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        links = try map.require(1)
        proof = try map.require(2)
        request = try map.require(3)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, links)
        map.set(2, proof)
        map.set(3, request)
        return .map(map)
    }

    /// What a stranger may send before his token is verified: links, a proof, and a job as long as one may be, twice.
    static let bytesMax = 512 << 10
    static let limits = CBORLimits(byteCount: bytesMax, depth: 4, valueCount: 64)
    /// Of the request in it.
    static let requestLimits = CBORLimits(byteCount: bytesMax, depth: 16, valueCount: 1 << 15)

    /// The name under which a request is proved; nil for what no guest may ask.
    static func operation(of request: APIRequest) -> String? {
        switch request {
        case .submit: "submit"
        case .plan: "plan"
        case .follow: "follow"
        case .followArray: "followArray"
        case .logs: "logs"
        case .jobs: "jobs"
        case .inspectJob: "inspectJob"
        case .cancel: "cancel"
        case .wait: "wait"
        case .fetch: "fetch"
        case .members: "members"
        case .token(.revoke): "revoke"
        case .audit(.proofOfJob): "receipt"
        default: nil
        }
    }
}
