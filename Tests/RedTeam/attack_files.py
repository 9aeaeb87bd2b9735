"""Names, links, archives, outputs and logs that reach for more (rows F01 to F07)."""

import hashlib
import io
import os
import pty
import re
import select
import subprocess
import time
import unittest

import wire
from attack_sandbox import run_all
from team import Fell, row, wait_until


def by_cp(team, job, path, seconds=30):
    """What `swarmlet cp` brings; None where it is refused."""
    target = os.path.join(team.folder("fetched"), hashlib.sha256(f"{path}{time.monotonic()}".encode()).hexdigest()[:12])
    done = team.mesh.attempt(team.mesh.nodes[1], "cp", f"job:{job}:{path}", target, seconds=seconds)
    if done.returncode != 0 or not os.path.lexists(target):
        return None
    found = (
        target
        if os.path.isfile(target)
        else next((os.path.join(folder, name) for folder, _, names in os.walk(target) for name in names), None)
    )
    if found is None or os.path.islink(found):
        return b""
    with open(found, "rb") as stream:
        return stream.read(1 << 20)


@row(
    "F01",
    "fetch ../, absolute names, NUL, encoded, very long, ., nothing",
    "refused",
    suites=[("Tests/Faults/test_jobs.py", "test_cp_fetches_a_file_of_an_ended_job")],
)
def names(team):
    canary = os.path.join(team.mesh.folder, "canary-f01")
    with open(canary, "w", encoding="ascii") as stream:
        stream.write("outside")
    job = team.start_job(
        "--profile", "none", "--no-send", "--", "sh", "-c", "echo inside > file; mkdir deep; echo deep > deep/file"
    )
    team.wait_job(job)
    token = team.token(act=["fetch"], res={"job": [str(job)]}, ep=getattr(team, "epoch", 0))
    up = "../" * 12
    paths = [
        f"/{up}{canary[1:]}",
        f"{up}{canary[1:]}",
        canary,
        "/..",
        "..",
        "/deep/../../x",
        f"/deep/{up}etc/passwd",
        "/etc/passwd",
        "/file\0",
        "/file\0/../../x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/" + "a" * 256,
        "/" + "a/" * 4000,
        "/.",
        "//",
        "/deep//../../../file",
        "/\u2024\u2024/x",
        "/file/..",
        "\\..\\..\\etc\\passwd",
        "~/.ssh/id_rsa",
        "/-",
        "/*/../../x",
    ]
    with team.nothing_changes():
        for path in paths:
            answer = team.call(token, wire.fetch(job, path), "fetch")
            team.check(answer.reply(15) is None or path in ("/.", "//"), f"{path[:60]!r} was given")
            if "\0" not in path and len(path) < 300:
                content = by_cp(team, job, path)
                team.check(
                    content is None or b"outside" not in content and b"root:" not in content,
                    f"cp brought {content} for {path!r}",
                )
    team.accepted(team.call(token, wire.fetch(job, "/deep/file"), "fetch"), "a file of the job")
    team.check(by_cp(team, job, "/file") == b"inside\n", "cp does not bring an ordinary file")
    return f"{len(paths)} names over the wire and by cp: nothing from outside; a file of the job was given to both"


@row(
    "F02",
    "links to files of the host, /proc/self/root, directories swapped during a fetch",
    "never a byte from outside",
    root=True,
    suites=[("Tests/Faults/test_jobs.py", "test_a_symlink_out_of_the_tree_brings_nothing_from_outside")],
)
def links(team):
    count = run_all(team, "f02")
    outside = os.path.join(team.mesh.folder, "outside")
    os.makedirs(outside, exist_ok=True)
    with open(os.path.join(outside, "f"), "w", encoding="ascii") as stream:
        stream.write("CANARY")
    # Without a sandbox, so that only the one who fetches is in the way.
    job = team.start_job(
        "--profile",
        "none",
        "--no-send",
        "--",
        "sh",
        "-c",
        f"mkdir ok; echo inside > ok/f; ln -s /proc/self/root{outside}/f magic; ln {outside}/f hard 2>/dev/null; ln -s {outside} dir;"
        f" ln -s {outside}/f link; echo made; while :; do ln -sfn ok d; ln -sfn {outside} d; done",
    )
    rounds = 5_000 if team.is_long else 150
    try:
        wait_until(lambda: "made" in team.mesh.attempt(team.node, "logs", str(job)).stdout, "the job makes links", 30)
        for path in ("/magic", "/dir/f", "/link", "/d/f", "/dir"):
            content = by_cp(team, job, path)
            team.check(content is None or b"CANARY" not in content, f"{path} brought the canary")
        for _ in range(rounds):
            content = by_cp(team, job, "/d/f")
            team.check(content is None or b"CANARY" not in content, "the race was won: a file from outside was fetched")
        team.check(by_cp(team, job, "/ok/f") == b"inside\n", "an ordinary file is not brought while links are swapped")
    finally:
        team.mesh.attempt(team.node, "cancel", str(job))
    if not team.is_long:
        team.part(f"10^5 rounds: {rounds} here, 5,000 with --long")
    return f"{count} attacks of jobs, 5 kinds of links and {rounds} rounds of a swapped directory: never a byte of the canary; a file beside it came"


