import Codec
import GPUBackend
import Glibc
import Node

/// The way from a process of a rank to the other hosts of its gang: a socket that every rank of a gang finds in its sandbox.
enum RankDoor {
    /// How long a daemon may be away: an upgrade takes less.
    private static let patience = Interval.seconds(30)
    private static let pause = Interval.milliseconds(100)

    /// Connects, also to a daemon that is just being replaced.
    static func connect() throws(CommandError) -> LocalClient {
        let deadline = Clock.sinceBoot() + patience
        while true {
            do throws(CommandError) { return try LocalClient(rankSocket: GangDoor.socketPath) } catch {
                guard case .connectionLost = error, Clock.sinceBoot() < deadline else { throw error }
            }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + pause)
        }
    }

    /// Asks until it is answered, however often the daemon is replaced meanwhile.
    static func wait(_ request: GangRequest) throws(CommandError) {
        while true {
            do throws(CommandError) {
                let client = try connect()
                try client.send(.gang(request))
                guard case .done = try client.reply() else {
                    throw .badAnswer(reason: "another reply than that it is done")
                }
                return
            } catch {
                switch error {
                case .connectionLost: break
                case .refused(let failure) where failure.code == "daemon.stopping": break
                default: throw error
                }
            }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + pause)
        }
    }
}
