import Codec
import Tokens

/// What a member says that was asked for new certificates.
enum CertificateAnswer: Hashable, Sendable, CBORCodable {
    /// From the mesh key to the member that has asked.
    case certified(CertificateChain)
    case refused(APIFailure)

    init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .certified(try CertificateChain(cbor: content))
        case 2: self = .refused(try APIFailure(cbor: content))
        default: throw .invalid("certificate answer \(number) is not known to this version")
        }
    }

    var cbor: CBOR {
        switch self {
        case .certified(let chain): numbered(1, chain.cbor)
        case .refused(let failure): numbered(2, failure.cbor)
        }
    }
}
