import CLinux
import Codec
import Glibc

/// The lease of a node over the attempts of one supervisor: a page of memory shared between daemon and supervisor.
///
/// The daemon moves the deadline on as renewals come back; the supervisor freezes what may be replaced when it passes.
/// Layout: magic, version, deadline in nanoseconds on the boot-time clock, a hash of the boot id, each a little-endian
/// u64. A page of an earlier boot holds no lease: its clock began anew.
public final class LeasePage: @unchecked Sendable {
    // Every field is reached by atomic loads and stores; the mapping itself never changes until deinit.
    private static let byteCount = 4096
    private static let magic: UInt64 = 0x5357_4c45_4153_4531  // SWLEASE1
    private static let deadlineWord = 2
    private static let bootWord = 3
    private let words: UnsafeMutablePointer<UInt64>

    /// Opens the page in `path`, or makes one whose lease has never begun.
    public init(path: String) throws(HostError) {
        let file = try HostFiles.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        if ftruncate(file, off_t(Self.byteCount)) < 0 {
            throw .system(operation: "ftruncate", path: path, errorNumber: errno)
        }
        guard let memory = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
            memory != MAP_FAILED
        else { throw .system(operation: "mmap", path: path, errorNumber: errno) }
        words = memory.bindMemory(to: UInt64.self, capacity: Self.byteCount / 8)
        let found = clinux_atomic_load(words)
        guard found == 0 || found == Self.magic else {
            munmap(memory, Self.byteCount)
            throw .notOurs(path: path)
        }
        let boot = try HostBoot.identity().hash
        if found == 0 || clinux_atomic_load(words + Self.bootWord) != boot {
            clinux_atomic_store(words + Self.deadlineWord, 0)
            clinux_atomic_store(words + Self.bootWord, boot)
            clinux_atomic_store(words + 1, 1)
            clinux_atomic_store(words, Self.magic)
        }
    }

    deinit { munmap(words, Self.byteCount) }

    /// The lease holds until then, on the clock of `HostClock.sinceBoot`; zero before the first extension.
    public var deadline: Instant {
        Instant(nanoseconds: Int64(truncatingIfNeeded: clinux_atomic_load(words + Self.deadlineWord)))
    }

    /// Moves the deadline on. An earlier one than it has is ignored: a lease once given is not taken back here.
    public func extend(to deadline: Instant) {
        guard deadline > self.deadline else { return }
        clinux_atomic_store(words + Self.deadlineWord, UInt64(bitPattern: deadline.nanoseconds))
    }

    /// What was given for the absence of a daemon is taken back: the lease ends then, if not before.
    public func shorten(to deadline: Instant) {
        guard deadline < self.deadline else { return }
        clinux_atomic_store(words + Self.deadlineWord, UInt64(bitPattern: deadline.nanoseconds))
    }

    /// The node has no lease any more (it left the mesh): what may be replaced freezes at once.
    public func revoke() { clinux_atomic_store(words + Self.deadlineWord, 0) }

    public func holds(at now: Instant) -> Bool { now < deadline }
}
