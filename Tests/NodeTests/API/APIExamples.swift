import Codec
import GPUBackend
import Mesh
import Scheduler

@testable import Node
@testable import Raft
@testable import Tokens

/// One example of every message, with every optional field set somewhere.
enum APIExamples {
    static let digest = BLAKE3.hash([1, 2, 3])
    static let label = Label(name: "rack", value: "a")
    static let gpu = GPU(index: 0, uuid: "SIM-0", model: "A100", memoryBytes: 80 << 30, simulated: true)
    static let spec = JobSpec(
        name: "gpt", command: ["python3", "train.py"], environment: [label], user: "ana", uid: 1_000, gid: 1_000,
        runAs: "ana", resources: Resources(cpuMillis: 2_000, memoryBytes: 1 << 30, gpus: 1, gpuMemoryBytes: 1 << 34),
        tasks: 3, timeLimitMilliseconds: 60_000, retry: .times(2), checkpoint: CheckpointPolicy(directory: "ckpt"),
        outputs: ["model.pt"], workingTree: digest, submitNode: NodeID(2), allowPending: true, isArray: true)
    static let failure = APIFailure(code: "job.lost", message: "lost", hint: "retry", exitCode: 75)
    static let cursor = OutputCursor(attempt: 2, place: LogCursor())
    static let results = ResultsView(tree: digest, bytes: 9, files: 1, holders: ["owl"])
    static let transfers: [TransferMessage] = [
        .offer(manifest: Manifest.empty.encoded()), .need([digest]),
        .chunk(digest, offset: 0, bytes: [1, 2, 3], isLast: true), .want([digest]), .wantManifest(digest),
        .manifest(Manifest.empty.encoded()), .done, .failed(code: "transfer.damaged", message: "damaged"),
    ]

    static let draft: AccessDraft = {
        var draft = AccessDraft(holder: key(3).publicKey, acts: .init([.run, .logs]), lifetime: 60)
        draft.scope = AccessScope(job: ["17"], path: ["a/**"], node: ["owl"], label: ["rack=a"])
        draft.limits = AccessLimits([.gpu: 1, .network: 2])
        return draft
    }()
    static let tokens = TokensView(
        tokens: [
            TokenRecord(
                name: "n", issuer: "k4.pid.x", madeBy: "ana on owl", allows: "run", uses: 2, issuedAt: 1, expires: 2,
                starts: [TokenRecord.Start(job: 1, request: Bytes([1]), holder: "k4.pid.y", at: 3)])
        ],
        revocations: [TokenRevocation(.issuer("k4.pid.x"), by: "ana", at: 3, issuedBefore: 4)],
        issuers: [
            IssuerRecord(id: "k4.pid.x", key: Bytes([1]), name: "ci", lifetimeSeconds: 60, by: "ana", at: 4),
            IssuerRecord(
                id: "k4.pid.y", key: Bytes([1]), name: "ci", lifetimeSeconds: 60, by: "ana", at: 4, ttlSeconds: 3_600,
                expires: 9),
        ],
        time: 5)

