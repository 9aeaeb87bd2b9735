"""The main job, end to end: a real training survives the loss of its host, on a mesh of three daemons on this machine.

  scripts/demo            sets up, builds, runs both parts (about two minutes after the first build)
  scripts/demo --quick    the same with a shorter training
  scripts/demo --keep     leaves the data directories and logs, and says where

Part 1 kills the host that the training runs on (daemon, supervisor and job, by SIGKILL) half way; part 2 kills only the
daemon of a host with a running job. Exits 0 only when everything that the last lines list is so.
"""

import argparse
import os
import sys
import time

import mesh as meshes
import processes
import training
from mesh import MeshError, wait_until

QUICK_STEPS = 700
ADOPTION_STEPS = 500
RECOVERY_SECONDS_MAX = 60


class Story:
    """Prints what happens with the time since the start of a part, and keeps what has been checked."""

    def __init__(self):
        self.origin = time.monotonic()
        self.failed = []

    def part(self, title):
        self.origin = time.monotonic()
        print(f"\n== {title}", flush=True)

    def tell(self, text, when=None):
        seconds = (time.monotonic() if when is None else when) - self.origin
        print(f"{seconds:7.2f} s  {text}", flush=True)

    def check(self, holds, claim):
        print(f"{'  ok  ' if holds else ' FAIL '}  {claim}", flush=True)
        if not holds:
            self.failed.append(claim)


def show_output(story, every_steps):
    """A listener that prints the job's lines as they come, thinned out, and all that swarmlet says."""
    def listener(when, line, is_error):
        step = training.step_of(line)
        if is_error:
            story.tell(line, when)
        elif step is None or step % every_steps == 0:
            story.tell(f"  | {line}", when)
    return listener


def submit(mesh, story, steps, nodes, name):
    """Submits the training from the first of the nodes that it does not land on itself; (run, submitter, host, job).

    The run is followed from another host than the one that will be lost, as a person at a desk would.
    """
    for number, submitter in enumerate(nodes, 1):
        folder = training.work_folder(mesh.folder, f"work-{name}-{number}")
        before = mesh.newest_job(submitter)
        run = mesh.run(submitter, *training.run_arguments(steps, job_name=name), cwd=folder)
        story.tell(f"submitted on {submitter.name}: swarmlet run {' '.join(training.run_arguments(steps, job_name=name))}",
                   run.started)
        job = wait_until(lambda: (lambda newest: newest if newest != before else None)(mesh.newest_job(submitter)),
                         "the job is known", 20)
        host = mesh.wait_running(submitter, job)
        run.listener = show_output(story, 200 if steps > 600 else 100)
        story.tell(f"started: job {job}, attempt 1 on {host}")
        if host != submitter.name:
            return run, submitter, mesh.node(host), job, folder
        story.tell(f"{host} is also where it was submitted; once more from another node")
        submitter.command("cancel", str(job))
        run.finish(30)
    raise MeshError("every submit landed on the node that it was typed on")


