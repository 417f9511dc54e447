"""Prints what the vcan lane ran and judges its two provoked runs. `table.py DIR`; exit code 2 if something is wrong."""

import json
import sys
from pathlib import Path

out = Path(sys.argv[1])
problems = []


def load(run):
    path = out / run / "summary.json"
    if path.is_file():
        return json.loads(path.read_text())
    problems.append(f"{run}: no summary.json")
    return {"scenarios": [], "wall_s": 0.0}


def row(name, verdict, attempts, health, wall):
    late = health["lateness_us"]
    ms = "/".join(f"{late[k] / 1000:.1f}" for k in ("p50", "p99", "max"))
    print(f"  {name[:58]:<58} {verdict:<12} {attempts:>8} {ms:>18} {health['hard_misses']:>6} {wall:>6.0f} s")


print(f"  {'scenario':<58} {'verdict':<12} {'attempts':>8} {'late p50/p99/max ms':>18} {'hard':>5} {'wall':>7}")
features = load("features")
for scenario in features["scenarios"]:
    for n, attempt in enumerate(scenario["attempts"], 1):
        row(f"{scenario['scenario']} (try {n})", attempt["verdict"], n, attempt["health"], 0)
    row(scenario["scenario"], scenario["verdict"], len(scenario["attempts"]) + 1, scenario["health"], scenario["wall_s"])
    if scenario["verdict"] != "pass":
        problems.append(f"{scenario['scenario']}: {scenario['verdict']}: {scenario['reason']}")
if not features["scenarios"]:
    problems.append("no scenario ran")

for run, verdict, code in (("stopped", "inconclusive", 1), ("killed", "fail", 2)):
    summary = load(run)
    if not summary["scenarios"]:
        continue
    scenario = summary["scenarios"][0]
    row(f"provoked: {run}", scenario["verdict"], 1, scenario["health"], scenario["wall_s"])
    reason = scenario["reason"] or ""
    got = (out / f"{run}.code").read_text().strip()
    if scenario["verdict"] != verdict or got != str(code):
        problems.append(f"{run}: verdict {scenario['verdict']}, exit code {got}; expected {verdict}, {code} ({reason})")
    if run == "stopped" and scenario["health"]["lateness_us"]["max"] < 400_000:
        problems.append("stopped: the rig did not notice that it was stopped for 500 ms")
    if run == "killed":
        folder = out / run / scenario["folder"]
        if "was killed by signal 9" not in reason:
            problems.append(f"killed: the reason does not say so: {reason}")
        for kept in ("events.jsonl", "stack-can.candump.log", "bms.log", "rig.toml"):
            if not (folder / kept).is_file():
                problems.append(f"killed: no {kept} in the evidence")

for problem in problems:
    print(f"  {problem}", file=sys.stderr)
sys.exit(2 if problems else 0)
