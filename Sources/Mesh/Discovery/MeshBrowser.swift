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
    /// The question is asked again once: a network may lose it.
    private static let secondQuestionAfterMilliseconds: Int32 = 250

    /// Waits so long for answers.
    public static func browse(milliseconds: Int32) -> Outcome {
        var outcome = Outcome()
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        do throws(RingError) {
            let hosts = try NetworkInterface.all().map(\.address).filter { $0.host != "127.0.0.1" }
            var failure: RingError?
            for case .ipv4(let host, let port) in hosts {
                do throws(RingError) {
                    sockets.append(try MulticastSocket.ask(from: .ipv4(host, port: port)))
                } catch {
                    failure = error
                }
            }
            guard !sockets.isEmpty else {
                outcome.reason = failure?.message ?? "it has no network of IPv4"
                return outcome
            }
        } catch {
            outcome.reason = error.message
            return outcome
        }
        let id = UInt16(truncatingIfNeeded: EventLoops.wallClock.nanoseconds >> 10) | 1
        guard ask(sockets, id) else {
            outcome.reason = "its networks take no multicast"
            return outcome
        }
        var found: Set<MeshAnnouncement> = []
        collect(sockets, id, secondQuestionAfterMilliseconds, &found)
        _ = ask(sockets, id)
        collect(sockets, id, milliseconds - secondQuestionAfterMilliseconds, &found)
        outcome.announcements = found.sorted {
            ($0.mesh, $0.fingerprint, $0.node, $0.addresses.first ?? "")
                < ($1.mesh, $1.fingerprint, $1.node, $1.addresses.first ?? "")
        }
        return outcome
    }

    private static func ask(_ sockets: [Int32], _ id: UInt16) -> Bool {
        let question = MeshAnnouncement.question(id: id)
        return sockets.reduce(false) { MulticastSocket.send(question, over: $1) || $0 }
    }

    private static func collect(
        _ sockets: [Int32], _ id: UInt16, _ milliseconds: Int32, _ found: inout Set<MeshAnnouncement>
    ) {
        let end = EventLoops.bootClock + .milliseconds(Int64(max(0, milliseconds)))
        var bytes = [UInt8](repeating: 0, count: 1_500)
        while found.count < announcementsMax {
            let left = (end - EventLoops.bootClock).milliseconds
            guard left > 0 else { return }
            var waits = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
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
