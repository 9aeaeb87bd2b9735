"""Measures the replicated state with a million tasks in it: no daemon, one thread."""

import json

from raft_bench import script

# The limits of docs/benchmarks.md for what holds the control ring, and for what a waiting task may take.
LIMITS = {"state.apply_p999": 2, "state.apply_max": 2, "state.copy": 2, "state.write_after_copy": 2,
          "state.snapshot_chunk_max": 2, "state.placement_slice_max": 2, "state.bytes_per_task": 300,
          "state.bytes_per_task.array": 300}


def bench_state(report, _binary, _runs):
    for line in map(json.loads, script("simulate", "--state-speed").splitlines()):
        limit = LIMITS.get(line["name"])
        report.add(line["name"], line["value"], line["unit"], peer="limit" if limit else None, peer_value=limit,
                   higher_is_better=line["unit"].endswith("/s") or line["unit"] == "per s")
