"""Run in namespaces of its own: three hosts, a one-off token asked for in both halves of a partition, then healed."""

import os
import subprocess
import sys

import team as red  # noqa: F401  The way to the other modules.
import mesh as meshes
import mint
import netlab


def main():
    lab = netlab.Lab(3)
    try:
        lab.start()
        for host in lab.nodes:
            lab.wait_alive(host, 3, voters=3)
        leader = next(
            lab.node(member["name"]) for member in lab.members(lab.nodes[0]) if member.get("raft") == "leader"
        )
        others = [host for host in lab.nodes if host is not leader]
        line = lab.command(
            leader,
            "token",
            "create",
            "--uses",
            "1",
            *[word for host in lab.nodes for word in ("--address", f"{host.addresses[0]}:7717")],
        )
        path = os.path.join(lab.folder, "guest.token")
        with open(path, "w", encoding="ascii") as stream:
            stream.write(line)

        def ask(host):
            home = os.path.join(lab.folder, f"home-{host.name}")
            os.makedirs(home, exist_ok=True)
            return subprocess.Popen(
                [
                    "nsenter",
                    f"--net=/run/netns/{host.namespace}",
                    lab.binary,
                    "run",
                    "-d",
                    "--yes",
                    "--no-send",
                    "--",
                    "true",
                ],
                env={"PATH": os.environ["PATH"], "HOME": home, "SWARMLET_TOKEN_FILE": path, "CI": "true"},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        lab.split([leader], others)
        meshes.wait_until(
            lambda: any(
                member.get("raft") == "leader" and member["name"] != leader.name for member in lab.members(others[0])
            ),
            "the majority has a leader",
            30,
            0.1,
        )
        asked = {host.name: ask(host) for host in (leader, others[0], others[1])}
        ended = {name: (process.communicate(timeout=120), process.returncode) for name, process in asked.items()}
        lab.heal()
        for host in lab.nodes:
            lab.wait_alive(host, 3, seconds=60, voters=3)
        jobs = [job["id"] for job in lab.nodes[0].command_json("ps", "-a")["jobs"] if job["user"].startswith("token:")]
        good = [name for name, (_, code) in ended.items() if code == 0]
        (_, alone), code = ended[leader.name]
        if len(jobs) != 1 or code == 0 or len(good) != 1:
            print(f"jobs {jobs}; ended {ended}")
            return 1
        again = ask(leader)
        again_said = again.communicate(timeout=60)[1]
        if again.returncode == 0 or "[token.used]" not in again_said:
            print(f"after it was healed: {again.returncode} {again_said}")
            return 1
        why = alone.split("[")[-1].split("]")[0]
        print(
            f"one job, by the majority; the half without a majority said {why}, of two askers in the other half one was given it; "
            "healed, it is used at every node"
        )
        return 0
    finally:
        lab.stop()


if __name__ == "__main__":
    assert mint
    sys.exit(main())
