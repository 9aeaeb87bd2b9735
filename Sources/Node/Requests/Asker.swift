import Scheduler
import Tokens

/// Who asks at this node for something that is put before the mesh.
struct Asker: Sendable {
    /// As people know him at this host: `ana`.
    var name: String
    /// As the log of what happened names him: `ana@owl`, or the id of a guest's key.
    var actor: String
    /// By his groups on this host.
    var role: PersonRole
}

extension Entry {
    /// The entry with the person who asks for it, and with this node's signed word of what he may do.
    func asked(by asker: Asker, key: SigningKey, mesh: String) -> Entry {
        var entry = self
        entry.actor = asker.actor
        entry.statement = RoleStatement(asker.role, about: entry.askedDigest, mesh: mesh, key: key)
        return entry
    }
}
