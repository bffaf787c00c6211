"""What aligning identifiers costs, beside openmined-psi in the same run.

    python benchmarks/psi.py --json FILE [--ids 100000] [--repeats 3]

The sites run in one process, and what they can do at the same time they do at the same time, as on
machines of their own, but on these cores. openmined-psi has no threads, so its time is given twice:
its four phases one after the other, and as if client and server, on a core each, did their first
phases at the same time. Half of a site's identifiers are shared. The best of the repeats counts.

Where others use the machine, a process gets about the same share of it with two threads as with
one, and the seconds say little of either. `speedup_two_free_cores` is by processor time: what
openmined-psi takes on its one core, over what EduFed's would be if two shared it evenly.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from edufed.privacy.keys import identity_public
from edufed.privacy.post import PostOffice
from edufed.privacy.psi import KeyedHashMatcher, KeyedHashSite, PsiPlan, PsiSite
from edufed.privacy.psi.plan import Method, Mode

GOAL = 3.0
CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--ids", type=int, default=100_000, help="identifiers of each site")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the best counts")
    options = parser.parse_args()
    runs: list[Callable[[], dict[str, Any]]] = [
        lambda: ours(options.ids, 2, "all"),
        lambda: openmined(options.ids),
        lambda: ours(options.ids, 2, "each"),
        lambda: ours(options.ids, 3, "all"),
        lambda: keyed_hash(options.ids, 2),
    ]
    # Round after round, so that whatever else the machine does falls on all alike.
    rounds = [[run() for run in runs] for _ in range(options.repeats)]
    rows = [best(list(repeats)) for repeats in zip(*rounds, strict=True)]
    reached = goals(rows[0], rows[1])
    result = {
        "command": f"python benchmarks/psi.py --ids {options.ids} --repeats {options.repeats}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "rows": rows,
        "goals": reached,
    }
    show(rows, reached, options.ids)
    if options.json:
        temporary = options.json.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        os.replace(temporary, options.json)


def ours(ids: int, count: int, mode: Mode) -> dict[str, Any]:
    plan, keys = settings(count, mode, "ecdh")
    given = identifiers(ids, count)
    start, busy = time.perf_counter(), time.process_time()
    sites = {name: PsiSite(plan, name, keys[name], given[name]) for name in plan.names}
    office, trips = PostOffice(plan.names), 0
    while not office.done:
        trips += 1
        requests = office.requests()
        with ThreadPoolExecutor(count) as pool:
            answers = {n: pool.submit(sites[n].answer, r) for n, r in requests.items()}
        for name, answer in answers.items():
            office.add(name, answer.result())
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    last = sites[plan.others[-1]].alignment
    assert last is not None
    assert last.present.sum() == ids // 2
    return {
        "method": f"edufed, {mode}",
        "sites": count,
        "ids": ids,
        "seconds": seconds,
        "processor_seconds": busy,
        "rows_per_second": ids / seconds,
        "bytes": sum(size for _, _, size in office.carried),
        "trips": trips,
    }


def keyed_hash(ids: int, count: int) -> dict[str, Any]:
    plan, _ = settings(count, "all", "keyed_hash")
    given = identifiers(ids, count)
    start, busy = time.perf_counter(), time.process_time()
    secret = os.urandom(32)
    sites = {name: KeyedHashSite(plan, name, secret, given[name]) for name in plan.names}
    matcher, carried = KeyedHashMatcher(plan), 0
    for name, site in sites.items():
        matcher.add(name, site.tags())
        carried += len(site.tags())
    for name, answer in matcher.answers().items():
        assert len(sites[name].align(answer)) == ids // 2
        carried += len(answer)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return {
        "method": "edufed, keyed hash",
        "sites": count,
        "ids": ids,
        "seconds": seconds,
        "processor_seconds": busy,
        "rows_per_second": ids / seconds,
        "bytes": carried,
        "trips": 2,
    }


def openmined(ids: int) -> dict[str, Any]:
    row: dict[str, Any] = {"method": "openmined-psi", "sites": 2, "ids": ids}
    try:
        import private_set_intersection.python as psi
    except ImportError as error:
        return row | {"skipped": f"openmined-psi cannot be imported: {error}"}
    mine, theirs = identifiers(ids, 2).values()
    start, busy = time.perf_counter(), time.process_time()
    client = psi.client.CreateWithNewKey(True)
    server = psi.server.CreateWithNewKey(True)
    marks = [time.perf_counter()]
    setup = server.CreateSetupMessage(0.0, ids, theirs, psi.DataStructure.RAW)
    marks.append(time.perf_counter())
    request = client.CreateRequest(mine)
    marks.append(time.perf_counter())
    response = server.ProcessRequest(request)
    marks.append(time.perf_counter())
    found = client.GetIntersection(setup, response)
    marks.append(time.perf_counter())
    assert len(found) == ids // 2
    phases = [after - before for before, after in itertools.pairwise(marks)]
    seconds = marks[-1] - start
    return row | {
        "seconds": seconds,
        "seconds_overlapped": max(phases[:2]) + phases[2] + phases[3],
        "processor_seconds": time.process_time() - busy,
        "rows_per_second": ids / seconds,
        "bytes": sum(len(m.SerializeToString()) for m in (setup, request, response)),
        "trips": 3,
    }


def settings(
    count: int, mode: Mode, method: Method
) -> tuple[PsiPlan, dict[str, Ed25519PrivateKey]]:
    keys = {f"site{at}": Ed25519PrivateKey.generate() for at in range(count)}
    roster = {name: identity_public(key) for name, key in keys.items()}
    return PsiPlan.of("benchmark", roster, "site0", mode, method), keys


def identifiers(ids: int, count: int) -> dict[str, list[str]]:
    return {
        f"site{at}": [f"3301{i:08d}" if i < ids // 2 else f"{at}-3301{i:08d}" for i in range(ids)]
        for at in range(count)
    }


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return min(rows, key=lambda row: row.get("seconds", 0.0))


def goals(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    if "skipped" in other:
        return {}
    found = {
        "speedup": other["seconds"] / row["seconds"],
        "speedup_two_free_cores": CORES * other["processor_seconds"] / row["processor_seconds"],
    }
    return {
        name: {"value": value, "goal": f">= {GOAL:g}", "holds": value >= GOAL}
        for name, value in found.items()
    }


def show(rows: list[dict[str, Any]], reached: dict[str, Any], ids: int) -> None:
    console = Console(width=120)
    table = Table(title=f"Aligning {ids:,} identifiers a site, {os.cpu_count()} cores")
    for at, column in enumerate(
        ["method", "sites", "seconds", "processor s", "rows a second", "MB", "trips"]
    ):
        table.add_column(column, justify="right" if at else "left")
    for row in rows:
        if "skipped" in row:
            table.add_row(row["method"], *["–"] * 6)
            console.print(row["skipped"])
            continue
        overlapped = row.get("seconds_overlapped")
        table.add_row(
            row["method"],
            str(row["sites"]),
            f"{row['seconds']:.2f}" + (f" ({overlapped:.2f} overlapped)" if overlapped else ""),
            f"{row['processor_seconds']:.2f}",
            f"{row['rows_per_second']:,.0f}",
            f"{row['bytes'] / 1e6:.2f}",
            str(row["trips"]),
        )
    console.print(table)
    for name, goal in reached.items():
        sign = "holds" if goal["holds"] else "MISSED"
        console.print(f"{name}: {goal['value']:.2f} (goal {goal['goal']}): {sign}")


if __name__ == "__main__":
    main()
