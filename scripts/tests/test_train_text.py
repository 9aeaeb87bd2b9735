"""Claims about the example job: a run that was killed and resumed ends with the same bits as one that was not."""

import os
import signal
import subprocess
import tempfile
import unittest

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "train_text.py")
STEPS, CHECKPOINT_STEPS = 120, 25


def start(folder, checkpoints=None, resume=False):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARMLET_")}
    environment.update(TRAIN_STEPS=str(STEPS), TRAIN_CHECKPOINT_STEPS=str(CHECKPOINT_STEPS))
    if checkpoints:
        environment["SWARMLET_CHECKPOINT_DIR"] = checkpoints
    if resume:
        environment["SWARMLET_RESUME"] = "1"
    return subprocess.Popen(["/usr/bin/python3", TRAIN], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=120)
    if process.returncode != 0:
        raise AssertionError(f"training exited {process.returncode}: {output}")
    return output.splitlines()


def model(folder):
    with open(os.path.join(folder, "model.npz"), "rb") as stream:
        return stream.read()


class TrainText(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.lines = finish(start(cls.folder.name))
        cls.model = model(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_killed_and_resumed_run_ends_with_the_same_bits(self):
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = os.path.join(folder, "ckpt")
            first = start(folder, checkpoints)
            seen = []
            for line in first.stdout:
                seen.append(line.strip())
                # Past the checkpoint at 25, inside the steps to the next one.
                if line.startswith("step 40 "):
                    first.send_signal(signal.SIGKILL)
                    break
            first.stdout.close()
            self.assertEqual(first.wait(), -signal.SIGKILL)

            lines = finish(start(folder, checkpoints, resume=True))
            self.assertRegex(lines[0], r"^resumed at step (25|50|75)$")
            step = int(lines[0].split()[-1])
            progress = [line for line in self.lines if line.startswith("step ") and int(line.split()[1]) > step]
            self.assertEqual(lines[1:], progress + self.lines[-2:])
            self.assertEqual(model(folder), self.model)
            self.assertEqual(os.listdir(checkpoints), ["train.ckpt"])

    def test_without_resume_a_checkpoint_that_lies_there_is_not_used(self):
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = os.path.join(folder, "ckpt")
            finish(start(folder, checkpoints))
            self.assertEqual(finish(start(folder, checkpoints)), self.lines)

    def test_resume_without_a_checkpoint_starts_at_the_beginning(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(finish(start(folder, os.path.join(folder, "ckpt"), resume=True)), self.lines)

    def test_the_loss_falls(self):
        losses = [float(line.split()[3]) for line in self.lines if line.startswith("step ")]
        self.assertLess(losses[-1], losses[0] - 0.5)


if __name__ == "__main__":
    unittest.main()
