import Codec

/// A datagram as it lies on the wire, before its keys are known. Integers are little-endian.
///
/// | type | fields |
/// |---|---|
/// | 1 hello | version(1) sender(8) receiver(8) index(4) salt(16) epoch(8) mac(16) |
/// | 2 welcome | version(1) index of the hello(4) own index(4) salt(16) epoch(8) mac(16) |
/// | 16 + purpose | index(4) counter(8) ciphertext and tag |
///
/// Any bytes can be given to `init(decoding:)`: what is no packet is nil.
enum DatagramPacket: Hashable, Sendable {
    /// Fresh for each handshake: the random salt of a node's start and a number that counts up within it.
    struct Nonce: Hashable, Sendable {
        var salt: [UInt8]
        var epoch: UInt64
    }
    case hello(sender: NodeID, receiver: NodeID, index: UInt32, Nonce)
    case welcome(to: UInt32, index: UInt32, Nonce)
    case sealed(DatagramPurpose, index: UInt32, counter: UInt64)

    private static let helloType: UInt8 = 1
    private static let welcomeType: UInt8 = 2
    private static let sealedType: UInt8 = 16

    init?(decoding bytes: [UInt8]) {
        guard let type = bytes.first, bytes.count <= DatagramConstants.packetBytesMax else { return nil }
        var rest = bytes.dropFirst()
        do throws(MeshError) {
            switch type {
            case Self.helloType:
                guard bytes.count == DatagramConstants.helloBytes, rest.popFirst() == DatagramConstants.version else {
                    return nil
                }
                let (sender, receiver) = (try Self.node(&rest), try Self.node(&rest))
                self = .hello(
                    sender: sender, receiver: receiver, index: try rest.takeLittleEndian(), try Self.nonce(&rest))
            case Self.welcomeType:
                guard bytes.count == DatagramConstants.welcomeBytes, rest.popFirst() == DatagramConstants.version else {
                    return nil
                }
                let (hello, own): (UInt32, UInt32) = (try rest.takeLittleEndian(), try rest.takeLittleEndian())
                self = .welcome(to: hello, index: own, try Self.nonce(&rest))
            default:
                let least =
                    DatagramConstants.headerBytes + DatagramConstants.innerBytes + DatagramConstants.tagBytes
                guard type > Self.sealedType, let purpose = DatagramPurpose(rawValue: type - Self.sealedType),
                    bytes.count >= least
                else { return nil }
                self = .sealed(purpose, index: try rest.takeLittleEndian(), counter: try rest.takeLittleEndian())
            }
        } catch {
            return nil
        }
    }

    private static func node(_ bytes: inout ArraySlice<UInt8>) throws(MeshError) -> NodeID {
        NodeID(try bytes.takeLittleEndian())
    }

    private static func nonce(_ bytes: inout ArraySlice<UInt8>) throws(MeshError) -> Nonce {
        guard bytes.count >= DatagramConstants.saltBytes else { throw .frameTooLong(bytes.count) }
        let salt = Array(bytes.prefix(DatagramConstants.saltBytes))
        bytes.removeFirst(DatagramConstants.saltBytes)
        return Nonce(salt: salt, epoch: try bytes.takeLittleEndian())
    }

    /// The bytes of the packet, without the mac of a hello or welcome, or what is sealed.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(DatagramConstants.helloBytes)
        switch self {
        case .hello(let sender, let receiver, let index, let nonce):
            bytes += [Self.helloType, DatagramConstants.version]
            bytes.appendLittleEndian(sender.rawValue)
            bytes.appendLittleEndian(receiver.rawValue)
            bytes.appendLittleEndian(index)
            bytes += nonce.salt
            bytes.appendLittleEndian(nonce.epoch)
        case .welcome(let hello, let index, let nonce):
            bytes += [Self.welcomeType, DatagramConstants.version]
            bytes.appendLittleEndian(hello)
            bytes.appendLittleEndian(index)
            bytes += nonce.salt
            bytes.appendLittleEndian(nonce.epoch)
        case .sealed(let purpose, let index, let counter):
            bytes.append(Self.sealedType + purpose.rawValue)
            bytes.appendLittleEndian(index)
            bytes.appendLittleEndian(counter)
        }
        return bytes
    }
}
