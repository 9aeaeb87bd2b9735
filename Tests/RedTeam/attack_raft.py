"""Messages of the log by those who have no say in it (rows R01 to R06)."""

import json
import os
import subprocess

import mint
import traitor
import wire
from attack_gossip import siege
from team import row, wait_until

FAR = 1 << 40


def unmoved(team, one, before, pids, what):
    """Term and leader are as they were, every daemon runs, and writes go through."""
    after = one.standing()
    team.check(after == before, f"{what}: {before} became {after}")
    team.check(one.pids() == pids, f"{what}: a daemon ended: {pids} became {one.pids()}")
    one.works()


def lies(term, index):
    """What a voter or leader says: (words, message)."""
    forged = wire.encoded(traitor.entry({0: 23, 1: 1, 2: "intruder"}))
    some = traitor.digest(b"x")
    found = []
    for name, at in (("of this term", term), ("of a later term", term + FAR)):
        found += [
            (f"heartbeat {name}", traitor.raft(traitor.HEARTBEAT, at, index, 1)),
            (f"append {name}", traitor.raft(traitor.APPEND, at, index, term, [[at, 1, forged]], index + 1)),
            (f"empty append {name}", traitor.raft(traitor.APPEND, at, index, term, [], index)),
            (f"vote request {name}", traitor.raft(traitor.VOTE_REQUEST, at, 1, False, index + 5, at)),
            (f"pre-vote request {name}", traitor.raft(traitor.VOTE_REQUEST, at, 0, False, index + 5, at)),
            (
                f"vote request as by the leader's order, {name}",
                traitor.raft(traitor.VOTE_REQUEST, at, 1, True, index + 5, at),
            ),
            (f"vote {name}", traitor.raft(traitor.VOTE_RESPONSE, at, 1, True)),
            (f"refused vote {name}", traitor.raft(traitor.VOTE_RESPONSE, at, 1, False)),
            (f"acknowledgement {name}", traitor.raft(traitor.APPEND_RESPONSE, at, index, index + 1000)),
            (f"refusal {name}", traitor.raft(traitor.APPEND_RESPONSE, at, index, None, 0, 0, True)),
            (f"heartbeat's answer {name}", traitor.raft(traitor.HEARTBEAT_RESPONSE, at, 1)),
            (f"timeout-now {name}", traitor.raft(traitor.TIMEOUT_NOW, at)),
            (
                f"snapshot {name}",
                traitor.raft(traitor.SNAPSHOT, at, index + 100, at, {1: [4], 2: []}, 0, 1, b"x", some, some),
            ),
        ]
    return found


@row(
    "R01",
    "messages of the log by a stranger, a worker, a revoked voter, with a later term or as leader",
    "refused, the term as before",
    suites=[("Tests/NodeTests/Core/SeatTests.swift", "who can never vote has a say in the log neither as leader nor as voter")],
)
def usurpers(team):
    one = siege(team)
    before, pids = one.standing(), one.pids()
    term = max(term for term, _ in before.values())
    index = one.raft(one.fold[0])["committed"]
    try:
        one.outer.member(one.fold[0], os.urandom(32)).ready()
        team.check(False, "a key of nobody was let in")
    except (wire.Refused, EOFError) as refused:
        team.check("no member" in str(refused), str(refused))
    count = 0
    for what, message in lies(term, index):
        for node in one.fold:
            one.worker.say(node, message, listen=0.05)
            count += 1
        after = one.standing()
        team.check(
            after == before and one.pids() == pids,
            f"a worker's {what} was believed: term and leader {before} became {after}, daemons {pids} became {one.pids()}",
        )
    unmoved(team, one, before, pids, "a worker's messages")
    with team.own_mesh() as mesh:
        first, victim = mesh.nodes[0], mesh.nodes[2]
        outer = wire.Mesh(first)
        stolen = traitor.Traitor(outer, victim, 3)
        victim.kill_daemon()
        wait_until(
            lambda: mesh.attempt(first, "node", "revoke", "--yes", victim.name).returncode == 0,
            "it is revoked",
            60,
            0.5,
        )
        view = first.command_json("raft", "ls")
        for node in mesh.nodes[:2]:
            try:
                stolen.say(node, traitor.raft(traitor.HEARTBEAT, view["term"] + FAR, 0, 1))
                team.check(False, "a revoked voter was let in")
            except (wire.Refused, EOFError) as refused:
                team.check("revoked" in str(refused), str(refused))
        team.check(first.command_json("raft", "ls")["term"] == view["term"], "the term changed")
        mesh.nodes[1].command("run", "-d", "--no-send", "--", "true")
    team.part(
        "a member that may be chosen as voter and lies: a voter whose log is behind cannot know who has a seat, so it is believed; "
        "Raft is made for hosts that fail, not for voters that lie"
    )
    return f"{count} messages of a worker, and those of a stranger and a revoked voter: term and leader as before, writes go on"


