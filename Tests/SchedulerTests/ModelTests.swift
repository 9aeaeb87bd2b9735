import Codec
import Testing

@testable import Scheduler

struct ModelTests {
    static let gpu = GPU(index: 1, uuid: "GPU-1", model: "RTX 4090", memoryBytes: 24_564 << 20, simulated: true)
    static let node = NodeRecord(
        id: NodeID(3), name: "lynx", identityKey: Bytes([1, 2]), noiseKey: Bytes([3]), role: .worker,
        labels: [Label(name: "rack", value: "a")], addresses: ["192.168.1.12:7717"],
        capacity: Capacity(cpuMillis: 24_000, memoryBytes: 63 << 30, gpus: [gpu], closed: "its owner is there"),
        admittedAt: 7,
        presence: .lost(since: -5), version: "0.1.0", drain: DrainOrder(kind: .cordon, since: 3, by: "sam"),
        revocation: Revocation(at: 4, by: "sam"))
    static let spec = JobSpec(
        name: "gpt", command: ["python3", "train.py"], environment: [Label(name: "A", value: "b")], user: "ana",
        uid: 1000, gid: 1000, runAs: "ml", resources: Resources(memoryBytes: 1, gpus: 2, gpuMemoryBytes: 3), tasks: 5,
        timeLimitMilliseconds: 9, retry: .never, checkpoint: CheckpointPolicy(directory: "ckpt"), outputs: ["*.pt"],
        workingTree: .zero, submitNode: NodeID(1), allowPending: true, isArray: true,
        guest: StateUnderTest.pass(of: "n", request: 1, uses: 2))
    static let key = AttemptKey(job: 4, task: 2, attempt: 3)
    static let outcomes: [Outcome] = [
        .exited(3), .signalled(9), .outOfMemory(limitBytes: 7), .timeLimit, .commandNotFound(path: "/bin"),
        .commandNotExecutable(reason: "no x"), .hostFailed(code: "host.full", message: "m"), .lost, .cancelled,
        .returned, .moved, .gangEnded,
    ]
    static let commands: [Command] = [
        .configure(key: "user.x", value: "1", by: "ana"), .configure(key: "user.x", value: nil, by: "ana"),
        .found(meshName: "lab", meshKeyID: "k4.pid.x", meshKey: Bytes([9]), node: node),
        .admit(node, invitation: InvitationUse(jti: "7c1e", uses: 2, expires: 8, issuer: "ana")),
        .admit(node, invitation: InvitationUse(jti: "7c1e", uses: 2, expires: 8, issuer: "ana", epoch: 9)),
        .admit(node, invitation: nil),
        .knock(Knock(name: "n", identityKey: Bytes([1]), noiseKey: Bytes([2]), capacity: node.capacity)),
        .approve("n"), .updateNode(NodeID(2), addresses: [], capacity: node.capacity, version: "2"),
        .nodeLost(NodeID(1)), .nodeReturned(NodeID(1)), .removeNode(NodeID(9)), .submit(spec),
        .place([
            Placement(
                attempt: key, node: NodeID(3), gpus: [0, 1], cpuMillis: 1000, memoryBytes: 4, resumeFrom: 2)
        ]),
        .report(
            NodeID(2),
            [
                AttemptReport(attempt: key, kind: .preparing, at: 1),
                AttemptReport(attempt: key, kind: .running, at: 2),
            ] + outcomes.map { AttemptReport(attempt: key, kind: .ended($0), at: 3) }),
        .report(
            NodeID(2),
            [
                AttemptReport(
                    attempt: key, kind: .ended(.exited(0)), at: 4,
                    usage: AttemptUsage(
                        cpuMicroseconds: 1, peakMemoryBytes: 2, readBytes: 3, writtenBytes: 4, source: .groupVersion2))
            ]),
        .pause(4, by: "ana"), .pause(4, by: nil),
        .cancel(4, by: "ana"),
        .checkpoint(key, Checkpoint(number: 1, attempt: 3, tree: .zero, bytes: 5, holders: [NodeID(1)])),
        .holders(job: 4, task: 2, checkpoint: 1, added: NodeID(5)),
        .results(key, ResultFiles(tree: .zero, bytes: 1, files: 2, holders: [])), .treeHeld(tree: .zero, by: NodeID(2)),
        .tick, .standDown(NodeID(3), true), .recovered(epoch: 2),
        .recovered(epoch: 2, tokenEpoch: 1_763_733_600), .raiseLevel(3),
        .levels(NodeID(3), ProtocolLevels(lowest: 1, highest: 2)),
        .drain(NodeID(3), DrainOrder(kind: .drain, patience: 9, by: "sam", reason: "driver")), .drain(NodeID(3), nil),
        .issueToken(
            TokenRecord(
                name: "n", issuer: "k4.pid.x", madeBy: "ana on owl", allows: "run", uses: 2, issuedAt: 1, expires: 2,
                starts: [TokenRecord.Start(job: 1, request: Bytes([1]), holder: "k4.pid.y", at: 3)])),
        .issueToken(
            TokenRecord(
                name: "n", issuer: "k4.pid.x", madeBy: "ana on owl", uses: 2, issuedAt: 1, expires: 2, root: .zero,
                signed: TokenRecord.Signed(holder: "k4.pid.y", at: 5, epoch: 6))),
        .revokeToken(TokenRevocation(.token("n"), by: "ana", at: 3)),
        .revokeToken(TokenRevocation(.holder("k4.pid.y"), by: "ana")),
        .revokeToken(TokenRevocation(.issuer("k4.pid.x"), by: "ana", issuedBefore: 5)),
        .addIssuer(
            IssuerRecord(id: "k4.pid.x", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 60, by: "ana", at: 4)),
        .addIssuer(
            IssuerRecord(
                id: "k4.pid.x", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 60, by: "ana", at: 4,
                ttlSeconds: 3_600, expires: 5)),
        .raiseTokenEpoch(by: "ana"), .rotateKey(RotationTests.rotation(to: 11)),
        .rotateMeshKey(MeshKeyRotationTests.rotation(to: 2)),
        .rotateIssuer(
            "k4.pid.x",
            IssuerRecord(id: "k4.pid.y", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 60, by: "ana", at: 4)),
        .revoke(NodeID(3), by: "sam"), .label(NodeID(3), set: [Label(name: "rack", value: "b")], removed: ["gpu"]),
        .moveGang(key), .absent(NodeID(3), Absence(id: .max, nanoseconds: 5, since: 7)), .back(NodeID(3), absence: 9),
        .rankReady(key, nil), .rankReady(key, MeetingPoint(address: "10.0.0.1", port: 21_000)),
    ]