def lose_host(mesh, story, steps, reference):
    """Part 1: the host is lost half way; the job ends elsewhere with the same bits."""
    story.part("1. The host of a running training is lost")
    run, submitter, host, job, folder = submit(mesh, story, steps, mesh.nodes, "train")

    run.wait_line(lambda line: (training.step_of(line) or 0) >= steps // 2, "half of the training", 300)
    wait_until(lambda: mesh.job(submitter, job).checkpoints, "a checkpoint is safe on another node", 30)
    checkpoint = mesh.job(submitter, job).checkpoints[-1]
    killed_at = time.monotonic()
    count = host.kill_host()
    story.tell(f"killed {host.name} with SIGKILL: daemon, supervisor and job ({count} processes); newest safe checkpoint "
               f"{checkpoint['number']} on {', '.join(checkpoint['holders'])}", killed_at)

    noticed_at, _ = run.wait_line(lambda line: "has not answered" in line, "the loss is noticed", RECOVERY_SECONDS_MAX,
                                  errors=True)
    resumed_at, line = run.wait_line(lambda line: training.resumed_step(line) is not None, "the training resumes",
                                     RECOVERY_SECONDS_MAX, after=killed_at)
    resumed = training.resumed_step(line)
    exit_code = run.finish(300)
    finished_at = time.monotonic()
    reference_lines, reference_model = reference.finish()
    lines = [line for _, line in run.out]
    detail = mesh.job(submitter, job)

    print("\ntimeline")
    for label, when in (("submitted", run.started), (f"killed {host.name}", killed_at), ("noticed", noticed_at),
                        (f"resumed at step {resumed}", resumed_at), ("finished", finished_at)):
        story.tell(label, when)
    print(f"recovery: {resumed_at - killed_at:.2f} s from SIGKILL to the first line of the resumed training "
          f"(noticed after {noticed_at - killed_at:.2f} s)\n", flush=True)

    attempts = sorted(detail.attempts, key=lambda attempt: attempt["number"])
    story.check(exit_code == 0, f"run exited with the job's exit code, 0 (got {exit_code})")
    story.check(detail.state == "succeeded" and len(attempts) == 2, "the job succeeded in exactly 2 attempts")
    story.check(attempts[0]["node"] == host.name and attempts[-1]["node"] != host.name,
                "attempt 1 ran on the lost host, attempt 2 on another")
    story.check(resumed > 0, f"attempt 2 resumed from a checkpoint (step {resumed}), not from the beginning")
    wrong = training.differences(lines, reference_lines)
    story.check(not wrong, "every line of output equals the uninterrupted run's" + "".join(f"; {w}" for w in wrong[:3]))
    story.check(lines[-2:] == reference_lines[-2:],
                f"the final loss equals the uninterrupted run's bit for bit: {reference_lines[-2].split()[-1]}")
    story.check(read(os.path.join(folder, training.MODEL)) == reference_model,
                f"{training.MODEL} came to the directory where run was typed, equal byte for byte")
    return host


def lose_daemon(mesh, story, reference):
    """Part 2: only the daemon dies; the job goes on and the restarted daemon adopts it."""
    story.part("2. Only the daemon of a host with a running job is killed")
    run, submitter, host, job, folder = submit(mesh, story, ADOPTION_STEPS, mesh.nodes, "adopt")
    run.wait_line(lambda line: (training.step_of(line) or 0) >= ADOPTION_STEPS // 4, "a quarter of the training", 120)
    trainer = trainer_pid(host)
    daemon = host.daemon_pid()
    killed_at = time.monotonic()
    host.kill_daemon()
    story.tell(f"killed the daemon of {host.name} (pid {daemon}) with SIGKILL", killed_at)
    story.check(processes.alive(trainer), f"the training (pid {trainer}) still runs")
    host.start_again()
    story.tell(f"the daemon of {host.name} runs again (pid {host.daemon_pid()})")
    exit_code = run.finish(180)
    story.tell("finished")
    reference_lines, reference_model = reference.finish()
    lines = [line for _, line in run.out]
    detail = mesh.job(submitter, job)
    print()
    story.check(exit_code == 0, f"run exited with the job's exit code, 0 (got {exit_code})")
    story.check(detail.state == "succeeded" and len(detail.attempts) == 1,
                f"the job succeeded in its first attempt, adopted by the new daemon (attempts: {len(detail.attempts)})")
    story.check(lines == reference_lines, "no line of output was lost, repeated or changed")
    story.check(read(os.path.join(folder, training.MODEL)) == reference_model,
                f"{training.MODEL} is equal byte for byte to that of an uninterrupted run")


def trainer_pid(host):
    """The process of the training itself below the supervisor."""
    def find():
        return next((pid for pid in host.job_pids()
                     if os.path.basename(training.SCRIPT) in processes.command_line(pid)
                     and "python" in os.path.basename(processes.command_line(pid)[0])), None)
    return wait_until(find, f"the training runs below a supervisor of {host.name}", 10)


def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def main():
    arguments = argparse.ArgumentParser(prog="scripts/demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="a shorter training in part 1")
    arguments.add_argument("--keep", action="store_true", help="leave data directories and logs")
    arguments = arguments.parse_args()
    steps = QUICK_STEPS if arguments.quick else training.STEPS

    binary = meshes.build_binary(say=lambda line: print(line, flush=True))
    meshes.exit_on_signals()
    story = Story()
    references = []
    with meshes.Mesh(binary, "demo", nodes=3, gpus=2, keep=arguments.keep) as mesh:
        try:
            references.append(training.Reference(mesh.folder, "reference-train", steps))
            story.part("0. Three daemons on this machine, each with 2 simulated GPUs (no real GPU is used)")
            mesh.start()
            mesh.wait_alive(mesh.nodes[0], 3, voters=3)
            story.tell("three members, joined by invitation:")
            print(mesh.nodes[0].command("members"), end="", flush=True)

            lost = lose_host(mesh, story, steps, references[0])
            lost.start_again()
            mesh.wait_alive(mesh.nodes[0], 3)
            story.tell(f"{lost.name} was started again and is back in the mesh")

            references.append(training.Reference(mesh.folder, "reference-adopt", ADOPTION_STEPS))
            lose_daemon(mesh, story, references[1])
        finally:
            for reference in references:
                reference.end()
    left = [pid for pid in mesh.ended if processes.alive(pid)]
    story.check(not left and (arguments.keep or not os.path.exists(mesh.folder)), "nothing is left running or on disk")
    if story.failed:
        print(f"\ndemo: {len(story.failed)} of the claims above do not hold", file=sys.stderr)
        return 1
    print("\ndemo: all of it held")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (MeshError, TimeoutError) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