@row(
    "R02",
    "a voter that was cut off asks for votes in a term of 2^61, 2^62 and more",
    "pre-vote and the leader's protection hold",
    suites=[("Tests/RaftTests/ElectionTests.swift", "a voter cut off and back does not disturb the term")],
)
def inflated(team):
    one = siege(team)
    leader = one.leader()
    cut = next(node for node in one.fold if node is not leader)
    term, index = one.raft(leader)["term"], one.raft(leader)["committed"]
    cut.kill_daemon()
    stolen = traitor.Traitor(one.outer, cut, one.number(cut))
    rest = [node for node in one.fold if node is not cut]
    try:
        for at in (term + 1, term + FAR, 1 << 61, 1 << 62, (1 << 63), (1 << 64) - 1):
            for ballot in (0, 1):
                for node in rest:
                    stolen.say(node, traitor.raft(traitor.VOTE_REQUEST, at, ballot, False, index + 9, at), listen=0.05)
        for node in rest:
            view = one.raft(node)
            team.check(
                (view["term"], view["leader"]) == (term, leader.name),
                f"{node.name}: term {view['term']}, leader {view['leader']}",
            )
        done = one.mesh.attempt(leader, "run", "-d", "--no-send", "--", "true", seconds=20)
        team.check(done.returncode == 0, f"no writes: {done.stderr}")
    finally:
        cut.start_again()
    one.mesh.wait_alive(leader, 3, voters=3, seconds=60)
    team.part("a voter that says it leads in a later term is believed: see R01")
    return f"12 requests to each of two voters: term {term} and its leader as before; the voter itself came back and voted again"


def pass_of(token, member, request, channel=bytes(64), proof=None):
    return {
        1: token.names,
        2: [],
        3: token.names[0],
        4: "ana on n1",
        5: token.holder.id,
        6: list(token.links),
        7: proof or token.proof(channel, "submit", request, member, 0),
        8: channel,
        9: member,
        10: request,
        11: mint.blake2(request),
        12: 3600,
    }


def not_its_words(one):
    """What a worker may not put before the mesh: (words, command)."""
    first = one.number(one.fold[0])
    record = {0: 23, 1: first, 2: "intruder"}
    return [
        ("that a member is revoked", record),
        ("that a member is removed", {0: 7, 1: first}),
        ("that a member is lost", {0: 5, 1: first}),
        ("another's report", {0: 10, 1: first, 2: []}),
        ("another's levels", {0: 20, 1: first, 2: {1: 1, 2: 1}}),
        ("another's absence", {0: 50, 1: first, 2: {1: 9, 2: 1 << 60}}),
        ("a place for jobs", {0: 9, 1: []}),
        ("a level of the protocol", {0: 21, 1: 1 << 20}),
        ("a recovery", {0: 19, 1: 9}),
        ("a setting of the mesh", {0: 17, 1: "autopilot.voters", 2: "1", 3: "intruder"}),
        ("an issuer", {0: 33, 1: {1: mint.Key().id, 2: bytes(32), 3: "x", 4: 9, 5: "x", 6: 0}}),
        ("that all tokens are withdrawn", {0: 34, 1: "intruder"}),
        ("that somebody was approved", {0: 3, 1: "intruder"}),
        ("a job of another host", {0: 8, 1: {1: "x", 2: ["true"], 4: "ana", 5: 1000, 6: 1000, 16: first, 19: {1: 2}}}),
    ]


