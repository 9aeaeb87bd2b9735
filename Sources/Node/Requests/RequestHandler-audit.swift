import Codec
import Scheduler

/// The log of what happened. Whoever may see all jobs may read it; a guest gets the proof of his own job, as a receipt.
extension RequestHandler {
    func audit(_ request: AuditRequest) async throws {
        let service = AuditService(node: node)
        switch request {
        case .list(let since, let tail, let token):
            try await service.list(since: since, tail: tail, token: token) { try await reply(.audit($0)) }
            try await reply(.done)
        case .verify(let checkpoint):
            try await reply(.audit(.verdict(try await service.verify(checkpoint: checkpoint))))
        case .proofOfJob(let job): try await reply(.audit(.proof(try await service.proof(ofJob: job))))
        case .proof(let sequence): try await reply(.audit(.proof(try await service.proof(of: sequence))))
        }
    }
}

extension MeshNode {
    /// Who asks at this node, by the credentials of his socket; somebody outside the mesh by his key.
    func asker(_ caller: RequestHandler.Caller) -> Asker {
        Asker(
            name: caller.name,
            actor: caller.guest?.decision.grant.holderID.text ?? "\(caller.name)@\(membership.nodeName)",
            role: caller.isAdministrator ? .administrator : .user)
    }
}
