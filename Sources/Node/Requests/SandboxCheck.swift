import Scheduler

/// What can be said about a request for a sandbox before a host is found for it.
enum SandboxCheck {
    /// Throws where no host could ever do it; takes away what asks for nothing, which members of any version understand.
    static func check(_ spec: inout JobSpec) throws(NodeError) {
        guard let sandbox = spec.sandbox else { return }
        guard !sandbox.isEmpty else {
            spec.sandbox = nil
            return
        }
        if sandbox.profile == .strict, spec.runAs != nil { throw .runAsInProfile(.strict) }
        if sandbox.network == .setupOnly, sandbox.setup == nil {
            throw .sandboxMalformed("a network for the setup alone, and no setup command")
        }
        if sandbox.profile == .some(.none), (sandbox.network ?? .on) != .on || !sandbox.mounts.isEmpty {
            throw .sandboxMalformed("without a sandbox a job has the network and the files of its host as they are")
        }
        if sandbox.user == 0 || sandbox.group == 0, spec.uid != 0 || spec.guest != nil { throw .rootNotAsked }
        if sandbox.user != nil, sandbox.profile == .some(.none) {
            throw .sandboxMalformed("another user is one in a sandbox, and there is none")
        }
        if let image = sandbox.image {
            guard sandbox.profile != .some(.none) else {
                throw .sandboxMalformed("an image is the root of a sandbox, and there is none")
            }
            guard HostPolicy.plain(image) == image, image != "/" else {
                throw .sandboxMalformed("\(image) is no plain absolute path")
            }
        }
        guard sandbox.mounts.count <= SandboxSpec.mountsMax else {
            throw .sandboxMalformed("a job mounts at most \(SandboxSpec.mountsMax) directories")
        }
        for mount in sandbox.mounts {
            for path in [mount.source, mount.target] where HostPolicy.plain(path) != path || path == "/" {
                throw .sandboxMalformed("\(path) is no plain absolute path")
            }
        }
    }
}