    static let requests: [APIRequest] =
        [
            .version, .status, .up(UpRequest(meshName: "lab", nodeName: "owl", labels: [label])),
            .join(
                JoinRequest(
                    invitation: "line", peer: "10.0.0.1:7717", trustFirstUse: true, nodeName: "owl", role: .client,
                    labels: [label])),
            .members, .invite(InviteRequest(uses: 3, timeToLiveSeconds: 60, worker: true, labels: [label])),
            .approve("owl"),
            .submit(SubmitRequest(request: RequestID(high: 1, low: 2), spec: spec, manifest: Bytes([1, 2]))),
            .follow(FollowRequest(job: 1, task: 2, cursor: cursor, seenAttempt: 1)),
            .logs(LogsRequest(job: 1, task: 2, attempt: 3, follow: true, tailLines: 10, cursor: cursor)),
            .jobs(JobsRequest(all: true)), .inspectJob(1), .inspectNode("owl"), .cancel(CancelRequest(job: 1)),
            .followArray(FollowArrayRequest(job: 1, task: 2)), .wait([1, 2, 3]),
            .fetch(FetchRequest(job: 1, task: 2, path: "out", attempt: 3)),
            .leave(LeaveRequest(forget: true)), .doctor, .settings, .setting("user.x"),
            .configure(ConfigureRequest(request: RequestID(high: 1, low: 2), key: "user.x", value: "1")),
            .raft(.mesh), .raft(.leader), .raft(.node), .raftTransfer("owl"), .raftHandOver(leadership), .raftSnapshot,
            .drain(DrainRequest(node: "owl", kind: .drain, patienceMilliseconds: 5, reason: "driver", waits: true)),
            .token(.issue(draft, addresses: ["a:1"])), .token(.list), .token(.revokeAll), .token(.watch(nil)),
            .token(.watch("9f3c")),
            .token(.revoke(tokens.revocations[0])), .token(.addIssuer(tokens.issuers[0])),
            .audit(.list(since: 1, tail: 2, token: "9f3c")), .audit(.verify(checkpoint: "a\n1\nb\n")),
            .audit(.proofOfJob(17)), .audit(.proof(214)), .rotate(.node), .rotate(.mesh),
            .rotate(.issuer("ci", key: Bytes([1]))),
            .revoke("owl"), .remove("owl"), .ping(PingRequest(node: "owl", count: 3, pauseMilliseconds: 10)),
            .events(EventsRequest(follow: true)), .doctorPeer("owl"), .doctorReport,
            .pause(PauseRequest(job: 1, isPaused: true)),
            .label(LabelRequest(node: "owl", set: [Label(name: "rack", value: "b")], removed: ["gpu"])),
            .hand(
                HandRequest(
                    job: 1, task: 2, attempt: 3,
                    kind: .run(arguments: ["sh"], terminal: HandTerminal(name: "vt100", rows: 24, columns: 80)))),
            .hand(HandRequest(job: 1, kind: .connect(port: 80))), .handInput(.bytes(Bytes([1, 2]))),
            .handInput(.window(rows: 24, columns: 80)), .handInput(.signal(2)), .explain(3),
            .plan(SubmitRequest(request: RequestID(high: 1, low: 2), spec: spec)),
            .hand(HandRequest(job: 1, kind: .input)),
            .hand(
                HandRequest(
                    job: 1, task: 2, attempt: 3, kind: .run(arguments: ["orted"], terminal: nil), isOfGang: true)),
            .gang(.start(host: "10.0.0.2", arguments: ["sh", "-c", "orted"])), .gang(.waitForFirst),
            .upgrade(UpgradeRequest(step: .look, program: .zero)),
            .upgrade(
                UpgradeRequest(
                    node: "owl", step: .change, program: .zero, tree: .zero, manifest: Bytes([1, 2]), allowsOlder: true)
            ),
            .upgrade(UpgradeRequest(step: .prepare, program: .zero, tree: .zero, statement: programStatement)),
            .put(PutRequest(job: 1, task: 2, manifest: Bytes([1]))),
            .gang(.start(host: "10.0.0.2", arguments: ["orted", "-mca"])), .gang(.waitForFirst),
            .gang(.hasFailed),
            .put(PutRequest(job: 1, task: 2, tree: .zero, attempt: 3)),
        ] + transfers.map(APIRequest.transfer)

    static let leadership = LeadershipRequest(
        to: "owl", term: 7, actor: "ana@elk", role: .administrator, mesh: "k4.pid.lab",
        key: SigningKey(seed: [UInt8](repeating: 7, count: 32)))

    static let programStatement = ProgramStatement(
        .zero, version: ProgramVersion("1.4")!, allowsOlder: false, time: 9, actor: "ana@owl", mesh: "k4.pid.lab",
        key: SigningKey(seed: [UInt8](repeating: 7, count: 32)))

