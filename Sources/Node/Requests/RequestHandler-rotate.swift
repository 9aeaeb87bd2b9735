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
            try await reply(.rotated(try await service.rotateNode(by: asker)))
        case .issuer(let old, let key):
            try await reply(.rotated(try await service.rotateIssuer(old, to: key, by: asker)))
        case .mesh: try await reply(.rotated(try await service.rotateMesh(by: asker)))
        }
    }
}
