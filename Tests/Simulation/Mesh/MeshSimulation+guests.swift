import Codec
import Scheduler

/// People with tokens of one use, who ask for more than one job, and for each of them more than once.
extension MeshSimulation {
    func addGuests() {
        for token in 0..<settings.tokens {
            let at = between(0, settings.chaos.milliseconds)
            for number in 0..<4 {
                let name = "guest-\(token)-\(number / 2)"
                var spec = JobSpec(name: name, command: [], user: "token:\(token)", submitNode: NodeID(1))
                spec.command = SimulatedWork(milliseconds: 50).command
                spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 30)
                let hash = Bytes(Array(name.utf8))
                spec.guest = GuestPass(
                    names: ["token-\(token)"],
                    counts: [GuestPass.Count(name: "token-\(token)", uses: 1, expires: .max / 2)], issuer: "issuer",
                    madeBy: "ana on host1", holder: "holder-\(token)", links: [], proof: "", channel: Bytes([]),
                    member: "host1", request: hash, requestHash: hash, keepSeconds: 60)
                addClient(.submit(spec), at: at + between(0, 2_000))
            }
        }
    }

    /// A token has started one job, all who asked for that one were told which, and all others that it is used.
    func guestContradiction(_ jobs: [JobRecord]) -> String? {
        for token in 0..<settings.tokens {
            let name = "token-\(token)"
            let started = jobs.filter { $0.spec.guest?.names == [name] }
            guard let job = started.first, started.count == 1 else {
                return "\(name), a token of one use, has started \(started.count) jobs"
            }
            for client in clients where client.pass?.names == [name] {
                let isSame = client.jobName == job.spec.name
                switch client.answer {
                case .job(job.id) where isSame: break
                case .refused("token.used", _, _) where !isSame: break
                default: return "\(client.jobName ?? "") was answered \(client.answer.map { "\($0)" } ?? "nothing")"
                }
            }
        }
        return nil
    }
}
