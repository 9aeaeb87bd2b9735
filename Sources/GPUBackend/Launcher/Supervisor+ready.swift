import Glibc

/// A sandbox is kept ready for an attempt that is likely to come: of a supervisor without a job if the daemon says so, and
/// later once two attempts that it suits have begun, because more tasks of the job may follow.
extension Supervisor {
    func makeReady() {
        guard ready == nil else { return }
        do throws(HostError) {
            let group = try pool.take(Cgroup.Limits(memoryBytes: 0, cpuMillis: 0, processes: Cgroup.processLimit))
            do throws(HostError) { ready = try ReadySandbox(in: group) } catch {
                if let group { pool.giveBack(group) }
                throw error
            }
            try ready?.begin()
        } catch { giveUpReady(error.message) }
    }

    /// After an attempt has begun.
    func makeReadyForNext(after spec: AttemptSpec) {
        guard spec.suitsReadySandbox else { return }
        suitedCount += 1
        if suitedCount > 1 { makeReady() }
    }

    func hear(_ news: ReadySandbox.News) {
        if case .failed(let why) = news { giveUpReady(why) }
    }

    private func giveUpReady(_ why: String) {
        SupervisorMain.say("no sandbox can be kept ready: \(why)")
        dropReady()
    }

    func dropReady() {
        guard let unused = exchange(&ready, with: nil) else { return }
        unused.letGo()
        abandon(unused.process, in: unused.group)
    }

    /// The attempt, begun in the sandbox that stands ready; nil where there is none, or none that suits.
    func beginReady(_ spec: AttemptSpec) throws(HostError) -> RunningAttempt? {
        guard let ready else { return nil }
        guard spec.suitsReadySandbox, let sandbox = try AttemptProcess.sandbox(of: spec) else {
            // Nor will it suit the others of the job.
            dropReady()
            return nil
        }
        let news = ready.settle()
        guard case .stands = news else {
            hear(news)
            return nil
        }
        do throws(HostError) {
            if let process = try ready.give(spec, in: sandbox) {
                self.ready = nil
                ready.closeGiven()
                return RunningAttempt(spec: spec, process: process, group: ready.group)
            }
        } catch {
            // What was wrong with the attempt, if it was that, shows again where it is begun from the first step on.
            SupervisorMain.say("a sandbox that stood ready was not used: \(error.message)")
        }
        dropReady()
        return nil
    }

    /// A first process that is about to end without a command.
    func abandon(_ process: Int32, in group: Cgroup?) {
        abandoned.append((process, group))
        reapAbandoned(WNOHANG)
    }

    /// One by one: a wait for any child could take the end of an attempt from under its name.
    func reapAbandoned(_ flags: Int32) {
        abandoned.removeAll { process, group in
            guard waitpid(process, nil, flags) != 0 else { return false }
            if let group { pool.giveBack(group) }
            return true
        }
    }
}
