import Codec
import Foundation
import GPUBackend
import Glibc
import Mesh
import Scheduler
import Testing

@testable import Node

/// What a daemon of root makes, reads and gives away on behalf of a job's user.
@Suite("Directories that a job can write in")
struct JobDirectoryTests {
    private let root: String
    private let nobody = JobUser(user: 65534, group: 65534)

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("jobdir-\(UUID().uuidString)").path
        let directory = DataDirectory(path: root + "/data")
        try FileManager.default.createDirectory(atPath: directory.work, withIntermediateDirectories: true)
    }

    private func plan(checkpoint: String, uid: UInt32 = 1000) throws -> AttemptPlan {
        let key = AttemptKey(job: 7, task: 0, attempt: 1)
        let job = JobSpec(
            name: "job", command: ["true"], user: "somebody", uid: uid,
            checkpoint: CheckpointPolicy(directory: checkpoint), submitNode: NodeID(1))
        let attempt = Attempt(number: 1, node: NodeID(1), cpuMillis: 1_000, memoryBytes: 1 << 20, placedAt: 0)
        return AttemptPlan(
            key: key, job: job, attempt: attempt, directory: DataDirectory(path: root + "/data"), nodeName: "n1",
            gpus: [])
    }

    private func owner(_ path: String) throws -> UInt32 {
        var facts = stat()
        try #require(lstat(path, &facts) == 0)
        return facts.st_uid
    }

    @Test("a checkpoint directory in the working directory is made for the job's user")
    func inside() throws {
        let plan = try plan(checkpoint: "out/ckpt")
        let user: JobUser? = geteuid() == 0 ? nobody : nil
        _ = try JobDirectory.makeWorking(of: plan, owner: user)
        #expect(try JobDirectory.checkpoint(of: plan, user: user) == nil)
        _ = try JobDirectory.makeCheckpoint(of: plan, user: user)
        #expect(try owner(plan.workingDirectory + "/out/ckpt") == user?.user ?? geteuid())
        #expect(try JobDirectory.checkpoint(of: plan, user: user) != nil)
    }

    @Test("an error names the directory, not the number that it is open under")
    func naming() throws {
        let plan = try plan(checkpoint: "ckpt")
        let working = try JobDirectory.makeWorking(of: plan, owner: nil)
        let error = working.naming(TransferError.disk(path: working.path + "/a", operation: "writing", reason: "full"))
        let named = TransferError.disk(path: plan.workingDirectory + "/a", operation: "writing", reason: "full")
        #expect(error as? TransferError == named)
    }

    @Test("a link in the working directory leads nowhere")
    func link() throws {
        let plan = try plan(checkpoint: "ckpt/deep")
        _ = try JobDirectory.makeWorking(of: plan, owner: nil)
        let elsewhere = root + "/elsewhere"
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: plan.workingDirectory + "/ckpt", withDestinationPath: elsewhere)
        #expect(throws: NodeError.self) { try JobDirectory.makeCheckpoint(of: plan, user: nil) }
        #expect(throws: NodeError.self) { try JobDirectory.checkpoint(of: plan, user: nil) }
        #expect(!FileManager.default.fileExists(atPath: elsewhere + "/deep"))
    }

    @Test("a path that climbs out of the working directory is refused", arguments: ["..", "a/../../b", "../../etc"])
    func climbing(_ path: String) throws {
        let plan = try plan(checkpoint: path)
        _ = try JobDirectory.makeWorking(of: plan, owner: nil)
        #expect(throws: NodeError.self) { try JobDirectory.makeCheckpoint(of: plan, user: nil) }
    }

    @Test(
        "root makes nothing for a user below a directory of somebody else's",
        .enabled(if: geteuid() == 0, "needs root, who else could"))
    func foreign() throws {
        let foreign = root + "/roots"
        try FileManager.default.createDirectory(atPath: foreign, withIntermediateDirectories: true)
        for path in [foreign, foreign + "/new", "/etc/swarmlet-never/x"] {
            let plan = try plan(checkpoint: path)
            #expect(throws: NodeError.self) { try JobDirectory.makeCheckpoint(of: plan, user: nobody) }
        }
        #expect(!FileManager.default.fileExists(atPath: foreign + "/new"))
        #expect(!FileManager.default.fileExists(atPath: "/etc/swarmlet-never"))
    }

    @Test(
        "a directory of the user's own is used, and a missing one is made below it",
        .enabled(if: geteuid() == 0, "needs root, who else could"))
    func own() throws {
        let own = root + "/own"
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        try #require(chown(own, nobody.user, nobody.group) == 0)
        _ = try JobDirectory.makeCheckpoint(of: try plan(checkpoint: own), user: nobody)
        _ = try JobDirectory.makeCheckpoint(of: try plan(checkpoint: own + "/a/b"), user: nobody)
        #expect(try owner(own + "/a/b") == nobody.user)
    }

    @Test(
        "nobody but root has its job run as another user", .enabled(if: geteuid() == 0, "needs root to run as anybody"))
    func runAs() throws {
        var spec = try plan(checkpoint: "ckpt").job
        spec.runAs = "nobody"
        let plan = try plan(checkpoint: "ckpt")
        let other = AttemptPlan(
            key: plan.key, job: spec, attempt: plan.attempt, directory: plan.directory, nodeName: "n1", gpus: [])
        #expect(throws: NodeError.self) { try other.user() }
        spec.uid = 0
        let asked = AttemptPlan(
            key: plan.key, job: spec, attempt: plan.attempt, directory: plan.directory, nodeName: "n1", gpus: [])
        #expect(try asked.user() != nil)
    }
}
