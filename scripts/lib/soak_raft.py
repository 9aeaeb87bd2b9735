"""SIGKILL of a random voter's daemon again and again, under clients whose history must be linearizable.

  scripts/soak-raft                 ten minutes, a kill every five seconds
  scripts/soak-raft --seconds 30    as in CI
  scripts/soak-raft --seed N        the same victims again
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

import mesh as meshes
from mesh import Mesh, MeshError, wait_until
from raft_bench import load_program


def kill_until(mesh, load, seconds, every, generator):
    """Ends daemons and starts them again until the time is over; how many, and how many of them led."""
    kills, led = 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() + every < end and load.poll() is None:
        next_kill = time.monotonic() + every
        victim = generator.choice(mesh.nodes)
        leading = leads(mesh, victim)
        victim.kill_daemon()
        kills, led = kills + 1, led + leading
        # Between a blink and most of the time to the next one.
        time.sleep(generator.uniform(0, every / 2))
        victim.start_again()
        time.sleep(max(0.0, next_kill - time.monotonic()))
    return kills, led


def leads(mesh, node):
    done = mesh.attempt(node, "members", "--json")
    members = json.loads(done.stdout)["members"] if done.returncode == 0 else []
    return any(member["name"] == node.name and member.get("raft") == "leader" for member in members)


def main():
    arguments = argparse.ArgumentParser(prog="scripts/soak-raft", description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--every", type=float, default=5, metavar="SECONDS", help="between two kills")
    arguments.add_argument("--clients", type=int, default=16)
    arguments.add_argument("--seed", type=int, default=None)
    arguments = arguments.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"soak-raft: seed {seed}", flush=True)

    binary, program = meshes.build_binary(), load_program()
    meshes.exit_on_signals()
    with Mesh(binary, "soak-raft", gpus=0) as mesh:
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        sockets = [os.path.join(node.data, "socket") for node in mesh.nodes]
        load = subprocess.Popen([program, "soak", str(arguments.seconds), str(arguments.clients), str(seed), *sockets],
                                stdout=subprocess.PIPE, text=True)
        try:
            kills, led = kill_until(mesh, load, arguments.seconds, arguments.every, random.Random(seed))
            said, _ = load.communicate(timeout=300)
        finally:
            if load.poll() is None:
                load.kill()
                load.wait()
        if load.returncode not in (0, 1):
            raise MeshError(f"the clients exited {load.returncode}: {said.strip()}")
        wait_until(lambda: all(node.daemon_pid() for node in mesh.nodes), "all daemons run")
    try:
        counts = json.loads(said)
    except ValueError:
        raise MeshError(f"the clients failed: {said.strip()}") from None
    print(json.dumps({"kills": kills, "kills_of_leaders": led, **counts}, separators=(",", ":")))
    if load.returncode != 0:
        print(f"soak-raft: the history is not linearizable; again: scripts/soak-raft --seed {seed}", file=sys.stderr)
    return load.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MeshError as failure:
        print(f"soak-raft: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
