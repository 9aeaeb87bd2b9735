"""Reads the event stream of a Swift Testing run and says what passed, failed and was skipped, and why.

The stream is JSON lines (Swift Testing's ABI, version 0). A test that started and never ended was running when the
process died or hung, so it is named as such.
"""

import argparse
import json
import os
import re
import sys


def read_events(path):
    """The complete lines of the stream; the last one may be cut when the process was killed."""
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


class Run:
    """What happened to each test function of one run."""

    def __init__(self):
        self.tests = {}
        self.started = {}
        self.seconds = {}
        self.skipped = {}
        self.issues = {}
        self.ended = False

    def feed(self, record):
        payload = record.get("payload", {})
        if record.get("kind") == "test":
            if payload.get("kind") == "function":
                self.tests[payload["id"]] = payload
            return
        kind, test = payload.get("kind"), payload.get("testID")
        instant = payload.get("instant", {}).get("absolute", 0.0)
        if kind == "runEnded":
            self.ended = True
        elif kind == "issueRecorded":
            issue = payload.get("issue", {})
            if not issue.get("isKnown", False) and issue.get("isFailure", True):
                text = " ".join(m.get("text", "") for m in payload.get("messages", []))
                self.issues.setdefault(test, []).append((location(issue.get("sourceLocation")), text))
        elif test in self.tests:
            if kind == "testStarted":
                self.started[test] = instant
            elif kind == "testSkipped":
                self.skipped[test] = ", ".join(payload.get("_comments", [])) or reason(payload)
            elif kind == "testEnded":
                self.seconds[test] = instant - self.started.get(test, instant)

    def name(self, test):
        entry = self.tests.get(test, {})
        module = str(test).split(".", 1)[0]
        return f"{module}: {entry.get('displayName') or entry.get('name') or test}"


def location(source):
    if not source:
        return "somewhere"
    return f"{source.get('fileID', '?')}:{source.get('line', '?')}"


def reason(payload):
    """The quoted reason of a message such as: Test "x" skipped: "no io_uring"."""
    for message in payload.get("messages", []):
        found = re.search(r'skipped: "(.*)"$', message.get("text", ""))
        if found:
            return found.group(1)
    return ""


def tail(path, lines=15):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().splitlines()[-lines:]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--events", required=True)
    arguments.add_argument("--status", type=int, required=True, help="exit status of swift test")
    arguments.add_argument("--log", required=True)
    arguments.add_argument("--skipped-max", type=int, required=True)
    arguments.add_argument("--slowest", type=int, default=5)
    arguments = arguments.parse_args()

    run = Run()
    for record in read_events(arguments.events):
        run.feed(record)

    problems = []
    failed = {test for test in run.issues if test in run.tests}
    for test in sorted(run.issues, key=str):
        print(f"FAILED  {run.name(test)}")
        for place, text in run.issues[test][:10]:
            print(f"        {place}: {text}")
        if len(run.issues[test]) > 10:
            print(f"        and {len(run.issues[test]) - 10} more; all are in {arguments.log}")

    unended = [t for t in run.started if t not in run.seconds and t not in run.skipped]
    for test in sorted(unended):
        print(f"CUT     {run.name(test)}: was running when the test process ended")
        failed.add(test)

    for test in sorted(run.skipped):
        print(f"skipped {run.name(test)}: {run.skipped[test] or 'NO REASON GIVEN'}")
        if not run.skipped[test]:
            problems.append(f"{run.name(test)} is skipped without a reason; write .enabled(if:, \"why\")")

    slowest = sorted(run.seconds, key=run.seconds.get, reverse=True)[: arguments.slowest]
    for test in slowest:
        if run.seconds[test] >= 1:
            print(f"slow    {run.seconds[test]:6.1f} s  {run.name(test)}")

    if arguments.status in (124, 137):
        problems.append("the run took too long and was ended")
    elif not run.ended:
        problems.append(f"the test process ended before its run did (exit {arguments.status})")
        print("\n".join("        " + line for line in tail(arguments.log)))
    elif arguments.status != 0 and not failed and not run.issues:
        problems.append(f"swift test exited {arguments.status} (a sanitizer's report?); see {arguments.log}")
    if len(run.skipped) > arguments.skipped_max:
        problems.append(f"{len(run.skipped)} tests were skipped; at most {arguments.skipped_max} may be")
    if not run.tests and not problems:
        problems.append("no test matched")
    for problem in problems:
        print(f"test: {problem}", file=sys.stderr)

    passed = len([t for t in run.seconds if t not in failed])
    sys.stdout.flush()
    print(f"{passed} passed, {len(failed)} failed, {len(run.skipped)} skipped")
    return 1 if problems or failed or run.issues else 0


if __name__ == "__main__":
    sys.exit(main())
