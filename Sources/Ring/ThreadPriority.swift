import Glibc

/// The order in which the kernel gives the processor to the threads of this host.
public enum ThreadPriority {
    /// From `sched.h`: a process or thread that this one starts is an ordinary one again.
    private static let resetOnFork: Int32 = 0x4000_0000

    /// Lets the calling thread run as soon as it has something to do, before all ordinary work of this host: for a thread
    /// that sleeps nearly always and that the rest of a mesh waits for. A heartbeat or a write to the log that has to wait
    /// for its turn behind trainings costs every write of the mesh 1 to 10 ms, and in the end the lead.
    ///
    /// `SCHED_RR` at its lowest priority (sched(7)); what the thread starts does not inherit it.
    /// - Returns: false where this host does not allow it: neither root nor `ulimit -r`.
    public static func raise() -> Bool {
        var parameters = sched_param()
        parameters.sched_priority = sched_get_priority_min(SCHED_RR)
        return sched_setscheduler(0, SCHED_RR | resetOnFork, &parameters) == 0
    }
}
