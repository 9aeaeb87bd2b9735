import Codec
import Scheduler
import Testing

@testable import GPUBackend

@Suite("The plan of a sandbox")
struct SandboxPlanTests {
    private static let work = "/var/lib/swarmlet/work/7.0.1"
    private static let host: HostLayout = {
        var layout = HostLayout(landlockVersion: 7, entries: [:])
        for path in ["/usr", "/opt", "/tmp", "/var/tmp", "/run", "/etc/alternatives"] {
            layout.entries[path] = .directory
        }
        for path in ["/bin", "/lib"] { layout.entries[path] = .link("usr" + path) }
        for path in HostLayout.devices + ["/etc/ld.so.cache", "/etc/hosts"] { layout.entries[path] = .file }
        layout.entries["/etc/resolv.conf"] = .link("../run/systemd/resolve/stub-resolv.conf")
        layout.entries["/run/systemd/resolve/stub-resolv.conf"] = .file
        return layout
    }()

    private func plan(
        _ profile: SandboxProfile, network: Bool = false, hidden: [String] = ["/var/lib/swarmlet"],
        mounts: [MountRequest] = [], devices: [String] = [], user: UInt32 = 1_000, isolation: Isolation? = nil,
        landlock: Int = 7, change: (inout AttemptSpec) -> Void = { _ in }
    ) -> SandboxPlan {
        let sandbox = AttemptSandbox(
            profile: profile, network: network ? .on : .off, hidden: hidden, mounts: mounts, devices: devices)
        var spec = AttemptSpec(
            key: AttemptKey(job: 7, task: 0, attempt: 1), arguments: ["true"], environment: [],
            workingDirectory: Self.work, user: JobUser(user: user, group: user),
            isolation: isolation ?? (profile == .strict ? .userNamespace : .namespaces), sandbox: sandbox, logPath: "/l"
        )
        change(&spec)
        var host = Self.host
        host.landlockVersion = landlock
        return SandboxPlanner(spec, sandbox, on: host).plan
    }

    private func trees(_ plan: SandboxPlan) -> [(source: String, rights: SandboxPlan.TreeRights)] {
        plan.steps.compactMap {
            guard case .tree(let source, _, let rights) = $0 else { return nil }
            return (source, rights)
        }
    }

    @Test("of the host, only the job's own directories are writable", arguments: [SandboxProfile.standard, .strict])
    func writable(_ profile: SandboxProfile) {
        let plan = plan(profile) { $0.writableDirectories = ["/scratch/ckpt"] }
        #expect(trees(plan).filter { $0.rights.contains(.writable) }.map(\.source) == ["/scratch/ckpt", Self.work])
        #expect(plan.steps.last?.target == Self.work)
    }