def users_words(team, one):
    """A voter that was taken over asks for what administrators do, as by a user of it; how many ways were refused."""
    leader = one.leader()
    taken = next(node for node in one.fold if node is not leader)
    key, mesh = mint.Key.of_node(taken), one.outer.name
    actor = f"ana@{taken.name}"

    def asked():
        return traitor.entry({0: 17, 1: "autopilot.voters", 2: "3", 3: "ana"}, f5=actor)

    lies = [
        ("no word of who asks", asked()),
        ("somebody who is a user", traitor.stated(mesh, asked(), traitor.USER, key)),
        ("a word under another host's key", traitor.stated(mesh, asked(), traitor.ADMINISTRATOR, one.worker.identity)),
        ("a word of another request", traitor.stated(mesh, asked(), traitor.ADMINISTRATOR, key, about=asked())),
        ("a word for another mesh", traitor.stated("k4.pid.other", asked(), traitor.ADMINISTRATOR, key)),
    ]
    raised = traitor.stated(mesh, asked(), traitor.USER, key)
    raised[6][1] = traitor.ADMINISTRATOR
    lies.append(("a user's word with another role", raised))
    before = voters_asked(leader)
    team.check(before != "3", "the mesh was told before to have three voters")
    taken.kill_daemon()
    stolen = traitor.Traitor(one.outer, taken, one.number(taken))
    try:
        for what, lie in lies:
            heard = stolen.say(leader, [traitor.PROPOSE, lie], listen=1)
            codes = [message[1][2][1] for message in heard if message[0] == traitor.REFUSED]
            team.check(codes == ["auth.denied"], f"{what} was answered {heard}")
        team.check(voters_asked(leader) == before, "what a user asked for was carried out")
        good = traitor.stated(mesh, asked(), traitor.ADMINISTRATOR, key)
        heard = stolen.say(leader, [traitor.PROPOSE, good], listen=1)
        team.check(
            not [message for message in heard if message[0] == traitor.REFUSED], f"an administrator was refused: {heard}"
        )
        wait_until(lambda: voters_asked(leader) == "3", "what an administrator asked for is done", 10)
    finally:
        taken.start_again()
    one.mesh.wait_alive(leader, 3, voters=3, seconds=60)
    one.mesh.attempt(leader, "config", "unset", "autopilot.voters")
    return len(lies)


def voters_asked(node):
    """The number of voters that the mesh is told to have."""
    return node.command("config", "get", "autopilot.voters").strip()