    static let member = MemberView(
        name: "owl", shortID: "Xk7dM2qp", keyID: "k4.pid.x", nodeID: NodeID(1), state: "alive", raft: "leader",
        cpus: 32, memoryBytes: 1 << 37, gpus: [gpu], freeGPUs: 1, address: "10.0.0.1:7717",
        roundTripMicroseconds: 300, labels: [label], version: "0.1", role: .worker,
        drain: DrainOrder(kind: .drain, since: 1, patience: 2, by: "sam", reason: "driver"), notice: "dead for 2d",
        loadHundredths: 320)
    static let status = StatusView(
        version: "0.1", inMesh: true, meshName: "lab", meshFingerprint: "k7qd", nodeName: "owl", shortID: "Xk7dM2qp",
        cpus: 32, memoryBytes: 1 << 37, gpus: [gpu], addresses: ["10.0.0.1:7717"], backend: "epoll",
        backendReason: "no io_uring", weaker: ["not root"], joinMilliseconds: 400, founded: true, leader: "owl")
    static let job = JobView(
        id: 1, name: "gpt", user: "ana", state: .running, tasks: 3, tasksEnded: 1, gpus: 1, nodes: ["owl"],
        submittedAt: 1, startedAt: 2, endedAt: 3, attempts: 2, reason: "waits", exitCode: 1, frozen: true)
    static let setting = SettingView(
        key: "autopilot.voters", value: "3", defaultValue: "auto", meaning: "how many", changedAt: 5, changedBy: "ana")
    static let detail = JobDetail(
        view: job, command: ["true"],
        resources: ResourcesView(cpuMillis: 1_000, memoryBytes: 1, gpus: 1, gpuMemoryBytes: 2),
        attempts: [
            AttemptView(
                task: 1, number: 2, node: "owl", gpus: ["GPU 0"], state: .failed, placedAt: 1, startedAt: 2,
                endedAt: 3, outcome: "exit 1", exitCode: 1, resumedFrom: 4,
                usage: AttemptUsage(cpuMicroseconds: 1, peakMemoryBytes: 2))
        ],
        checkpoints: [
            CheckpointView(
                task: 1, number: 4, attempt: 1, bytes: 5, holders: ["owl"], recordedAt: 6, tree: digest)
        ], results: results, workingTree: digest)

    static let events: [FollowEvent] = [
        .waiting("waits for 2 GPUs on one node"),
        .placed(
            AttemptPlaced(
                number: 2, node: "owl", gpus: ["GPU 0"], resumesFrom: 3, millisecondsSinceLoss: 4_200,
                memoryBytes: 1 << 30)),
        .hostLost(HostLost(node: "lynx", silentMilliseconds: 3_100, nextAttempt: 2)),
        .output(LogChunk(stream: 1, time: 5, bytes: Bytes([0, 255, 10]), next: cursor, rank: 3)),
        .checkpoint(CheckpointSafe(number: 3, bytes: 412 << 20, holders: ["owl", "newt"])), .frozen(true), .task(7),
        .outputMissing(node: "newt"), .paused(by: "ana"), .paused(by: nil),
        .rankEnded(RankEnded(rank: 1, node: "lynx", outcome: "exit 1", nextAttempt: 2)),
        .setUp(node: "lynx", AttemptSetup(milliseconds: 38_000, use: .reused, from: 2)),
        .ended(
            JobEnded(
                job: 1, state: .failed, exitCode: 75, fromJob: false, failure: failure, milliseconds: 9,
                attempts: 2, results: results)),
    ]

    static let verdict: AuditVerdict = {
        var verdict = AuditVerdict(size: 3)
        verdict.since = 1
        verdict.signedSize = 2
        verdict.signers = ["owl"]
        verdict.missing = ["fox"]
        verdict.checkpoint = "note"
        verdict.evidence = ["one", "two"]
        verdict.ownLines = 3
        verdict.fail("audit.altered", "event 1 was altered", at: 1, hint: "look")
        return verdict
    }()