    @Test("a strict root begins empty, and of the host it has programs and settings without people")
    func strictRoot() {
        let plan = plan(.strict)
        guard case .own = plan.root else {
            Issue.record("the root of the host")
            return
        }
        let sources = trees(plan).map(\.source)
        #expect(
            sources == ["/usr", "/opt", "/etc/alternatives", "/etc/ld.so.cache"] + HostLayout.devices + [Self.work])
        #expect(plan.steps.contains(.link(target: "/bin", to: "usr/bin")))
        let written = plan.steps.compactMap { step -> String? in
            if case .file(let target, _) = step { target } else { nil }
        }
        #expect(written == ["/etc/nsswitch.conf", "/etc/hosts", "/etc/passwd", "/etc/group"])
        #expect(!plan.steps.contains { $0.target.hasPrefix("/sys") || $0.target.hasPrefix("/home") })
        #expect(plan.hasSingleUser && plan.hasOwnNetwork && plan.hostName == "swarmlet")
    }

    @Test("a standard root is the host's, with its sockets, its devices and its temporary files covered")
    func standardRoot() throws {
        let plan = plan(.standard, network: true)
        #expect(plan.root == .host && !plan.hasOwnNetwork && !plan.hasSingleUser && plan.hostName == nil)
        let memory = plan.steps.compactMap { step -> String? in
            if case .memory(let target, _) = step { target } else { nil }
        }
        #expect(memory == ["/dev", "/dev/shm", "/tmp", "/var/tmp", "/run", "/var/lib/swarmlet"])
        let run = try #require(plan.steps.firstIndex { $0.target == "/run" })
        let resolver = try #require(plan.steps.firstIndex { $0.target == "/run/systemd/resolve/stub-resolv.conf" })
        #expect(run < resolver)
    }

    @Test(
        "a strict root begins with what is the same for all attempts with a network of their own, and that is nothing of theirs"
    )
    func commonSteps() {
        let first = plan(.strict)
        let common = first.steps.prefix(first.commonCount)
        #expect(common.count > 20 && common.count < first.steps.count)
        let others = [
            plan(.strict, user: 2_000), plan(.strict, hidden: ["/opt/secrets"], devices: ["/dev/nvidia0"]),
            plan(.strict, mounts: [MountRequest(source: "/data", target: "/data", isWritable: true)]),
            proxied(.on), proxied(.setupOnly),
            plan(.strict) { spec in
                spec.memoryBytes = 1 << 30
                spec.workingDirectory = "/var/lib/swarmlet/work/8.1.2"
                spec.writableDirectories = ["/scratch"]
            },
        ]
        for other in others {
            #expect(other.commonCount == first.commonCount && other.steps.prefix(other.commonCount) == common)
        }
        #expect(plan(.strict, network: true).steps.prefix(first.commonCount) != common)
        #expect(plan(.standard).commonCount == 0)
    }

    @Test("what is hidden is covered before the job's own directory is put into it")
    func hiddenBeforeOwn() throws {
        let plan = plan(.standard, hidden: ["/var/lib/swarmlet", "/home/ana/.ssh"])
        let cover = try #require(plan.steps.firstIndex { $0.target == "/var/lib/swarmlet" })
        let own = try #require(plan.steps.firstIndex { $0.target == Self.work })
        #expect(cover < own)
        #expect(plan.steps.contains(.hide("/home/ana/.ssh")))
    }

    @Test("what lies where nothing of the host is to be seen need not be hidden")
    func hiddenAnyway() {
        let standard = plan(.standard, hidden: ["/tmp/mesh", "/run/secrets", "/tmp"])
        #expect(!standard.steps.contains { $0.target == "/tmp/mesh" || $0.target == "/run/secrets" })
        #expect(standard.steps.filter { $0.target == "/tmp" }.count == 1)
        let strict = plan(.strict, hidden: ["/var/lib/swarmlet", "/opt/secrets"])
        #expect(!strict.steps.contains { $0.target == "/var/lib/swarmlet" })
        #expect(strict.steps.contains(.hide("/opt/secrets")))
    }

    @Test("the kernel's controls are read-only for whoever might be root, and for strangers")
    func kernelControls() {
        #expect(plan(.standard, user: 0).steps.contains(.readOnly("/proc/sys")))
        #expect(plan(.standard) { $0.user = nil }.steps.contains(.readOnly("/proc/sys")))
        #expect(plan(.strict).steps.contains(.readOnly("/proc/sys")))
        #expect(!plan(.standard).steps.contains(.readOnly("/proc/sys")))
    }

    @Test("with a network names of other hosts are found as the host finds them, without one there is nobody")
    func names() {
        #expect(trees(plan(.strict, network: true)).map(\.source).contains("/etc/resolv.conf"))
        #expect(!plan(.strict, network: true).hasOwnNetwork)
        #expect(!trees(plan(.strict)).map(\.source).contains("/etc/resolv.conf"))
        #expect(plan(.standard, network: false).hasOwnNetwork)
    }

    private func networked(_ profile: SandboxProfile, _ network: NetworkAccess, mesh: [String]? = nil) -> SandboxPlan {
        let sandbox = AttemptSandbox(
            profile: profile, network: network, hidden: ["/var/lib/swarmlet"], meshAddresses: mesh)
        let spec = AttemptSpec(
            key: AttemptKey(job: 7, task: 0, attempt: 1), arguments: ["true"], environment: [],
            workingDirectory: Self.work, user: JobUser(user: 1_000, group: 1_000), isolation: .userNamespace,
            sandbox: sandbox, setup: ["/bin/sh"], logPath: "/l")
        return SandboxPlanner(spec, sandbox, on: Self.host).plan
    }

    private func proxied(_ network: NetworkAccess) -> SandboxPlan {
        networked(.strict, network, mesh: ["10.0.0.2:7717"])
    }

    @Test("a network for the setup alone is that of the host until the setup has ended")
    func networkOfSetup() {
        let plan = networked(.standard, .setupOnly)
        #expect(!plan.hasOwnNetwork && plan.hasNetworkForSetup && plan.proxyPort == nil)
        #expect(!networked(.standard, .off).hasNetworkForSetup && !networked(.standard, .on).hasNetworkForSetup)
    }

    @Test("who has a proxy has a network of its own, and nobody else in it to ask for names")
    func proxy() {
        let plan = proxied(.on)
        #expect(plan.hasOwnNetwork && plan.proxyPort == AttemptProxy.port && !plan.hasNetworkForSetup)
        #expect(!trees(plan).map(\.source).contains("/etc/resolv.conf"))
        #expect(proxied(.setupOnly).hasOwnNetwork && proxied(.setupOnly).hasNetworkForSetup)
        let off = proxied(.off)
        #expect(off.hasOwnNetwork && off.proxyPort == nil && !off.hasNetworkForSetup)
    }

    @Test("devices are those on the list and those that were given")
    func devices() {
        for profile in [SandboxProfile.standard, .strict] {
            let given = trees(plan(profile, devices: ["/dev/nvidia0"])).filter { $0.rights.contains(.devices) }
            #expect(given.map(\.source) == HostLayout.devices + ["/dev/nvidia0"])
        }
        #expect(plan(.standard).steps.contains(.terminals) && !plan(.strict).steps.contains(.terminals))
    }

    @Test("a mount is looked up with the job's own rights, read-only unless asked otherwise")
    func mounts() throws {
        let asked = [
            MountRequest(source: "/data", target: "/in", isWritable: false),
            MountRequest(source: "/scratch", target: "/scratch", isWritable: true),
        ]
        let plan = plan(.strict, mounts: asked)
        #expect(plan.steps.contains(.tree(source: "/data", target: "/in", .asUser)))
        #expect(plan.steps.contains(.tree(source: "/scratch", target: "/scratch", [.writable, .asUser])))
        #expect(plan.rules.filter { $0.access.contains(.writeFile) }.map(\.path).contains("/scratch"))
        #expect(!plan.rules.filter { $0.access.contains(.writeFile) }.map(\.path).contains("/in"))
    }

    @Test("a mount inside the job's own directory comes after it, and its own directory is never covered")
    func mountsInside() throws {
        let asked = [
            MountRequest(source: "/data", target: Self.work + "/data", isWritable: false),
            MountRequest(source: "/other", target: Self.work, isWritable: false),
            MountRequest(source: "/var/lib", target: "/var/lib", isWritable: false),
        ]
        let steps = plan(.strict, mounts: asked).steps
        let order = steps.suffix(3).map(\.target)
        #expect(order == ["/var/lib", Self.work, Self.work + "/data"])
        #expect(steps.contains(.tree(source: Self.work, target: Self.work, .writable)))
    }

    @Test("Landlock is asked for what the running kernel knows, and no more", arguments: 0...8)
    func landlock(version: Int) {
        let plan = plan(.standard, landlock: version)
        #expect(plan.rules.isEmpty == (version == 0))
        #expect(plan.handledAccess.contains(.truncate) == (version >= 3))
        #expect(plan.handledAccess.contains(.deviceControl) == (version >= 5))
        #expect((plan.scopes != 0) == (version >= 6))
        for rule in plan.rules {
            #expect(plan.handledAccess.isSuperset(of: rule.access))
            #expect(!rule.access.contains(.makeBlockDevice) && !rule.access.contains(.makeCharacterDevice))
        }
        let everywhere = plan.rules.filter { $0.path == "/" }
        #expect(everywhere.allSatisfy { $0.access == .reading })
    }

    @Test("what is kept in memory counts against the job's memory")
    func memory() {
        let plan = plan(.strict) { $0.memoryBytes = 1 << 30 }
        #expect(plan.steps.contains(.memory(target: "/tmp", options: "mode=1777,size=1073741824")))
    }

    @Test("no core dumps in any profile; strangers have limits of their own")
    func limits() {
        #expect(plan(.standard).limits == [.coreBytes(0)])
        #expect(plan(.strict).limits.contains(.processes(4_096)))
        #expect(plan(.strict).filter == .strict && plan(.standard).filter == .standard)
    }

    @Test(
        "a rank finds the way to its gang beside whatever covers /run, read-only",
        arguments: [SandboxProfile.standard, .strict])
    func door(_ profile: SandboxProfile) throws {
        var sandbox = AttemptSandbox(profile: profile, network: .on, hidden: ["/var/lib/swarmlet"])
        let spec = AttemptSpec(
            key: AttemptKey(job: 7, task: 0, attempt: 1), arguments: ["true"], environment: [],
            workingDirectory: Self.work, user: JobUser(user: 1_000, group: 1_000), isolation: .userNamespace,
            sandbox: sandbox, logPath: "/l")
        let without = SandboxPlanner(spec, sandbox, on: Self.host).plan.steps
        #expect(!without.contains { $0.target.hasPrefix(GangDoor.place) })
        sandbox.door = GangDoor(directory: "/var/lib/swarmlet/doors/7.0.1", program: "/usr/bin/swarmlet")
        let steps = SandboxPlanner(spec, sandbox, on: Self.host).plan.steps
        #expect(
            steps.filter { !without.contains($0) } == [
                .tree(source: "/var/lib/swarmlet/doors/7.0.1", target: "/run/swarmlet/gang", []),
                .tree(source: "/usr/bin/swarmlet", target: "/run/swarmlet/swarmlet", []),
                .link(target: "/run/swarmlet/agent", to: "swarmlet"),
            ])
        let place = try #require(steps.firstIndex { $0.target.hasPrefix(GangDoor.place) })
        let covers = steps.indices.filter { ["/run", "/var/run", "/var/lib/swarmlet"].contains(steps[$0].target) }
        #expect(covers.allSatisfy { $0 < place })
    }

    @Test("a supervisor that knows of no sandbox refuses the attempt instead of running it without")
    func olderSupervisor() throws {
        let sandbox = AttemptSandbox(profile: .strict, network: .on, hidden: ["/a"], devices: ["/dev/nvidia0"])
        let spec = AttemptSpec(
            key: AttemptKey(job: 1, task: 0, attempt: 1), arguments: ["true"], environment: [], workingDirectory: "/w",
            isolation: .userNamespace, sandbox: sandbox, logPath: "/l")
        #expect(try AttemptSpec(encoded: spec.encoded()) == spec)
        var map = try spec.cbor.requireMap()
        let number: UInt64 = try map.require(11)
        #expect(throws: CodecError.self) { try Isolation(cbor: number.cbor) }
        // And the other way: a sandbox that lost its mark is refused too.
        map.set(11, UInt64(2))
        #expect(throws: CodecError.self) { try AttemptSpec(cbor: .map(map)) }
    }
}