@row(
    "R03",
    "a worker that was taken over speaks for others and as their administrator, a voter for an administrator who is none; a worker puts a guest's job into the log that no token allows",
    "the leader takes no such word; the node that is to run the job refuses",
    suites=[
        ("Tests/NodeTests/Core/SenderTests.swift", "a member speaks for itself, and for no other"),
        ("Tests/NodeTests/Core/RoleTests.swift", "a statement of another request, command, person, host or mesh is none"),
        (
            "Tests/TokensTests/AccessGrantTests.swift",
            "whoever executes a job later verifies it as of when it was asked, and what is revoked as of now",
        )
    ],
)
def forged_jobs(team):
    one = siege(team)
    node, outer = one.fold[0], one.outer
    issuer, member = mint.Key.of_node(node), mint.Key.of_node(one.fold[0]).id
    canary = os.path.join(one.mesh.folder, "ran")
    good, strange = mint.mint(issuer, outer.name), mint.mint(mint.Key(), outer.name)
    asked = wire.encoded(wire.submit())
    forged = [
        ("a token of nobody", pass_of(strange, member, asked)),
        ("no proof", pass_of(good, member, asked, proof="")),
        ("another request", pass_of(good, member, asked)),
        ("a widened token", pass_of(good.narrowed(act=["status"]), member, asked)),
    ]
    before = {int(job["id"]) for job in node.command_json("ps", "-a")["jobs"]}
    members = node.command_json("members")["members"]
    words = not_its_words(one)
    for what, command in words:
        heard = one.worker.say(one.leader(), [traitor.PROPOSE, traitor.entry(command)], listen=1)
        codes = [message[1][2][1] for message in heard if message[0] == traitor.REFUSED]
        team.check(
            len(codes) == 1 and codes[0] in ("mesh.not_its_word", "auth.denied", "mesh.level.not_reached"),
            f"a worker's word of {what} was answered {heard}",
        )
    team.check(
        {member["name"] for member in node.command_json("members")["members"]} == {member["name"] for member in members},
        "the members changed",
    )
    for what, guest in forged:
        spec = {
            1: "forged",
            2: ["/bin/sh", "-c", f"echo ran > {canary}; echo RAN"],
            4: "token:0000",
            5: 65_534,
            6: 65_534,
            16: one.worker.number,
            19: {1: 2},
            21: guest,
        }
        one.worker.say(one.leader(), [traitor.PROPOSE, traitor.entry({0: 8, 1: spec})], listen=0.5)
    jobs = {int(job["id"]) for job in node.command_json("ps", "-a")["jobs"]} - before
    for job in sorted(jobs):
        one.mesh.attempt(node, "wait", str(job), seconds=60)
        document = one.mesh.job(node, job).document
        said = one.mesh.attempt(node, "logs", str(job)).stdout
        team.check(
            document["state"] != "succeeded" and "RAN" not in said and not os.path.exists(canary),
            f"job {job} ran: {document['state']}: {said}",
        )
    done = one.mesh.attempt(node, "run", "--no-send", "--", "echo", "ordinary", seconds=60)
    team.check(done.stdout == "ordinary\n", f"an ordinary job does not run: {done.stderr}")
    users = users_words(team, one)
    team.part(
        "jobs of members carry no signature of their submitter, and what a host states of its people is believed: hosts that "
        "may vote trust each other's administrators"
    )
    return f"{len(words)} words that are not a worker's were refused, and a voter's word in {users} ways; of {len(forged)} forged jobs {len(jobs)} got into the queue and none ran; an ordinary one did"


@row(
    "R04",
    "two leaders' checkpoints of one size",
    "witnesses refuse, evidence is kept",
    suites=[
        (
            "Tests/Faults/test_audit.py",
            "test_a_voter_never_signs_two_roots_of_one_size_and_keeps_both_notes",
        )
    ],
)
def split_view(team):
    team.node.command("token", "create", "--uses", "1")
    names = sorted(node.name for node in team.mesh.nodes)

    def agreed():
        said = json.loads(team.mesh.attempt(team.node, "audit", "verify", "--json").stdout)
        return said if said["good"] and said["signed_events"] == said["events"] and sorted(said["signers"]) == names else None

    said = wait_until(agreed, "all voters have signed one root", 60)
    team.check(not said["evidence"], "a quiet mesh has seen two roots")
    return f"{said['events']} events under one root that {', '.join(names)} have signed; a second root is shown by the test"


