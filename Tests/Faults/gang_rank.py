"""One rank of a gang: meets the others at MASTER_ADDR:MASTER_PORT, says what it was told, counts on from its checkpoint.

    gang_rank.py STEPS [PAUSE]

All ranks go from step to step together, so that one that is gone stops the others. Rank 0 keeps the step that was
reached in ckpt/step.pt, now and then; every rank begins with what it finds there.
"""

import json
import os
import socket
import sys
import time

# A file counts once it has stayed as it is for a tenth of a second.
SAVE_EVERY = 25
NAMES = ["MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "PET_NNODES",
         "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_RDZV_BACKEND",
         "PET_RDZV_ENDPOINT", "PET_RDZV_ID", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "SWARMLET_NODE",
         "SWARMLET_ATTEMPT", "CUDA_VISIBLE_DEVICES", "SWARMLET_GPUS"]


def say(word, **more):
    print(json.dumps({"word": word, "attempt": int(os.environ["SWARMLET_ATTEMPT"]), **more}),
          flush=True)


def saved_step():
    try:
        with open("ckpt/step.pt", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


def save(step):
    with open("ckpt/step.tmp", "w", encoding="ascii") as file:
        file.write(str(step))
    os.rename("ckpt/step.tmp", "ckpt/step.pt")


def meet(rank, world, address):
    """Connections to all others for rank 0, the one to rank 0 for the others."""
    if rank == 0:
        server = socket.socket()
        server.bind(address)
        server.listen(world)
        return [server.accept()[0] for _ in range(world - 1)]
    while True:
        try:
            return [socket.create_connection(address, timeout=60)]
        except ConnectionRefusedError:
            time.sleep(0.05)


def main():
    steps, pause = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    with open(os.environ["SWARMLET_HOSTFILE"], encoding="ascii") as file:
        hosts = file.read().splitlines()
    step = saved_step()
    say("began", step=step, hosts=hosts, environment={name: os.environ.get(name) for name in NAMES})
    links = meet(rank, world, (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
    while step < steps:
        for link in links:
            link.sendall(b"s")
        if any(link.recv(1) != b"s" for link in links):
            sys.exit(9)
        step += 1
        if rank == 0 and step % SAVE_EVERY == 0:
            save(step)
        time.sleep(pause)
    say("done", step=step)


main()
