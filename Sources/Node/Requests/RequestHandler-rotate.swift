import Scheduler

/// Requests for other keys in the place of those that there are.
extension RequestHandler {
    func rotate(_ request: RotateRequest) async throws {
        try requireAdministrator()
        let service = RotationService(node: node)
        switch request {
        case .node:
            try node.keys.begin()
            defer { node.keys.answered() }
            try await reply(.rotated(try await service.rotateNode(by: node.actor(caller.name))))
        case .issuer(let old, let key):
            try await reply(.rotated(try await service.rotateIssuer(old, to: key, by: caller.name)))
        case .mesh: try await reply(.rotated(try await service.rotateMesh(by: node.actor(caller.name))))
        }
    }
}