@row(
    "R05",
    "a snapshot that was altered, one of 2^61 bytes, a path as its name",
    "refused, nothing is taken over",
    suites=[
        ("Tests/RaftTests/SnapshotFileTests.swift", "snapshot"),
        ("Tests/Faults/test_recover.py", "test_a_snapshot_of_another_mesh_is_refused"),
    ],
)
def snapshots(team):
    one = siege(team)
    before, pids = one.standing(), one.pids()
    term = max(term for term, _ in before.values())
    index = one.raft(one.fold[0])["committed"]
    some = traitor.digest(b"forged")
    for at in (term, term + FAR):
        for size, data, offset in (
            (6, b"forged", 0),
            (1 << 61, b"x", 0),
            (1 << 62, b"x", 0),
            (6, b"forged", 1 << 40),
            (1, b"../../x", 0),
        ):
            message = traitor.raft(
                traitor.SNAPSHOT, at, index + 1000, at, {1: [4], 2: []}, offset, size, data, some, some
            )
            for node in one.fold:
                one.worker.say(node, message, listen=0.05)
    unmoved(team, one, before, pids, "forged snapshots")
    # A person's snapshot, altered by one bit, where it is to be restored from.
    kept = os.path.join(one.mesh.folder, "snapshot")
    foreign = one.fold[0].snapshot()
    with team.own_mesh(nodes=1, voters=1) as mesh:
        node = mesh.nodes[0]
        taken = node.snapshot()
        for what, content in (
            ("altered", taken[:200] + bytes([taken[200] ^ 1]) + taken[201:]),
            ("cut off", taken[:-10]),
            ("of another mesh", foreign),
            ("nothing", b""),
        ):
            with open(kept, "wb") as stream:
                stream.write(content)
            node.kill_daemon()
            refused = mesh.attempt(node, "raft", "recover", "--from", kept, "--yes")
            team.check(refused.returncode != 0, f"recovered from a snapshot that is {what}: {refused.stdout}")
            node.start_again()
            mesh.wait_alive(node, 1)
    return "forged pieces of a worker changed nothing; a snapshot altered by one bit, cut off, empty or of another mesh was not restored; no name travels with one"


# Numbers of requests that change the mesh (APIRequest.swift), with a content of the right form.
MEMBER_ONLY = {
    "up": [3, {}],
    "join": [4, {}],
    "invite": [6, {1: 1, 2: 900, 3: False, 4: []}],
    "approve": [7, "intruder"],
    "leave": [19, {1: True}],
    "doctor": [20, None],
    "settings": [21, None],
    "configure": [23, {1: "x", 2: "y"}],
    "raft": [25, 0],
    "transfer": [26, ""],
    "snapshot": [27, None],
    "drain": [28, {1: "n2"}],
    "revoke": [29, "n2"],
    "remove": [30, "n2"],
    "label": [35, {1: "n2"}],
    "status": [2, None],
    "node": [15, "n1"],
    "events": [32, {}],
    "explain": [50, 1],
    "token ls": [43, [2, None]],
    "token revoke all": [43, [5, None]],
    "upgrade": [45, {}],
    "put": [44, {}],
    "exec": [41, {}],
}


@row("R06", "who may not changes the membership: a guest with every act, another user of the host", "denied")
def outsiders(team):
    token = team.token(act=["run", "logs", "fetch", "cancel", "status"], ep=getattr(team, "epoch", 0))
    with team.nothing_changes():
        for what, request in MEMBER_ONLY.items():
            for operation in ("", what, "members"):
                answer = team.call(token, request, operation)
                team.check(answer.code is not None, f"a guest's {what} was accepted: {answer}")
        tried = []
        if team.is_root:
            # Somebody with an account on the host, and no group.
            for words in (
                ["node", "revoke", "--yes", "n2"],
                ["approve", "x"],
                ["invite"],
                ["token", "issuer", "ls"],
                ["leave", "--yes"],
            ):
                done = subprocess.run(
                    [team.binary, words[0], "--data-dir", team.node.data, *words[1:]],
                    capture_output=True,
                    text=True,
                    env={"PATH": os.environ["PATH"], "HOME": "/"},
                    user=65_534,
                    group=65_534,
                    extra_groups=[],
                    timeout=30,
                )
                team.check(done.returncode != 0, f"nobody may {' '.join(words)}: {done.stdout}")
                tried.append(words[0])
        else:
            team.part("another user of the host: takes root to become one")
    answer = team.call(token, [5, None], "members")
    team.accepted(answer, "members, with the act status")
    return f"{len(MEMBER_ONLY)} requests of a guest and {len(tried)} of a user without rights denied; what the act status allows was answered"
