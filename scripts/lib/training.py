"""The example job as the demo and the fault tests run it: its command, its reference, and what its output must be."""

import os
import re
import shutil
import subprocess
import time

import mesh

PYTHON = "/usr/bin/python3"
SCRIPT = os.path.join(mesh.ROOT, "examples", "train_text.py")
STEPS = 1800
MODEL = "model.npz"


def work_folder(parent, name):
    """A new directory with the script in it, to type `run` in."""
    folder = os.path.join(parent, name)
    os.makedirs(folder)
    shutil.copy(SCRIPT, folder)
    return folder


def run_arguments(steps, checkpoint_every="2s", job_name=None):
    """Flags and command of `swarmlet run` for a training of so many steps."""
    arguments = ["-J", job_name] if job_name else []
    arguments += ["--gpus", "1", "--checkpoint", "ckpt", "--checkpoint-every", checkpoint_every, "--out", MODEL, "--"]
    if steps != STEPS:
        # Short runs save more often, so that they too have something to resume from.
        arguments += ["/usr/bin/env", f"TRAIN_STEPS={steps}", "TRAIN_CHECKPOINT_STEPS=20"]
    return arguments + [PYTHON, os.path.basename(SCRIPT)]


def step_of(line):
    found = re.match(r"step (\d+) loss ", line)
    return int(found.group(1)) if found else None


def resumed_step(line):
    found = re.match(r"resumed at step (\d+)$", line)
    return int(found.group(1)) if found else None


def begins_attempt(line):
    return resumed_step(line) is not None or line.startswith("training ")


class Reference:
    """The same training without swarmlet and without interruption, run beside the rest."""

    def __init__(self, parent, name, steps):
        self.folder = work_folder(parent, name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SWARMLET_")}
        environment["TRAIN_STEPS"] = str(steps)
        self.started = time.monotonic()
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.process = subprocess.Popen([PYTHON, os.path.basename(SCRIPT)], cwd=self.folder, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=output)

    def finish(self, seconds=600):
        """(lines, bytes of the model)"""
        if self.process.wait(seconds) != 0:
            raise mesh.MeshError(f"the reference run exited {self.process.returncode}")
        with open(os.path.join(self.folder, "output"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
        with open(os.path.join(self.folder, MODEL), "rb") as stream:
            return lines, stream.read()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def differences(lines, reference_lines):
    """What is wrong with the output of an interrupted run: every step must be there, each as the reference has it.

    Steps may be repeated after a resume; nothing else may differ but the lines an attempt begins with. The last line
    before an interruption may be cut.
    """
    wrong = []
    expected = {step_of(line): line for line in reference_lines if step_of(line) is not None}
    seen, previous = set(), None
    for number, line in enumerate(lines):
        step = step_of(line)
        if begins_attempt(line):
            previous = None
        elif step is not None:
            cut = number + 1 < len(lines) and begins_attempt(lines[number + 1])
            if line != expected.get(step) and not (cut and expected.get(step, "").startswith(line)):
                wrong.append(f"{line!r} where the uninterrupted run has {expected.get(step)!r}")
            if previous is not None and step <= previous:
                wrong.append(f"step {step} after step {previous} within one attempt")
            seen.add(step)
            previous = step
    missing = sorted(set(expected) - seen)
    # What a host had printed and not yet passed on when it died is lost with it; it is repeated after the resume,
    # except where a checkpoint had been saved after it.
    gap = [step for step in missing if not any((resumed_step(line) or 0) >= step for line in lines)]
    if gap:
        wrong.append(f"steps {gap[:5]} are missing")
    if lines[-2:] != reference_lines[-2:]:
        wrong.append(f"the end is {lines[-2:]} where the uninterrupted run has {reference_lines[-2:]}")
    return wrong
