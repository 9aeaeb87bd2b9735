import CLinux
import Foundation
import Testing

@testable import GPUBackend

@Suite("What a job may ask of the kernel")
struct SystemCallFilterTests {
    /// What becomes of a call.
    enum Verdict: Equatable {
        case allowed, killed
        case refused(Int32)
    }

    #if arch(x86_64)
        private static let ownArchitecture: UInt32 = 0xC000_003E
        private static let others: [UInt32] = [0x4000_0003, 0xC000_00B7]
        private static let read = UInt32(0)
        private static let call: [String: UInt32] = [
            "clone": 56, "ioctl": 16, "socket": 41, "socketpair": 53, "personality": 135, "unshare": 272, "setns": 308,
            "ptrace": 101, "process_vm_readv": 310, "kcmp": 312, "mount": 165, "umount2": 166, "pivot_root": 155,
            "chroot": 161, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "add_key": 248,
            "request_key": 249, "kexec_load": 246, "init_module": 175, "open_by_handle_at": 304, "syslog": 103,
            "swapon": 167, "reboot": 169, "settimeofday": 164, "iopl": 172, "sethostname": 170, "acct": 163,
            "quotactl": 179, "execve": 59, "fork": 57, "futex": 202, "mmap": 9, "connect": 42,
        ]
    #else
        private static let ownArchitecture: UInt32 = 0xC000_00B7
        private static let others: [UInt32] = [0x4000_0028, 0xC000_003E]
        private static let read = UInt32(63)
        private static let call: [String: UInt32] = [
            "clone": 220, "ioctl": 29, "socket": 198, "socketpair": 199, "personality": 92, "unshare": 97, "setns": 268,
            "ptrace": 117, "process_vm_readv": 270, "kcmp": 272, "mount": 40, "umount2": 39, "pivot_root": 41,
            "chroot": 51, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "keyctl": 219, "add_key": 217,
            "request_key": 218, "kexec_load": 104, "init_module": 105, "open_by_handle_at": 265, "syslog": 116,
            "swapon": 224, "reboot": 142, "settimeofday": 170, "sethostname": 161, "acct": 89, "quotactl": 60,
            "execve": 221, "futex": 98, "mmap": 222, "connect": 203,
        ]
    #endif

    private static let filters: [SandboxPlan.Filter] = [.strict, .standard]

    /// Runs the program as the kernel would (`struct seccomp_data`: number, architecture, address, six arguments).
    private func verdict(
        _ filter: SandboxPlan.Filter, _ number: UInt32, _ arguments: [UInt64] = [],
        architecture: UInt32 = Self.ownArchitecture
    ) -> Verdict {
        var data = [number, architecture, 0, 0]
        for index in 0..<6 {
            let argument = index < arguments.count ? arguments[index] : 0
            data += [UInt32(truncatingIfNeeded: argument), UInt32(truncatingIfNeeded: argument >> 32)]
        }
        let program = SystemCallFilter.program(filter)
        var accumulator: UInt32 = 0
        var next = 0
        while true {
            let instruction = program[next]
            next += 1
            var condition: Bool?
            switch instruction.code {
            case 0x20: accumulator = data[Int(instruction.k) / 4]
            case 0x54: accumulator &= instruction.k
            case 0x05: next += Int(instruction.k)
            case 0x15: condition = accumulator == instruction.k
            case 0x35: condition = accumulator >= instruction.k
            case 0x45: condition = accumulator & instruction.k != 0
            default:
                #expect(instruction.code == 0x06)
                switch instruction.k & 0xFFFF_0000 {
                case 0x7FFF_0000: return .allowed
                case 0x0005_0000: return .refused(Int32(instruction.k & 0xFFFF))
                default: return .killed
                }
            }
            if let condition { next += Int(condition ? instruction.jt : instruction.jf) }
        }
    }

