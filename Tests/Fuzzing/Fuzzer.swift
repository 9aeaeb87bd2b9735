import Codec
import Mesh

@testable import Node

/// A reader of bytes that this node did not write, and what must hold whatever those bytes are: the reader returns or
/// refuses them with an error, never traps, and what it took has one meaning.
///
/// `scripts/fuzz` drives these by coverage; the tests drive them with true messages and damaged ones.
public enum Fuzzer: String, CaseIterable, Sendable {
    /// CBOR, strict and deterministic: the bytes of a value are the only ones that are taken for it.
    case cbor
    case json
    /// A record of a session, decrypted.
    case frame
    /// What is said before a handshake, and the frames of one.
    case opening
    /// Records of a session that carry messages in pieces.
    case pieces
    /// Packets of strangers at the UDP port.
    case datagram
    /// What comes in where meshes are asked for.
    case discovery
    /// The Noise messages of a stranger, for each side and pattern.
    case handshake
    /// A message of a member of the mesh.
    case message
    /// What a member says of itself, and a list of members as it is kept on disk.
    case facts
    /// What is said at a first contact.
    case admission
    /// A request to the daemon.
    case request
    /// A reply of the daemon.
    case reply
    /// Invitations, tokens, certificates and keys as texts.
    case invitation
    /// Access tokens as people carry them.
    case envelope
    /// Links and proofs of access tokens, and what is said in signed ones.
    case access
    /// Rotations of keys, roles, programs: what keys state. Checkpoints of the audit log and proofs about it.
    case statement
    /// One message of a transfer, and the manifest in it.
    case transfer
    /// Entries of the log, applied to a state.
    case entries
    /// A snapshot of the state, and what is applied after it.
    case snapshot
    /// Messages of members to a whole node, one after the other.
    case node
    /// What a stranger's job says to its proxy.
    case proxy
    /// Small texts: globs, ignore rules, addresses, times, sizes.
    case texts

    /// What is wrong with how `bytes` were taken; nil where all is well.
    public func take(_ bytes: [UInt8]) -> String? {
        switch self {
        case .cbor: Fuzzer.canonical(bytes)
        case .json: Fuzzer.json(bytes)
        case .frame: SessionFuzzing.frame(bytes)
        case .opening: SessionFuzzing.opening(bytes)
        case .pieces: SessionFuzzing.pieces(bytes)
        case .datagram: DatagramFuzzing.packets(bytes)
        case .discovery: DiscoveryFuzzing.message(bytes)
        case .handshake: SessionFuzzing.handshake(bytes)
        case .message: Fuzzer.hasOneMeaning(NodeMessage.self, bytes)
        case .facts: Fuzzer.facts(bytes)
        case .admission: Fuzzer.admission(bytes)
        case .request: Fuzzer.hasOneMeaning(APIRequest.self, bytes[...], limits: APILimits.message)
        case .reply: Fuzzer.hasOneMeaning(APIReply.self, bytes[...], limits: APILimits.message)
        case .invitation: TextFuzzing.invitation(bytes)
        case .envelope: AccessFuzzing.envelope(bytes)
        case .access: AccessFuzzing.access(bytes)
        case .statement: StatementFuzzing.statement(bytes)
        case .transfer: TransferFuzzing.message(bytes)
        case .entries: StateFuzzing.entries(bytes)
        case .snapshot: StateFuzzing.snapshot(bytes)
        case .node: NodeFuzzing.messages(bytes)
        case .proxy: ProxyFuzzing.request(bytes)
        case .texts: TextFuzzing.texts(bytes)
        }
    }

    private static func facts(_ bytes: [UInt8]) -> String? {
        if let report = taken({ () throws(CodecError) in try MemberReport(encoded: bytes) }) {
            if report.text.isEmpty || report.facts.count > SwimConstants.factBytesMax {
                return "a report out of bounds"
            }
            return hasOneMeaning(MemberReport.self, bytes)
        }
        guard let list = taken({ () throws(CodecError) in try SwimRumour.recalled(bytes) }) else { return nil }
        let again = taken { () throws(CodecError) in try SwimRumour.recalled(SwimRumour.saved(list)) }
        return again == list ? nil : "a list of members does not survive being written"
    }

    /// The first byte says what the rest is.
    private static func admission(_ bytes: [UInt8]) -> String? {
        switch bytes.first {
        case 0: hasOneMeaning(AdmissionRequest.self, bytes.dropFirst())
        case 1: hasOneMeaning(AdmissionReply.self, bytes.dropFirst())
        case 2: hasOneMeaning(MemberCredentials.self, bytes.dropFirst())
        case 3: relayed(Array(bytes.dropFirst()))
        default: nil
        }
    }

    /// The first messages on a stream that carries somebody's session.
    private static func relayed(_ bytes: [UInt8]) -> String? {
        if let request = RelayRequest(decoding: bytes), request.encoded != bytes {
            return "a request that was taken is written in other bytes"
        }
        if case .refused(let reason)? = RelayAnswer(decoding: bytes), RelayAnswer.refused(reason).encoded.count > 257 {
            return "a reason of \(reason.utf8.count) bytes"
        }
        return nil
    }

    private static func canonical(_ bytes: [UInt8]) -> String? {
        guard let value = taken({ () throws(CodecError) in try CBOR.decode(bytes) }) else { return nil }
        return value.encoded() == bytes ? nil : "CBOR that was taken is written in other bytes"
    }

    private static func json(_ bytes: [UInt8]) -> String? {
        guard let value = taken({ () throws(CodecError) in try JSON.parse(bytes) }) else { return nil }
        let again = taken { () throws(CodecError) in try JSON.parse(value.encoded()) }
        return again == value ? nil : "JSON that was taken does not survive being written"
    }

    static func hasOneMeaning<Message: CBORCodable & Hashable>(_ type: Message.Type, _ bytes: [UInt8]) -> String? {
        hasOneMeaning(type, bytes[...])
    }

    static func hasOneMeaning<Message: CBORCodable & Hashable>(
        _: Message.Type, _ bytes: ArraySlice<UInt8>, limits: CBORLimits = .default
    ) -> String? {
        guard let message = taken({ () throws(CodecError) in try Message(encoded: bytes, limits: limits) }) else {
            return nil
        }
        let again = taken { () throws(CodecError) in try Message(encoded: message.encoded(), limits: limits) }
        return again == message ? nil : "a \(Message.self) that was taken does not survive being written"
    }

    /// The value, or nil where the bytes were refused, as most must be.
    static func taken<Value, Failure: Error>(_ read: () throws(Failure) -> Value) -> Value? {
        do throws(Failure) { return try read() } catch { return nil }
    }
}
