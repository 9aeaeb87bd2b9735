#!/usr/bin/env python3
"""Starts as Open MPI's mpirun does: a daemon on every other host by the agent, which connects back and starts the processes.

    mpirun_stand_in.py -np COUNT COMMAND...     begins on the first host
    mpirun_stand_in.py daemon ADDRESS PORT NUMBER

Says in JSON what it was told, what each daemon found, and what the agents came to. Hosts are called by their numbers, since
those of these tests have one address.
"""

import json
import os
import shlex
import socket
import subprocess
import sys


def found():
    return {"node": os.environ["SWARMLET_NODE"], "user": os.getuid(), "folder": os.getcwd(),
            "rank": os.environ.get("RANK"), "job": os.environ["SWARMLET_JOB_ID"], "input": sys.stdin.read()}


def daemon(address, port, number):
    with socket.create_connection((address, int(port)), timeout=60) as home:
        with home.makefile("rw") as lines:
            lines.write(json.dumps({"number": int(number), **found()}) + "\n")
            lines.flush()
            order = json.loads(lines.readline())
    print(f"output of {number}", flush=True)
    print(f"error of {number}", file=sys.stderr, flush=True)
    if order["command"]:
        subprocess.run(order["command"], check=False)
    sys.exit(order["code"])


def launcher(words):
    count, command = (int(words[1]), words[2:]) if words[0] == "-np" else (0, words)
    with open(os.environ["OMPI_MCA_orte_default_hostfile"], encoding="ascii") as file:
        hosts = file.read().splitlines()
    with open(os.environ["HYDRA_HOST_FILE"], encoding="ascii") as file:
        hydra = file.read().splitlines()
    server = socket.socket()
    server.bind((os.environ["MASTER_ADDR"], 0))
    server.listen(len(hosts))
    port = server.getsockname()[1]
    agents = []
    for number in range(1, len(hosts)):
        line = f"cd {shlex.quote(os.getcwd())} && exec /usr/bin/python3 {shlex.quote(os.path.abspath(__file__))}"
        agents.append(subprocess.Popen(
            [os.environ["OMPI_MCA_plm_rsh_agent"], "-x", f"user@{number}", f"{line} daemon", os.environ["MASTER_ADDR"],
             str(port), str(number)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    daemons = []
    for _ in agents:
        with server.accept()[0] as link, link.makefile("rw") as lines:
            one = json.loads(lines.readline())
            daemons.append(one)
            lines.write(json.dumps({"command": command, "code": 10 + one["number"]}) + "\n")
            lines.flush()
    ends = []
    for agent in agents:
        output, error = agent.communicate(timeout=60)
        ends.append({"code": agent.returncode, "output": output, "error": error})
    print(json.dumps({"count": count, "hosts": hosts, "hydra": hydra, "rank": os.environ.get("RANK"),
                      "shell": os.environ.get("SHELL"), "daemons": daemons, "ends": ends,
                      "node": os.environ["SWARMLET_NODE"]}), flush=True)


if sys.argv[1] == "daemon":
    daemon(*sys.argv[2:5])
else:
    launcher(sys.argv[1:])
