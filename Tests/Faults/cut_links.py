"""Run inside a network namespace: three daemons, a job, ten seconds without any link, and the job's end.

Every link of the mesh is the loopback device of this namespace, so taking it down cuts all of them at once; the sockets
of the command line are files and go on working.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "lib"))
import mesh as meshes  # noqa: E402


def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def main():
    link("up")
    with meshes.Mesh(meshes.build_binary(), "cut", nodes=3) as mesh:
        mesh.start()
        node = mesh.nodes[0]
        mesh.wait_alive(node, 3)
        folder = os.path.join(mesh.folder, "work")
        os.makedirs(folder)
        counting = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done"
        job = int(mesh.command(node, "run", "-d", "--no-send", "--", "sh", "-c", counting, cwd=folder).split()[0])
        meshes.wait_until(lambda: mesh.job(node, job).running_on, "the job runs")
        link("down")
        time.sleep(10)
        link("up")
        mesh.wait_alive(node, 3, seconds=60)
        ended = mesh.attempt(node, "wait", str(job), seconds=120)
        detail = mesh.job(node, job)
        clean = [attempt for attempt in detail.attempts if attempt.get("exit_code") == 0]
        said = mesh.command(node, "logs", str(job)).split()
        if ended.returncode != 0 or detail.state != "succeeded" or len(clean) != 1 or said[-8:] != list("12345678"):
            print(f"wait exited {ended.returncode}, job {detail.document}, log {said}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