    static let replies: [APIReply] =
        [
            .failure(failure), .done, .version("0.1"), .status(status),
            .audit(.lines([Bytes([123, 125])])), .audit(.verdict(verdict)),
            .rotated(
                RotatedView(
                    name: "owl", oldKey: "k4.pid.x", newKey: "k4.pid.y", believedUntil: 5, tokens: 2)),
            .tokenEvents(
                TokenEventsView(
                    missed: 3,
                    events: [
                        TokenEventView(at: 5, token: "9f3c", event: .used, detail: "job 17"),
                        TokenEventView(at: 6, token: nil, event: .revoked),
                    ])),
            .audit(
                .proof(
                    AuditProofView(
                        sequence: 2, line: Bytes([123, 125]), hashes: [digest], checkpoint: "note", keys: ["a b"]))),
            .joining(JoinProgress(meshFingerprint: "a", nodeFingerprint: "b", nodeName: "c")),
            .invitation(InvitationView(line: "line", shortID: "7c1e", uses: 1, expires: 2)), .member(member),
            .members(
                MembersView(
                    meshName: "lab", meshFingerprint: "k7qd", members: [member],
                    waiting: [WaitingView(name: "newt", shortID: "x", address: "-", since: 1)],
                    staleMilliseconds: 10,
                    endings: [EndingView(what: "issuer ci", ends: 4, detail: "ended 1s ago", hint: "add it again")])),
            .submitted(SubmittedView(job: 1, sentParts: 2)),
            .log(LogChunk(stream: 2, time: 5, bytes: Bytes([1]), next: cursor)),
            .jobs(JobsView(jobs: [job], staleMilliseconds: 3)), .job(detail),
            .doctor([CheckView(check: "cgroups", result: "ok", detail: "v2", hint: "none")]), .setting(setting),
            .bytes(Bytes([1, 2])),
            .raft(
                RaftView(
                    term: 2, leader: "owl", commitIndex: 9, appliedIndex: 9, snapshotIndex: 4, level: 1, epoch: 1,
                    members: [
                        RaftMemberView(
                            name: "owl", shortID: "Xk7dM2qp", raft: "voter", committed: 8, behind: 1,
                            heardMilliseconds: 20, state: "ok")
                    ], staleMilliseconds: 5)),
            .hand(.connected), .hand(.bytes(stream: 1, Bytes([1]))), .hand(.bytes(stream: 2, Bytes([]))),
            .hand(.ended(exitCode: 137)), .tokens(tokens), .hand(.taken(7, isOpen: true)),
            .upgrade(
                UpgradeView(
                    node: "owl", version: "1", program: .zero, isCurrent: true, attempts: 2, missing: 1,
                    takenBack: "it ended", patienceMilliseconds: 25_000, daemonLog: "/d/daemon.log")),
            .planned(
                PlanView(spec: spec, places: [.init(node: "owl", gpus: ["GPU 0 (A100 80 GiB)"])], waiting: 0, left: 1)),
            .planned(
                PlanView(spec: spec, places: [], waiting: 3, reason: "needs 4 GPUs", startsWhen: "job 7 ends on owl")),
            .explanation(ExplainView(job: 1, state: "running on owl", name: { "\($0)" })),
            .explanation(
                ExplainView(
                    job: 3,
                    Explanation(
                        rows: [
                            .init(node: NodeID(1), gpus: 1, freeGPUs: 0, reason: "has 1 GPU"),
                            .init(node: NodeID(2), gpus: 2, freeGPUs: nil, reason: "dead for 4m10s; would fit"),
                        ], startsWhen: "lynx returns", startsNow: "--gpus 1 (crow)"), name: { "\($0)" })),
            .settings(SettingsView(settings: [setting], staleMilliseconds: 4)), drain,
            .pong(PongView(node: "owl", shortID: "Xk7dM2qp", address: "a:1", path: "direct", microseconds: 300)),
            .events(EventsView(missed: 2, events: [EventView(at: 1, node: "owl", event: "dead", detail: "silent")])),
            .doctorReport(
                DoctorReport(
                    wallClock: 5, checks: [CheckView(check: "sandbox", result: "ok", detail: "strict")],
                    reachBack: CheckView(check: "a -> b", result: "FAIL", detail: "no", hint: "open"),
                    firewall: FirewallLine(tool: .ufw, interface: "eth0"))),
        ] + events.map(APIReply.follow) + transfers.map(APIReply.transfer)

