import Codec
import Glibc
import Ring

/// Asks this host's networks which meshes there are. Blocking: for a command, which has nothing else to do.
public enum MeshBrowser {
    /// What was found.
    public struct Outcome: Hashable, Sendable {
        /// One for each member that answered, in the order of meshes and names.
        public var announcements: [MeshAnnouncement] = []
        /// Why nothing could be asked, as a clause; nil where something was.
        public var reason: String?
    }

    private static let announcementsMax = 128
    private struct Asker {
        let socket: Int32
        let group: SocketAddress
    }

    /// The question is asked again once: a network may lose it.
    private static let secondQuestionAfterMilliseconds: Int32 = 250

    /// Waits so long for answers.
    public static func browse(milliseconds: Int32) -> Outcome {
        var outcome = Outcome()
        var askers: [Asker] = []
        defer { for asker in askers { close(asker.socket) } }
        do throws(RingError) {
            let hosts = try NetworkInterface.all().map(\.address).filter { $0.host != "127.0.0.1" }
            var failure: RingError?
            for host in hosts {
                guard let group = MulticastSocket.group(of: host) else { continue }
                do throws(RingError) {
                    askers.append(Asker(socket: try MulticastSocket.ask(from: host), group: group))
                } catch {
                    failure = error
                }
            }
            guard !askers.isEmpty else {
                outcome.reason = failure?.message ?? "it has no network"
                return outcome
            }
        } catch {
            outcome.reason = error.message
            return outcome
        }
        let id = UInt16(truncatingIfNeeded: EventLoops.wallClock.nanoseconds >> 10) | 1
        guard ask(askers, id) else {
            outcome.reason = "its networks take no multicast"
            return outcome
        }
        var found: Set<MeshAnnouncement> = []
        collect(askers, id, secondQuestionAfterMilliseconds, &found)
        _ = ask(askers, id)
        collect(askers, id, milliseconds - secondQuestionAfterMilliseconds, &found)
        outcome.announcements = found.sorted {
            ($0.mesh, $0.fingerprint, $0.node, $0.addresses.first ?? "")
                < ($1.mesh, $1.fingerprint, $1.node, $1.addresses.first ?? "")
        }
        return outcome
    }

    private static func ask(_ askers: [Asker], _ id: UInt16) -> Bool {
        let question = MeshAnnouncement.question(id: id)
        return askers.reduce(false) { MulticastSocket.send(question, to: $1.group, over: $1.socket) || $0 }
    }

    private static func collect(
        _ askers: [Asker], _ id: UInt16, _ milliseconds: Int32, _ found: inout Set<MeshAnnouncement>
    ) {
        let end = EventLoops.bootClock + .milliseconds(Int64(max(0, milliseconds)))
        var bytes = [UInt8](repeating: 0, count: 1_500)
        while found.count < announcementsMax {
            let left = (end - EventLoops.bootClock).milliseconds
            guard left > 0 else { return }
            var waits = askers.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
            guard poll(&waits, nfds_t(waits.count), Int32(clamping: left)) > 0 else { continue }
            for wait in waits where wait.revents != 0 {
                let count = recv(wait.fd, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                guard count > 0 else { continue }
                if let announcement = MeshAnnouncement(answer: Array(bytes[..<count]), to: id) {
                    found.insert(announcement)
                }
            }
        }
    }
}
