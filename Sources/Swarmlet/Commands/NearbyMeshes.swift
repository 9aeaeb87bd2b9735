import Mesh

/// Meshes that answer on this host's networks, for who starts or joins one. What they say of themselves is not proven.
struct NearbyMeshes {
    struct Nearby: Hashable {
        var name: String
        var fingerprint: String
        /// Who answered, in the order of names.
        var members: [MeshAnnouncement]

        /// `owl and lynx`, `owl, lynx and 2 more`.
        var who: String {
            let names = members.map(\.node)
            switch names.count {
            case 1: return names[0]
            case 2: return "\(names[0]) and \(names[1])"
            default: return "\(names[0]), \(names[1]) and \(names.count - 2) more"
            }
        }
        /// Where to knock.
        var peer: String { members.first?.addresses.first ?? "-" }
    }

    var meshes: [Nearby] = []
    /// Why nothing could be asked; nil where something was.
    var reason: String?

    private static let patienceMilliseconds: Int32 = 800

    static func look(_ terminal: Terminal) -> NearbyMeshes {
        terminal.progress("looking for meshes on this network")
        defer { terminal.clearProgress() }
        let outcome = MeshBrowser.browse(milliseconds: patienceMilliseconds)
        var nearby = NearbyMeshes(reason: outcome.reason)
        for announcement in outcome.announcements {
            if let last = nearby.meshes.last, last.name == announcement.mesh,
                last.fingerprint == announcement.fingerprint
            {
                // A member with several networks answers on each.
                if last.members.contains(where: { $0.node == announcement.node }) { continue }
                nearby.meshes[nearby.meshes.count - 1].members.append(announcement)
            } else {
                nearby.meshes.append(
                    Nearby(name: announcement.mesh, fingerprint: announcement.fingerprint, members: [announcement]))
            }
        }
        return nearby
    }
}
