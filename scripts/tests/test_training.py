"""Claims about scripts/lib/training.py: which output of an interrupted run is right."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import training  # noqa: E402

REFERENCE = ["training 3 parameters", *[f"step {step} loss {step / 100:.4f}" for step in range(20, 120, 20)],
             "final loss 1.5 0x1.8p+0", "sample 'abc'"]


class Differences(unittest.TestCase):
    def test_an_uninterrupted_run_is_right(self):
        self.assertEqual(training.differences(REFERENCE, REFERENCE), [])

    def test_steps_may_be_repeated_after_a_resume_and_the_last_line_before_it_may_be_cut(self):
        lines = REFERENCE[:4] + ["step 80 lo", "resumed at step 40"] + REFERENCE[3:]
        self.assertEqual(training.differences(lines, REFERENCE), [])

    def test_what_the_lost_host_had_not_passed_on_may_be_missing_only_before_the_checkpoint(self):
        self.assertEqual(training.differences(REFERENCE[:2] + ["resumed at step 60"] + REFERENCE[4:], REFERENCE), [])
        self.assertEqual(training.differences(REFERENCE[:2] + ["resumed at step 20"] + REFERENCE[4:], REFERENCE),
                         ["steps [40, 60] are missing"])

    def test_a_changed_loss_a_repeated_step_and_a_missing_end_are_found(self):
        changed = [line.replace("0.6000", "0.6001") for line in REFERENCE]
        self.assertIn("where the uninterrupted run has", training.differences(changed, REFERENCE)[0])
        self.assertIn("step 20 after step 40 within one attempt",
                      training.differences(REFERENCE[:3] + REFERENCE[1:], REFERENCE))
        self.assertIn("the end is", training.differences(REFERENCE[:-1], REFERENCE)[0])


if __name__ == "__main__":
    unittest.main()
