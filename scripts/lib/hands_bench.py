"""What a host costs while its jobs run: taking them over after a restart, their logs on the way to somebody else, and memory
while nothing happens."""

import os
import resource
import statistics
import subprocess
import time

from mesh import Mesh, wait_until

LINE = "x" * 79
# Waits until somebody follows, so that all of it is on its way at once.
WRITES = f"""
import os, sys, time
while not os.path.exists("go"):
    time.sleep(0.01)
for _ in range(int(sys.argv[1]) // 1000):
    os.write(1, b"{LINE}\\n" * 1000)
"""


def cpu_seconds(pid):
    """User and system time of a process with all its threads (proc(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid, name):
    """A line of smaps_rollup in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith(name + ":"))


def sleepers(mesh, count):
    """So many jobs that sleep, each with a supervisor of its own."""
    node = mesh.nodes[0]
    for _ in range(count):
        node.command("run", "-d", "--no-send", "--cpus", "0.001", "--mem", "4M", "--", "sleep", "3600")
    states = lambda: [job["state"] for job in node.command_json("ps")["jobs"]]  # noqa: E731
    wait_until(lambda: states().count("running") == count, f"{count} jobs run", seconds=120, every=0.2)


def bench_adopt(report, binary, runs):
    """A daemon that is killed with 200 jobs under it: from the start of the next one until it has them all."""
    count, taken = 200, []
    with Mesh(binary, "adopt", nodes=1) as mesh:
        mesh.start()
        node = mesh.nodes[0]
        bare = []
        for _ in range(runs or 3):
            node.kill_daemon()
            started = time.monotonic()
            node.start_again()
            bare.append(time.monotonic() - started)
        sleepers(mesh, count)
        before = set(node.job_pids())
        for _ in range(runs or 3):
            node.kill_daemon()
            started = time.monotonic()
            # It answers once it has taken over what it found.
            node.start_again()
            taken.append(time.monotonic() - started)
        assert before <= set(node.job_pids()), "jobs were lost"
        report.add("adopt.200", statistics.median(taken) * 1000, "ms", len(taken), [min(taken) * 1000, max(taken) * 1000],
                   "the same without jobs", statistics.median(bare) * 1000)
        idle(report, mesh, f"with {count} jobs", count)


def bench_idle(report, binary, runs):
    """Memory with 100 jobs of which none does anything."""
    with Mesh(binary, "idle", nodes=1) as mesh:
        mesh.start()
        wait_until(lambda: mesh.nodes[0].daemon_pid(), "the daemon runs")
        alone = memory(mesh.nodes[0].daemon_pid(), "Rss")
        sleepers(mesh, 100)
        idle(report, mesh, "with 100 jobs", 100, alone)


def idle(report, mesh, name, count, alone=None):
    node = mesh.nodes[0]
    supervisors = list(node.supervisor_pids().values())
    report.add(f"idle.daemon {name}", memory(node.daemon_pid(), "Rss") / 1e6, "MB resident", 1, None,
               "without jobs" if alone else None, alone / 1e6 if alone else None)
    report.add(f"idle.supervisor {name}", sum(memory(pid, "Pss") for pid in supervisors) / 1e6 / count,
               "MB of its own and its share", count)


def bench_logs(report, binary, runs):
    """Lines of one job through to a client on another node, and what each million of them costs all who touch them."""
    lines, rates, costs, bare = 1_000_000, [], [], []
    with Mesh(binary, "logs", nodes=2) as mesh:
        mesh.start()
        client, host = mesh.nodes
        mesh.wait_alive(client, 2)
        client.command("node", "cordon", client.name)
        folder = os.path.join(mesh.folder, "work")
        os.makedirs(folder, exist_ok=True)
        for _ in range(runs or 3):
            job = int(client.command("run", "-d", "--no-send", "--", "python3", "-c", WRITES, str(lines)).split()[0])
            mesh.wait_running(client, job)
            arguments = [mesh.binary, *mesh.arguments(client, ["logs", "-f", str(job)])]
            reader = subprocess.Popen(arguments, env=mesh.environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE)
            watched = [client.daemon_pid(), host.daemon_pid(), host.supervisor_pids()[str(job)]]
            before = sum(cpu_seconds(pid) for pid in watched)
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            go = os.path.join(host.data, "work", f"{job}.0.1", "go")
            with open(go, "w", encoding="utf-8"):
                pass
            started, count = time.monotonic(), 0
            while count < lines * (len(LINE) + 1):
                piece = reader.stdout.read1(1 << 20)
                if not piece:
                    break
                count += len(piece)
            seconds = time.monotonic() - started
            after = sum(cpu_seconds(pid) for pid in watched)
            reader.wait(30)
            reader.stdout.close()
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime
            assert count == lines * (len(LINE) + 1), f"{count} bytes came"
            rates.append(lines / seconds)
            costs.append(after - before + own)
        with open(os.path.join(folder, "go"), "w", encoding="utf-8"):
            pass
        piped = f"python3 -c '{WRITES}' {lines} | cat > /dev/null"
        for _ in range(runs or 3):
            started = time.monotonic()
            subprocess.run(["sh", "-c", piped], check=True, cwd=folder)
            bare.append(lines / (time.monotonic() - started))
        report.add("logs.lines", statistics.median(rates), "per s", len(rates), [min(rates), max(rates)],
                   "the same through a pipe", statistics.median(bare), higher_is_better=True)
        report.add("logs.cpu", statistics.median(costs), "s per million lines", len(costs), [min(costs), max(costs)])
