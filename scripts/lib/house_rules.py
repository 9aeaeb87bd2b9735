"""The house rules that can be read from the sources: floors, purity, sizes, banned words.

Prints one line a rule; exits 1 when one does not hold. `violations(root)` is what the tests of this file call.
"""

import os
import re
import subprocess
import sys

# The floors of docs/architecture.md. A module imports only modules of lower floors; Codec, which has no dependency and
# holds the value types that all share, is the ground that the rest of floor 0 stands on.
FLOORS = {
    "Codec": -1,
    "Store": 0, "Ring": 0,
    "Raft": 1, "Tokens": 1,
    "Mesh": 2, "Scheduler": 2,
    "GPUBackend": 3,
    "Node": 4,
    "Swarmlet": 5,
}

# Which module may see which C library; CLinux is the host's own libc and open to every shell.
C_MODULES = {
    "CBLAKE3": {"Codec"},
    "CUring": {"Ring"},
    "CSQLite": {"Store"},
    "CSodium": {"Tokens", "Mesh", "GPUBackend", "Node"},
    "CBLAKE3": {"Codec"},
    "CLinux": set(FLOORS),
}

SYSTEM_MODULES = {"Swift", "Glibc", "Synchronization", "_Concurrency", "Logging"}

# Where cores live; what Ring and Store call a core is the inner part of a shell.
MODULES_WITH_CORES = {"Raft", "Tokens", "Mesh", "Scheduler", "GPUBackend", "Node"}

# A core sees no clock, no randomness, no I/O and no tasks: all of that comes in as values.
PURE_IMPORTS_REFUSED = {"Glibc", "Synchronization", "_Concurrency", "Logging", "CLinux", "CUring", "CSQLite", "Store",
                        "Ring"}
PURE_WORDS_REFUSED = [
    r"\basync\b", r"\bawait\b", r"\bTask\s*[\{\(\.<]", r"\bactor\s+\w", r"\bContinuousClock\b", r"\bSuspendingClock\b",
    r"\bclock_gettime\b", r"\.random\(", r"\bSystemRandomNumberGenerator\b", r"\.shuffled\(\)", r"\.randomElement\(\)",
    r"\brandombytes_\w+", r"\bprint\(", r"\bDate\(",
]

LINES_MAX = 500
SOURCE_ENDINGS = (".swift", ".c", ".h")


def is_pure(path):
    """A core: a folder named Core, a file named ...Core.swift (or ...Core+Topic.swift), the whole of the scheduler."""
    parts = path.split("/")
    name = parts[-1]
    if not name.endswith(".swift") or parts[0] != "Sources" or parts[1] not in MODULES_WITH_CORES:
        return False
    if parts[:2] == ["Sources", "Scheduler"] or "Core" in parts[:-1]:
        return True
    return re.search(r"Core(\+\w+)?\.swift$", name) is not None or name.startswith("NoiseHandshake")


def without_comments_and_strings(text):
    """The code alone, line by line as before, so that a word in a sentence is no offence."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:\\.|.)*?"""|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


def imports(code):
    """(line number, module) of each import."""
    for number, line in enumerate(code.splitlines(), 1):
        found = re.match(
            r"\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public |internal |private |fileprivate |package )?import\s+"
            r"(?:struct |class |enum |protocol |func |var |let |typealias )?(\w+)", line)
        if found:
            yield number, found.group(1)


def tracked_files(root):
    """Files that are or would be committed, so that build folders are no part of it."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                            check=True, capture_output=True).stdout.decode()
    return sorted(path for path in listed.split("\0") if path and os.path.isfile(os.path.join(root, path)))


def check_imports(path, code, found):
    module = path.split("/")[1]
    if module not in FLOORS:
        return
    for number, name in imports(code):
        place = f"{path}:{number}"
        if name.startswith("Foundation") or name == "Dispatch":
            found["no Foundation under Sources"].append(f"{place}: import {name}")
        elif name in FLOORS:
            if FLOORS[name] >= FLOORS[module]:
                found["floors respected"].append(
                    f"{place}: {module} (floor {FLOORS[module]}) imports {name} (floor {FLOORS[name]})")
        elif name in C_MODULES:
            if module not in C_MODULES[name]:
                found["floors respected"].append(f"{place}: {module} imports {name}, which is for "
                                                 f"{', '.join(sorted(C_MODULES[name]))}")
        elif name not in SYSTEM_MODULES:
            found["floors respected"].append(
                f"{place}: import {name} is not known; a new dependency wants a line in docs/dependencies.md "
                "and in scripts/lib/house_rules.py")
        if is_pure(path) and name in PURE_IMPORTS_REFUSED:
            found["cores are pure"].append(f"{place}: import {name}")


def check_words(path, code, found):
    for number, line in enumerate(code.splitlines(), 1):
        place = f"{path}:{number}"
        if is_pure(path):
            for pattern in PURE_WORDS_REFUSED:
                if re.search(pattern, line):
                    found["cores are pure"].append(f"{place}: {line.strip()}")
                    break
        if re.search(r"\btry\s*\?", line):
            found["no try? under Sources"].append(f"{place}: {line.strip()}")


RULES = ["no Foundation under Sources", "floors respected", "cores are pure", f"files under Sources < {LINES_MAX} lines",
         "no try? under Sources", "no work left in comments", "no path of the machine it was written on"]

UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/" + r"work/(helpers|main|shared)")


def violations(root):
    """Rule name -> places where it does not hold."""
    found = {rule: [] for rule in RULES}
    for path in tracked_files(root):
        if path.endswith((".png", ".svg", ".bin")) or path.startswith("LICENSE"):
            continue
        try:
            with open(os.path.join(root, path), encoding="utf-8") as stream:
                text = stream.read()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if UNFINISHED.search(line):
                found["no work left in comments"].append(f"{path}:{number}: {line.strip()}")
            if MACHINE_PATH.search(line):
                found["no path of the machine it was written on"].append(f"{path}:{number}: {line.strip()}")
        if not path.startswith("Sources/") or not path.endswith(SOURCE_ENDINGS):
            continue
        lines = text.count("\n")
        if lines >= LINES_MAX:
            found[f"files under Sources < {LINES_MAX} lines"].append(f"{path}: {lines} lines")
        if path.endswith(".swift"):
            code = without_comments_and_strings(text)
            check_imports(path, code, found)
            check_words(path, code, found)
    return found


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    failed = False
    for rule, places in violations(root).items():
        print(f"{'FAIL' if places else 'ok':4}  {rule}")
        for place in places[:30]:
            print(f"      {place}")
        if len(places) > 30:
            print(f"      and {len(places) - 30} more")
        failed = failed or bool(places)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