@row(
    "F03",
    "pipes, devices, sockets, 1 TiB of holes, a growing file, a directory as a file",
    "left out, or bounded",
    root=True,
)
def odd_files(team):
    count = run_all(team, "f03")
    job = team.start_job(
        "--profile",
        "none",
        "--no-send",
        "--",
        "sh",
        "-c",
        "mkfifo pipe; mkdir deep; echo x > deep/x; (while :; do echo grows; done) > grows & sleep 30",
    )
    try:
        wait_until(lambda: by_cp(team, job, "/deep/x") == b"x\n", "the job has begun", 30, 0.3)
        for path in ("/pipe", "/deep/x/y", "/nothing"):
            started = time.monotonic()
            team.check(by_cp(team, job, path) in (None, b""), f"{path} was brought")
            team.check(time.monotonic() - started < 15, f"{path} held the one who fetches up")
        by_cp(team, job, "/grows", seconds=60)
    finally:
        team.mesh.attempt(team.node, "cancel", str(job))
    return f"{count} attacks in both profiles, a pipe, a file as a directory and a growing one: nobody was held up; a file came"


@row(
    "F04",
    "archives: names with .., through links, hard links, devices, set-user-ID, cut off",
    "refused, rights stripped",
    root=True,
    suites=[("Tests/Faults/test_images.py", "test_f04_an_archive_puts_nothing_outside_of_itself")],
)
def archives(team):
    import test_images

    result = unittest.TextTestRunner(stream=io.StringIO()).run(
        unittest.defaultTestLoader.loadTestsFromName(
            "Images.test_f04_an_archive_puts_nothing_outside_of_itself", test_images
        )
    )
    for _, trace in [*result.failures, *result.errors]:
        raise Fell(trace.strip().splitlines()[-1][:300])
    team.check(result.testsRun == 1 and not result.skipped, f"not run: {result.skipped}")
    team.part(
        "10^6 entries and ratios of compression: archives are not compressed, and an entry more than a million is refused by the reader"
    )
    return "six archives refused, nothing outside changed; a good one unpacked, without rights by executing"


@row(
    "F05",
    "output without end: stdout, files, inodes",
    "bounded, the host keeps its reserve",
    suites=[
        (
            "Tests/Faults/test_logs.py",
            "test_a_job_that_prints_without_end_keeps_nobody_from_anything_and_its_log_says_what_it_has_let_go",
        ),
        (
            "Tests/Faults/test_disk.py",
            "test_a_node_that_kept_room_for_its_log_goes_on_with_a_full_disk_and_its_job_too",
        ),
        ("Tests/Faults/test_disk_limit.py", "test_what_writes_without_end_is_ended_with_the_reason_and_its_neighbour_is_not"),
    ],
)
def endless(team):
    size = 2_000 if team.is_long else 24
    job = team.start_job(
        "--profile", "none", "--no-send", "--", "sh", "-c", f"head -c {size}M /dev/zero | tr '\\0' 'x'; echo; echo end"
    )
    started = time.monotonic()
    other = team.run_job("--no-send", "--profile", "none", "--", "echo", "beside")
    team.check(other.stdout == "beside\n", f"a job beside it: {other.stderr}")
    beside = time.monotonic() - started
    team.wait_job(job, 300)
    kept = max(
        os.path.getsize(os.path.join(folder, name))
        for node in team.mesh.nodes
        for folder, _, names in os.walk(os.path.join(node.data, "logs"))
        for name in names
    )
    team.check(kept <= (1 << 30) + (64 << 20), f"{kept >> 20} MiB of one output are kept")
    tail = team.mesh.attempt(team.node, "logs", "--tail", "1", str(job), seconds=60)
    team.check(tail.stdout.strip().endswith("end"), "its last line is not there")
    for what, command in (("bytes", "head -c 64M /dev/zero > file; sleep 60"), ("files", "mkdir e; cd e; n=0; while :; do n=$((n+500)); touch $(seq $((n-499)) $n) || exit; done")):
        limited = team.run_job("--no-send", "--disk", "8M", "--", "sh", "-c", command, seconds=120)
        team.check(limited.returncode == 153, f"{what} without end: exit {limited.returncode}, {limited.stderr}")
    return f"{size} MB of one line: {kept >> 20} MiB kept in one file, the last line is there; a job beside it took {beside:.1f} s"


