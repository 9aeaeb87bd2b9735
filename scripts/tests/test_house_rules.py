"""Claims about scripts/lib/house_rules.py: each rule finds its offence, and words in comments and strings are none."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import house_rules  # noqa: E402


def offences(files):
    """Rule -> places, for a tree of only these files; rules that hold are left out."""
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(["git", "init", "-q", root], check=True)
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as stream:
                stream.write(text)
        return {rule: places for rule, places in house_rules.violations(root).items() if places}


class HouseRules(unittest.TestCase):
    def test_a_clean_module_offends_nothing(self):
        self.assertEqual(offences({"Sources/Raft/Log/Log.swift": "import Codec\nimport Glibc\nimport Store\n",
                                   "Sources/Ring/LoopCore.swift": "import Codec\nimport Glibc\n"}), {})

    def test_a_module_may_not_import_one_on_its_own_floor_or_above(self):
        found = offences({"Sources/Codec/A.swift": "import Ring\n", "Sources/Mesh/B.swift": "public import Node\n"})
        self.assertEqual(found["floors respected"],
                         ["Sources/Codec/A.swift:1: Codec (floor -1) imports Ring (floor 0)",
                          "Sources/Mesh/B.swift:1: Mesh (floor 2) imports Node (floor 4)"])

    def test_an_unknown_dependency_is_named(self):
        self.assertIn("import Yams", offences({"Sources/Node/A.swift": "import Yams\n"})["floors respected"][0])

    def test_a_c_library_belongs_to_its_module(self):
        self.assertIn("floors respected", offences({"Sources/Node/A.swift": "import CSQLite\n"}))

    def test_foundation_is_found_in_every_spelling(self):
        for line in ("import Foundation", "@_exported import Foundation", "import struct Foundation.Data",
                     "@preconcurrency import FoundationEssentials", "import Dispatch"):
            self.assertIn("no Foundation under Sources", offences({"Sources/Ring/A.swift": line + "\n"}), line)

    def test_cores_know_no_clock_no_randomness_and_no_tasks(self):
        for line in ("import Glibc", "let x = Int.random(in: 0..<3)", "func f() async {}", "Task { }", "actor A {}",
                     "let now = ContinuousClock.now", "values.shuffled()"):
            self.assertIn("cores are pure", offences({"Sources/Raft/Core/A.swift": line + "\n"}), line)
            self.assertIn("cores are pure", offences({"Sources/Scheduler/State/A.swift": line + "\n"}), line)
            self.assertIn("cores are pure", offences({"Sources/Node/NodeCore+Leases.swift": line + "\n"}), line)

    def test_words_in_comments_and_strings_are_no_offence(self):
        text = '// await nothing, no Task { } and no try? here\nlet s = "async \\" await try?"\nlet t: TaskState = .none\n'
        self.assertEqual(offences({"Sources/Raft/Core/A.swift": text}), {})

    def test_try_question_mark_and_long_files_are_found(self):
        found = offences({"Sources/Node/A.swift": "let x = try? f()\n" + "\n" * 500})
        self.assertEqual(sorted(found), ["files under Sources < 500 lines", "no try? under Sources"])

    def test_unfinished_work_is_found_in_any_file(self):
        self.assertIn("no work left in comments", offences({"docs/a.md": "TO" + "DO: write this\n"}))


if __name__ == "__main__":
    unittest.main()
