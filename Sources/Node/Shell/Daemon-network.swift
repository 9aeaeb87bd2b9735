import Codec
import Mesh
import Ring

// What the daemon says of itself on its networks, and that these change.
extension Daemon {
    /// How often the addresses of this host are looked at.
    private static let addressPause = Interval.seconds(3)

    /// Who asks on this network for meshes hears of this one.
    func answerAboutMesh() {
        discoveryFailure = nil
        do throws(RingError) {
            var hosts: [SocketAddress] = []
            for address in addresses where !address.hasPrefix("127.") && !address.hasPrefix("[::1]") {
                hosts.append(try SocketAddress.parse(address, defaultPort: 0))
            }
            // One that others do not reach is not to be found either.
            guard !hosts.isEmpty else { return }
            responder = try MeshResponder(loop, on: hosts) { [weak self] in self?.announcement }
        } catch {
            discoveryFailure = "hosts on this network do not find the mesh by themselves: \(error.message)"
            log.note("\(error.message) Hosts join by name or invitation.")
        }
    }

    private var announcement: MeshAnnouncement? {
        guard let node, node.isRunning, let record = node.state.node(node.id), record.role != .client else {
            return nil
        }
        return MeshAnnouncement(
            mesh: node.membership.meshName, fingerprint: node.membership.fingerprint, node: record.name,
            addresses: addresses)
    }

    /// A host that comes into another network, or gets another address, stays who it is: it tells the mesh where it is.
    func watchAddresses(of listener: SessionListener) {
        let address = listener.address
        loop.spawn("addresses") { [self] in
            while true {
                do { try await loop.sleep(for: Daemon.addressPause) } catch { return }
                // A host with very many interfaces takes its time to list them.
                let found = await loop.offload { () -> [String] in
                    // What cannot be told now is told at the next look.
                    do { return try HostAddresses.reachable(address) } catch { return [] }
                }
                // Without a network there is nobody to tell.
                guard Set(found) != Set(addresses), found.contains(where: { !$0.hasPrefix("127.") }) else { continue }
                log.note("this host is at \(found.joined(separator: ", ")) now")
                addresses = found
                responder?.close()
                responder = nil
                answerAboutMesh()
                node?.moved(to: found)
            }
        }
    }
}