@row(
    "F06",
    "another guest's job: number, log, files, cancel; guessing numbers",
    "absent and forbidden look the same",
    suites=[
        (
            "Tests/TokensTests/AccessGrantTests.swift",
            "what a token started is its own and that of those it was narrowed from, not of its siblings",
        )
    ],
)
def others(team):
    epoch = getattr(team, "epoch", 0)
    ana, eve = team.token(ep=epoch), team.token(ep=epoch)
    job = team.accepted(team.submit(ana, request=wire.submit(("sh", "-c", "echo secret"))), "ana's job").job
    own = team.accepted(team.submit(eve), "eve's own job").job
    member = team.start_job("--profile", "none", "--no-send", "--", "echo", "of a member")
    asks = [
        (lambda number: wire.logs(number), "logs"),
        (lambda number: wire.logs(number, True), "logs"),
        (lambda number: wire.fetch(number, "/x"), "fetch"),
        (lambda number: wire.fetch(number, None), "fetch"),
        (wire.cancel, "cancel"),
        (lambda number: [14, number], "inspectJob"),
        (lambda number: [17, [number]], "wait"),
        (lambda number: [17, [own, number]], "wait"),
    ]
    with team.nothing_changes():
        for make, operation in asks:
            seen = set()
            for number in (job, member, 4_000_000, (1 << 63) - 1, 0):
                answer = team.call(eve, make(number), operation)
                team.check(answer.code is not None, f"{operation} of job {number} was answered: {answer}")
                seen.add((answer.code, answer.text))
            team.check(len(seen) == 1, f"{operation}: absent and forbidden jobs are told apart: {seen}")
    listed = [one[1] for one in team.call(eve).reply(13)[1]]
    team.check(listed == [own], f"eve sees the jobs {listed}")
    team.accepted(team.call(ana, [14, job], "inspectJob"), "ana's own job")
    return f"{len(asks)} ways for 5 numbers each: one answer, whether the job is there or not; one's own job is shown"


def on_terminal(team, *arguments):
    """What a command shows on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [team.binary, arguments[0], "--data-dir", team.node.data, *arguments[1:]],
        stdout=slave,
        stderr=slave,
        stdin=subprocess.DEVNULL,
        env=team.mesh.environment,
    )
    os.close(slave)
    said = b""
    while select.select([master], [], [], 20)[0]:
        try:
            piece = os.read(master, 65_536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    process.wait(timeout=20)
    os.close(master)
    return said


@row(
    "F07",
    "logs with terminal escapes, CR, NUL, 10 MiB lines, forged lines, bidi",
    "no control of a terminal, other lines whole",
)
def escapes(team):
    evil = (
        "import sys; w = sys.stdout.buffer.write; w(b'\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mred\\x1b[0m\\n'); w(b'nul\\x00nul\\n');"
        " w(b'over\\rwritten\\n'); w('\\u202egnp.exe\\n'.encode()); w(b'{\"seq\":1,\"act\":\"run\"}\\n'); w(b'x' * (10 << 20) + b'\\n');"
        " w(b'2026-01-01T00:00:00Z job 1 succeeded\\n'); w(b'\\xff\\xfe\\n'); w(b'last\\n')"
    )
    job = team.start_job("--profile", "none", "--no-send", "--", "/usr/bin/python3", "-c", evil)
    team.wait_job(job)
    whole = subprocess.run(
        [team.binary, "logs", "--data-dir", team.node.data, str(job)],
        capture_output=True,
        env=team.mesh.environment,
        timeout=60,
    )
    team.check(
        whole.returncode == 0 and whole.stdout.endswith(b"last\n") and whole.stdout.count(b"\n") == 9,
        "in a pipe its bytes are not the job's",
    )
    for node in team.mesh.nodes:
        with open(os.path.join(node.data, "daemon.log"), "rb") as stream:
            text = stream.read()
        team.check(
            b"\x1b" not in text and b"\x00" not in text, f"the log of {node.name} holds what could steer a terminal"
        )
    # A name that is shown in tables, and on a terminal.
    done = team.mesh.attempt(
        team.node, "run", "--name", "a\x1b[2J\nb", "--profile", "none", "--no-send", "-d", "--", "true"
    )
    shown = team.node.command("ps", "-a") + team.mesh.attempt(team.node, "inspect", str(job)).stdout
    team.check("\x1b" not in shown, "a name or a command steers the terminal of ps or inspect")
    tried = "refused" if done.returncode else "shown without its escapes"
    said = on_terminal(team, "logs", str(job))
    steering = re.sub(rb"\x1b\[[0-9;:]*[mK]", b"", said)
    team.check(b"last" in said and b"\x1b[31mred" in said, "lines or colours are not shown on a terminal")
    team.check(
        not re.search(rb"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]|\xe2\x80\xae|\xff", steering), "a job steers the terminal of logs"
    )
    team.check(rb"\x1b]0;owned\x07\x1b[2J" in said, "what would steer the terminal is not written out")
    team.check(b"\x1b]0;owned\x07" in on_terminal(team, "logs", "--raw", str(job)), "--raw is not what the job wrote")
    return f"in a pipe byte for byte, on a terminal but for colours written out, with --raw not; daemon logs and tables without escapes; a name with escapes {tried}; lines of 10 MiB and NUL whole"