    private func verdict(_ filter: SandboxPlan.Filter, _ name: String, _ arguments: [UInt64] = []) throws -> Verdict {
        verdict(filter, try #require(Self.call[name]), arguments)
    }

    @Test("every number has an answer, and of the newest the one of a kernel that does not have it", arguments: filters)
    func complete(_ filter: SandboxPlan.Filter) {
        for number in UInt32(0)..<1_000 where verdict(filter, number) == .killed { Issue.record("\(number) kills") }
        for number in UInt32(457)..<1_000 { #expect(verdict(filter, number) == .refused(ENOSYS)) }
        #expect(verdict(filter, UInt32.max) == .refused(ENOSYS))
    }

    @Test("calls of another architecture end the job, those of x32 are not there", arguments: filters)
    func architectures(_ filter: SandboxPlan.Filter) {
        for other in Self.others { #expect(verdict(filter, Self.read, architecture: other) == .killed) }
        #expect(verdict(filter, Self.read) == .allowed)
        #expect(verdict(filter, 0x4000_0000 | Self.read) == .refused(ENOSYS))
    }

    @Test("what programs live on is allowed", arguments: filters)
    func ordinary(_ filter: SandboxPlan.Filter) throws {
        for name in ["execve", "futex", "mmap", "connect"] { #expect(try verdict(filter, name) == .allowed, "\(name)") }
    }

    @Test(
        "what reaches other jobs, the kernel or the host is refused",
        arguments: filters,
        [
            "setns", "mount", "umount2", "pivot_root", "chroot", "bpf", "perf_event_open", "userfaultfd", "keyctl",
            "add_key", "request_key", "kexec_load", "init_module", "open_by_handle_at", "syslog", "swapon", "reboot",
            "settimeofday", "sethostname", "acct", "quotactl",
        ])
    func refused(_ filter: SandboxPlan.Filter, _ name: String) throws {
        #expect(try verdict(filter, name) == .refused(EPERM))
    }

    @Test("debuggers work for members and not for strangers", arguments: ["ptrace", "process_vm_readv", "kcmp"])
    func debuggers(_ name: String) throws {
        #expect(try verdict(.strict, name) == .refused(EPERM))
        #expect(try verdict(.standard, name) == .allowed)
    }

    @Test("threads and processes are made, namespaces are not, by no call", arguments: filters)
    func namespaces(_ filter: SandboxPlan.Filter) throws {
        // Of a thread of the C library, and of vfork.
        for flags: UInt64 in [0x3D_0F00, 0x4111, 17] { #expect(try verdict(filter, "clone", [flags]) == .allowed) }
        for flag: UInt64 in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            #expect(try verdict(filter, "clone", [flag | 17]) == .refused(EPERM))
            #expect(try verdict(filter, "unshare", [flag]) == .refused(EPERM))
        }
        #expect(try verdict(filter, "unshare", [0x400]) == .allowed)
        // A C library then falls back to clone, which can be looked into.
        #expect(verdict(filter, 435) == .refused(ENOSYS))
    }

    @Test("nobody types into the terminal that a job came from", arguments: filters)
    func terminals(_ filter: SandboxPlan.Filter) throws {
        #expect(try verdict(filter, "ioctl", [0, 0x5412]) == .refused(EPERM))
        #expect(try verdict(filter, "ioctl", [0, 0x541C]) == .refused(EPERM))
        // The kernel takes the lower half only: the upper one must not make it another.
        #expect(try verdict(filter, "ioctl", [0, 0xFFFF_FFFF_0000_5412]) == .refused(EPERM))
        #expect(try verdict(filter, "ioctl", [0, 0x5413]) == .allowed)
    }

    @Test("sockets are those of this host and of the internet", arguments: filters)
    func sockets(_ filter: SandboxPlan.Filter) throws {
        for (family, kind, number): (UInt64, UInt64, UInt64) in [
            (1, 1, 0), (2, 1, 0), (2, 2, 17), (10, 1, 6), (2, 0x80801, 0), (16, 3, 0), (16, 0x80003, 0),
        ] {
            #expect(try verdict(filter, "socket", [family, kind, number]) == .allowed, "\(family) \(kind) \(number)")
        }
        // Packets, virtual machines, crypto, Bluetooth, XDP, and netlink but for routes.
        for (family, number): (UInt64, UInt64) in [
            (17, 3), (40, 0), (38, 0), (31, 0), (44, 0), (16, 2), (16, 10), (16, 9), (16, 15),
        ] {
            #expect(
                try verdict(filter, "socket", [family, 3, number]) == .refused(EAFNOSUPPORT), "\(family) \(number)")
        }
        // Landlock does not see Multipath TCP; raw sockets forge senders.
        #expect(try verdict(filter, "socket", [2, 1, 262]) == .refused(EPROTONOSUPPORT))
        #expect(try verdict(filter, "socket", [2, 3, 1]) == .refused(EPERM))
        #expect(try verdict(filter, "socket", [2, 0x80003, 1]) == .refused(EPERM))
        #expect(try verdict(filter, "socketpair", [1, 1, 0]) == .allowed)
        #expect(try verdict(filter, "socketpair", [30, 1, 0]) == .refused(EAFNOSUPPORT))
    }

    @Test("another personality than the ordinary one is refused", arguments: filters)
    func personality(_ filter: SandboxPlan.Filter) throws {
        for allowed: UInt64 in [0, 0xFFFF_FFFF, 0x4_0000] {
            #expect(try verdict(filter, "personality", [allowed]) == .allowed)
        }
        #expect(try verdict(filter, "personality", [0x40_0000]) == .refused(EPERM))
    }

    @Test("a place that is too small for the program is said to be", arguments: [0, 1, 40])
    func capacity(_ capacity: Int) {
        let place = UnsafeMutablePointer<sock_filter>.allocate(capacity: 41)
        defer { place.deallocate() }
        #expect(clinux_filter_program(0, place, capacity) == 0)
    }
}
