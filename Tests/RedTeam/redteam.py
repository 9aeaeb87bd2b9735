"""Attacks a running mesh of three nodes, row by row (docs/tokens.md, "Red team"). See scripts/redteam --help."""

import argparse
import collections
import json
import sys

import team as red
from team import BROKE, FELL, HELD, IN_PART, LAYER_MISSING, ROWS

import attack_audit  # noqa: F401  Each declares its rows.
import attack_files  # noqa: F401
import attack_floods  # noqa: F401
import attack_gossip  # noqa: F401
import attack_join  # noqa: F401
import attack_leaks  # noqa: F401
import attack_narrowing  # noqa: F401
import attack_raft  # noqa: F401
import attack_sandbox  # noqa: F401
import attack_tokens  # noqa: F401
import attack_uses  # noqa: F401

FAMILIES = {"T": 23, "J": 6, "G": 5, "R": 6, "F": 7, "D": 5, "S": 16, "A": 4, "K": 2}
ALL = [f"{family}{number:02}" for family, count in FAMILIES.items() for number in range(1, count + 1)]


def chosen(words, is_ci):
    """The rows that the words name: whole names, or beginnings such as T or S1."""
    names = [name for name in ALL if not words or any(name.startswith(word.upper()) for word in words)]
    unknown = [word for word in words if not any(name.startswith(word.upper()) for name in ALL)]
    if unknown:
        print(f"redteam: there is no row {unknown[0]}", file=sys.stderr)
        print(f"redteam: rows are {ALL[0]} to {ALL[-1]}: scripts/redteam --help", file=sys.stderr)
        sys.exit(2)
    missing = [name for name in names if name not in ROWS]
    assert not missing, f"rows without an attack: {missing}"
    rows = [ROWS[name] for name in names]
    return [one for one in rows if not (one.needs_root or one.is_slow)] if is_ci else rows


def table(results):
    widths = (4, 34, 30)
    for result in results:
        cells = (result.row.name, result.row.attack, result.row.expected)
        wrapped = [wrap(cell, width) for cell, width in zip(cells, widths)]
        wrapped.append(wrap(result.seen, 60))
        wrapped.append([result.verdict])
        for line in range(max(len(cell) for cell in wrapped)):
            row = [cell[line] if line < len(cell) else "" for cell in wrapped]
            print("  ".join(text.ljust(width) for text, width in zip(row, (*widths, 60, 0))).rstrip())


def wrap(text, width):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--ci", action="store_true")
    parser.add_argument("rows", nargs="*")
    given = parser.parse_args()
    rows = chosen(given.rows, given.ci)
    red.meshes.exit_on_signals()
    team = red.Team(given.long)
    results = []
    try:
        for one in rows:
            result = red.attack(team, one)
            results.append(result)
            print(
                f"{one.name} {result.verdict:13} {result.seconds:5.1f} s  {result.seen[:150]}",
                file=sys.stderr,
                flush=True,
            )
    finally:
        team.stop()
    if given.json:
        for result in results:
            print(
                json.dumps(
                    {
                        "case": result.row.name,
                        "attack": result.row.attack,
                        "expected": result.row.expected,
                        "seen": result.seen,
                        "verdict": result.verdict,
                        "seconds": round(result.seconds, 1),
                    }
                )
            )
    else:
        table(results)
    count = collections.Counter(result.verdict for result in results)
    words = [
        (HELD, "held"),
        (IN_PART, "in part"),
        (LAYER_MISSING, "layer missing"),
        (FELL, "fell"),
        (BROKE, "broke"),
    ]
    said = ", ".join(f"{count[verdict]} {word}" for verdict, word in words if count[verdict] or verdict in (HELD, FELL))
    out = sys.stderr if given.json else sys.stdout
    print(f"{len(results)} cases: {said}; slowest answer of a node after an attack {team.worst_answer:.2f} s", file=out)
    return 1 if count[FELL] or count[BROKE] else 0


if __name__ == "__main__":
    sys.exit(main())