    @Test("an entry is the same after encoding and decoding", arguments: commands.indices)
    func roundTrip(index: Int) throws {
        let command = Self.commands[index]
        let entry = Entry(request: RequestID(high: 1, low: .max), time: -1, command: command)
        #expect(try Entry(encoded: entry.encoded()) == entry)
    }

    @Test("a job of a newer version keeps the keys we do not know")
    func unknownKeys() throws {
        var newer = try CBOR.decode(Self.spec.encoded()).requireMap()
        newer[900] = .text("later")
        let spec = try JobSpec(cbor: .map(newer))
        #expect(spec.unknown == newer.without(0...100))
        #expect(spec.cbor == .map(newer))
    }

    @Test("a command of a newer version is kept as it came")
    func unknownCommand() throws {
        var map = CBORMap()
        map.set(0, UInt64(77))
        map.set(1, "later")
        #expect(try Command(cbor: .map(map)) == .unrecognised(.map(map)))
        #expect(Command.unrecognised(.map(map)).cbor == .map(map))
    }

    @Test("a card counts by the size it is sold by")
    func marketedSize() {
        #expect(Self.gpu.marketedMemoryBytes == 24 << 30)
        #expect(GPU(index: 0, uuid: "", model: "", memoryBytes: 24 << 30).marketedMemoryBytes == 24 << 30)
    }

    @Test("outcomes map to the exit codes of a shell")
    func exitCodes() {
        #expect(Self.outcomes.map(\.exitCode) == [3, 137, 137, 124, 127, 126, 125, 75, 130, 75, 75, 75])
        #expect(Outcome.exited(-1).exitCode == 255)
    }
}
