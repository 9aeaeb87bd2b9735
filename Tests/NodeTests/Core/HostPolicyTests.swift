import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What the owner of a host lets jobs do")
struct HostPolicyTests {
    private func refusal(_ source: String, writable: Bool = false, allowed: [String]) -> String? {
        let policy = HostPolicy(mounts: allowed.compactMap(HostPolicy.AllowedMount.init))
        return policy.refusal(
            of: MountRequest(source: source, target: source, isWritable: writable), hidden: ["/var/lib/swarmlet"])
    }

    @Test("nothing is mounted unless its owner said so")
    func nothing() {
        #expect(refusal("/data", allowed: []) == "the owner of the host lets jobs mount nothing")
        #expect(refusal("/home/ana", allowed: ["/data"])?.contains("lets jobs mount /data") == true)
    }

    @Test("what was allowed is allowed with everything below it, and only to be read unless it says rw")
    func allowed() {
        for source in ["/data", "/data/sets/a"] { #expect(refusal(source, allowed: ["/data"]) == nil) }
        #expect(refusal("/data/a", writable: true, allowed: ["/data"])?.contains("read it only") == true)
        #expect(refusal("/data/a", writable: true, allowed: ["/data", "/data/a:rw"]) == nil)
        #expect(refusal("/data/b", writable: true, allowed: ["/data", "/data/a:rw"]) != nil)
        #expect(refusal("/scratch", writable: true, allowed: ["/:rw"]) == nil)
    }

    @Test("a name that only begins alike is another place", arguments: ["/database", "/data2/x", "/dat"])
    func prefixes(_ source: String) { #expect(refusal(source, allowed: ["/data"]) != nil) }

    @Test(
        "the daemon's own is never mounted, nor what holds it, whatever is allowed",
        arguments: ["/var/lib/swarmlet", "/var/lib/swarmlet/keys", "/var/lib", "/var"])
    func daemons(_ source: String) {
        #expect(refusal(source, allowed: ["/:rw"])?.contains("belongs to the daemon") == true)
    }

    @Test(
        "a path that has to be guessed at is none", arguments: ["", "data", "/a/../b", "/a/./b", "..", "/..", "/a\0b"])
    func paths(_ path: String) {
        #expect(HostPolicy.plain(path) == nil)
        #expect(HostPolicy.AllowedMount(path) == nil)
    }

    @Test("slashes too many do not matter, and the mode is read")
    func text() {
        #expect(HostPolicy.plain("//a//b/") == "/a/b")
        #expect(HostPolicy.AllowedMount("/a/:rw")?.text == "/a:rw")
        #expect(HostPolicy.AllowedMount("/a")?.isWritable == false)
    }

    @Test("a request that no host could ever grant is refused before a host is found for it")
    func requests() throws {
        func checked(_ sandbox: SandboxSpec, runAs: String? = nil) throws -> SandboxSpec? {
            var spec = JobSpec(name: "j", command: ["true"], user: "ana", runAs: runAs, submitNode: NodeID(1))
            spec.sandbox = sandbox
            try SandboxCheck.check(&spec)
            return spec.sandbox
        }
        let mount = MountRequest(source: "/a", target: "/b", isWritable: true)
        #expect(try checked(SandboxSpec()) == nil)
        #expect(try checked(SandboxSpec(profile: .strict, mounts: [mount])) != nil)
        for bad in [
            SandboxSpec(profile: SandboxProfile.none, network: .off),
            SandboxSpec(profile: SandboxProfile.none, mounts: [mount]),
            SandboxSpec(mounts: [MountRequest(source: "/a/../b", target: "/b", isWritable: false)]),
            SandboxSpec(mounts: [MountRequest(source: "/a", target: "/", isWritable: false)]),
            SandboxSpec(mounts: [MountRequest(source: "a", target: "/a", isWritable: false)]),
            SandboxSpec(mounts: Array(repeating: mount, count: 17)),
        ] { #expect(throws: NodeError.self) { try checked(bad) } }
        #expect(throws: NodeError.self) { try checked(SandboxSpec(profile: .strict), runAs: "ana") }
    }
}
