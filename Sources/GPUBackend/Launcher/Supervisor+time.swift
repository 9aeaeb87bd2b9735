import Codec
import Glibc
import Scheduler

extension Supervisor {
    /// Leases, limits, watched memory and disk; returns when to look again.
    func tick(now: Instant) throws(HostError) -> Instant {
        var next = Instant.distantFuture
        let deadline = lease.deadline
        for attempt in running {
            // Nobody is there to take what its setup made, or who is knows nothing of it.
            if connection?.knowsSetups != true { attempt.letGo() }
            let leaseEnd = attempt.spec.replaceable ? deadline : .distantFuture
            next = min(next, hold(attempt, leaseEnd: leaseEnd, now: now))
            if attempt.spec.memoryBytes > 0, !pool.enforcesMemory, attempt.cause == nil {
                if ProcessFacts.residentBytes(below: attempt.process.process) > attempt.spec.memoryBytes {
                    attempt.kill(.outOfMemory)
                }
                next = min(next, now + Self.memoryLook)
            }
            if let disk = attempt.disk, attempt.cause == nil, attempt.frozenSince == nil {
                switch disk.look(below: attempt.process.process, now: now) {
                case .within(let again): next = min(next, again)
                case .above: attempt.kill(.diskLimit)
                }
            }
            next = min(next, attempt.checkLimits(now: now))
        }
        return next
    }

    /// Without a lease it stands still, and while it is paused; with both it is the lease that is told and that ends it.
    private func hold(_ attempt: RunningAttempt, leaseEnd: Instant, now: Instant) -> Instant {
        do throws(HostError) {
            let hasLease = now < leaseEnd
            if hasLease, attempt.frozenTold {
                attempt.frozenTold = false
                unsent.append(.thawed(attempt.key))
            }
            attempt.leaselessSince = hasLease ? nil : attempt.leaselessSince ?? now
            if hasLease, !attempt.isPaused {
                try attempt.thaw(now: now)
                return leaseEnd
            }
            guard attempt.frozenSince != nil else {
                try attempt.freeze(now: now)
                return now + Self.freezeLook
            }
            guard let since = attempt.leaselessSince else { return leaseEnd }
            if now - since > attempt.spec.disconnectLimit { attempt.kill(.lost) }
            if !attempt.frozenTold {
                guard attempt.isFrozen else { return now + Self.freezeLook }
                attempt.frozenTold = true
                unsent.append(.frozen(attempt.key))
            }
            return now + Self.thawLook
        } catch {
            // What cannot be held to its lease must not run: the mesh may start it elsewhere at any time now.
            attempt.kill(.lost)
            return now + Self.thawLook
        }
    }
}