    static let drain = APIReply.drain(
        DrainView(
            node: "owl",
            work: [
                DrainView.Work(
                    job: 1, task: 2, fate: .moves, target: "lynx", checkpointBytes: 3, endsInMilliseconds: 4)
            ], keepsSeat: true, isOver: false, milliseconds: 5))

    static let nodeMessages: [NodeMessage] = [
        .raft(.heartbeat(RaftMessage.Heartbeat(term: 2, commitIndex: 3, round: 4))),
        .raft(
            .append(
                RaftMessage.Append(
                    term: 2, previousIndex: 1, previousTerm: 1,
                    entries: [RaftEntry(index: 2, term: 2, payload: .command([1, 2]))], commitIndex: 1))),
        .swim(SwimMessage(kind: .ping(4), version: SwimVersion(generation: 1))),
        .propose(Entry(request: RequestID(high: 1, low: 2), time: 3, command: .submit(spec))),
        .renew(sequence: 7, time: 8), .granted(sequence: 7, index: 8),
        .granted(sequence: 7, index: 8, ahead: -9), .read(sequence: 9),
        .readable(sequence: 9, index: 10),
        .refused(RequestID(high: 1, low: 2), .refused(code: "a.b", message: "m", hint: "h")),
        .proposeAll([Entry(request: RequestID(high: 1, low: 2), time: 3, command: .tick), asked]), .propose(asked),
    ]

    private static let asked = Entry(request: RequestID(high: 1, low: 3), time: 0, command: .raiseTokenEpoch(by: "ana"))
        .asked(by: Asker(name: "ana", actor: "ana@owl", role: .administrator), key: key(2), mesh: "k4.pid.lab")

    // MARK: Admission

    static func key(_ number: UInt8) -> SigningKey { SigningKey(seed: [UInt8](repeating: number, count: 32)) }

    static func credentials() throws -> MemberCredentials {
        var credentials = MemberCredentials(
            meshName: "lab", meshKey: key(1).publicKey, root: key(4).publicKey, certificates: try chain(),
            noiseBinding: binding, meshKeyRotations: meshKeyRotations)
        credentials.boot = 77
        return credentials
    }

    private static var binding: NoiseKeyBinding {
        NoiseKeyBinding(noiseKey: [UInt8](repeating: 7, count: 32), identity: key(2))
    }

    private static var meshKeyRotations: [MeshKeyRotation] {
        [MeshKeyRotation(from: key(1), to: key(4), mesh: key(1).publicKey.id.text)]
    }

    private static func chain() throws -> CertificateChain {
        try CertificateChain.founding(key(2).publicKey, name: "owl", meshKey: key(1), now: 1_795_271_400)
    }

    static func admissionRequest() throws -> AdmissionRequest {
        let token = try JoinToken.issue(
            mesh: key(1).publicKey.id, uses: 2, expires: 1_795_271_400, role: .worker, labels: [],
            identifier: [UInt8](repeating: 5, count: 16), signer: key(2))
        let proof = JoinProof(
            handshakeHash: [UInt8](repeating: 6, count: 32), tokenID: "7c1e", facts: digest, key: key(3))
        return AdmissionRequest(node: CoreMesh.record(3), noiseBinding: binding, token: token, proof: proof)
    }

    static func admissionReplies() throws -> [AdmissionReply] {
        let peer = PeerRecord(id: NodeID(1), noiseKey: Bytes([1]), addresses: ["10.0.0.1:7717"])
        return [
            .waiting,
            .admitted(
                Admission(
                    node: NodeID(3), name: "newt", meshName: "lab", certificates: try chain(), peers: [peer],
                    meshKeyRotations: meshKeyRotations)),
            .refused(failure),
        ]
    }
}
