"""SIGKILL of the leader's daemon, again and again, while clients outside the mesh use tokens that start one job each. Each
token is used exactly once or not at all, and its holder is told which.

  scripts/soak-tokens                 50 rounds
  scripts/soak-tokens --rounds 5      as in CI
  scripts/soak-tokens --seed N        the same moments again
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

ISSUERS = 8
JOBS_PER_COMMAND = 200


def issuers(mesh, program, count):
    """Keys that may issue tokens of the mesh; their seeds, joined by commas."""
    seeds = []
    for number in range(count):
        seed, key = subprocess.run([program, "key"], capture_output=True, text=True, check=True).stdout.split()
        mesh.nodes[0].command("token", "issuer", "add", key, f"soak{number}")
        seeds.append(seed)
    return ",".join(seeds)


def model(mesh):
    """A file with a token, like which the clients make theirs."""
    path = os.path.join(mesh.folder, "model.token")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(mesh.nodes[0].command("token", "create", "--uses", "1"))
    return path


def rest(mesh):
    """What is started stays where it is: the log is asked here, and no host."""
    for node in mesh.nodes:
        mesh.nodes[0].command("node", "cordon", node.name)


def leader(mesh):
    def found():
        for node in mesh.nodes:
            done = mesh.attempt(node, "members", "--json")
            members = json.loads(done.stdout)["members"] if done.returncode == 0 else []
            for member in members:
                if member.get("raft") == "leader":
                    return mesh.node(member["name"])
        return None

    return wait_until(found, "somebody leads", every=0.05)


def one_round(mesh, program, seeds, path, arguments, generator):
    """What the clients were told while the leader died."""
    victim = leader(mesh)
    load = subprocess.Popen([program, "once", seeds, path, str(arguments.clients), str(arguments.tokens)],
                            stdout=subprocess.PIPE, text=True)
    try:
        # Anywhere in the time that a round takes without a death.
        time.sleep(generator.uniform(0, arguments.within))
        victim.kill_daemon()
        time.sleep(generator.uniform(0, 0.5))
        victim.start_again()
        said, _ = load.communicate(timeout=600)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    if load.returncode != 0:
        raise MeshError(f"the clients failed: {said.strip()}")
    return json.loads(said)


def violations(told, tokens, newest):
    """What cannot be, in sentences; `told` and what the mesh says of each token, by its name."""
    found = []
    used = [answer for answer in told.values() if answer["job"] is not None]
    for name, answer in told.items():
        jobs = tokens.get(name, [])
        if answer["job"] is not None and jobs != [answer["job"]]:
            found.append(f"{name}: told job {answer['job']}, the mesh says {jobs}")
        if answer["job"] is None and answer["code"] is not None and jobs:
            found.append(f"{name}: told {answer['code']}, the mesh says {jobs}")
        if answer["job"] is None and answer["code"] is None:
            found.append(f"{name}: nobody was told what became of it; the mesh says {jobs}")
    for name, jobs in tokens.items():
        if jobs and name not in told:
            found.append(f"{name}: used by nobody, the mesh says {jobs}")
    if newest != len(used):
        found.append(f"{len(used)} tokens were used, and there are {newest} jobs")
    return found


def cancel(mesh, jobs):
    for place in range(0, len(jobs), JOBS_PER_COMMAND):
        words = [str(job) for job in jobs[place:place + JOBS_PER_COMMAND]]
        wait_until(lambda: mesh.attempt(mesh.nodes[0], "cancel", *words).returncode == 0, "jobs are cancelled", every=0.1)


def soak(mesh, program, arguments, generator):
    seeds, path = issuers(mesh, program, ISSUERS), model(mesh)
    rest(mesh)
    told, wrong, tries, slowest = {}, [], 0, 0.0
    for number in range(arguments.rounds):
        began = time.monotonic()
        result = one_round(mesh, program, seeds, path, arguments, generator)
        slowest = max(slowest, time.monotonic() - began)
        wrong += result["wrong"]
        told |= {answer["name"]: answer for answer in result["tokens"]}
        tries = max([tries] + [answer["tries"] for answer in result["tokens"]])
        cancel(mesh, [answer["job"] for answer in result["tokens"] if answer["job"] is not None])
        wait_until(lambda: all(mesh.attempt(node, "members").returncode == 0 for node in mesh.nodes), "all daemons answer")
        if (number + 1) % 10 == 0:
            print(f"soak-tokens: {number + 1} rounds, {len(told)} tokens", file=sys.stderr, flush=True)
    listed = mesh.nodes[0].command_json("token", "ls")["tokens"]
    jobs = {token["name"]: token["jobs"] for token in listed}
    newest = max([job for each in jobs.values() for job in each], default=0)
    return told, wrong + violations(told, jobs, newest), tries, slowest


def main():
    arguments = argparse.ArgumentParser(prog="scripts/soak-tokens", description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=50)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--tokens", type=int, default=4, help="of each client in each round")
    arguments.add_argument("--within", type=float, default=0.3, metavar="SECONDS", help="the leader dies so soon")
    arguments.add_argument("--seed", type=int, default=None)
    arguments = arguments.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"soak-tokens: seed {seed}", file=sys.stderr, flush=True)

    binary, program = meshes.build_binary(), load_program()
    meshes.exit_on_signals()
    with Mesh(binary, "soak-tokens", gpus=0) as mesh:
        mesh.start()
        mesh.wait_alive(mesh.nodes[0], 3, voters=3)
        told, wrong, tries, slowest = soak(mesh, program, arguments, random.Random(seed))
    used = sum(answer["job"] is not None for answer in told.values())
    codes = {}
    for answer in told.values():
        if answer["job"] is None:
            codes[answer["code"]] = codes.get(answer["code"], 0) + 1
    rows = [("leaders killed", arguments.rounds), ("tokens of one use", len(told)), ("used exactly once", used)]
    rows += [(f"not used, told {code}", count) for code, count in sorted(codes.items(), key=str)]
    rows += [("most tries of one request", tries), ("slowest round, s", round(slowest, 1)), ("wrong", len(wrong))]
    for name, value in rows:
        print(f"{name:<32} {value}", file=sys.stderr)
    print(json.dumps({"rounds": arguments.rounds, "tokens": len(told), "used": used, "refused": codes, "tries_max": tries,
                      "wrong": len(wrong)}, separators=(",", ":")))
    for line in wrong[:20]:
        print(f"soak-tokens: {line}", file=sys.stderr)
    if wrong:
        print(f"soak-tokens: again: scripts/soak-tokens --seed {seed}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MeshError as failure:
        print(f"soak-tokens: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
