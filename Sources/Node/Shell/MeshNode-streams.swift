import Codec
import Mesh
import Ring

/// Streams of other members.
extension MeshNode {
    func serve(_ kind: UInt16, _ stream: any MessageStream, from sender: NodeID) {
        guard let kind = StreamKind(rawValue: kind) else { return stream.cancel() }
        loop.spawn("serve \(kind) for \(sender)") { [self] in
            do {
                switch kind {
                case .transfer: try await TreeExchange.serve(stream, store: trees)
                case .log: try await output.serve(stream)
                case .files: try await serveFiles(stream, from: sender)
                case .raft: try await RaftService(node: self).serve(stream, from: sender)
                case .history: try await HistoryExchange(node: self).serve(stream)
                case .doctor: try await PeerDoctor(node: self).serve(stream, for: sender)
                case .relay: try await relays.serve(stream, from: sender)
                case .relayed: try await peers.takeRelayed(stream, through: sender)
                case .logCopy: try await shipper.serve(stream, from: sender)
                case .upgrade: try await UpgradeService(node: self).serve(stream, from: sender)
                case .hands: try await HandService(node: self).serve(stream)
                case .audit: try await AuditExchange(node: self).serve(stream, from: sender)
                case .certificates: try await Certifier(node: self).serve(stream, from: sender)
                case .rotation: try await RotationService(node: self).serve(stream, from: sender)
                case .admission, .guest: stream.cancel()
                }
            } catch {
                await refuse(stream, kind, APIFailure(error))
            }
        }
    }

    private func refuse(_ stream: any MessageStream, _ kind: StreamKind, _ failure: APIFailure) async {
        let message: [UInt8]
        switch kind {
        case .transfer: message = TransferMessage.failed(code: failure.code, message: failure.message).encoded()
        case .relay: message = RelayAnswer.refused(failure.message).encoded
        case .certificates: message = CertificateAnswer.refused(failure).encoded()
        case .relayed, .logCopy, .guest, .audit: return stream.cancel()
        case .log, .files, .admission, .raft, .history, .doctor, .hands, .upgrade, .rotation:
            message = APIReply.failure(failure).encoded()
        }
        do {
            try await stream.send(message)
            await stream.finish()
        } catch {
            stream.cancel()
        }
    }
}
