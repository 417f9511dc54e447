"""The DBC codec beside cantools: the same messages of the same DBC with the same values, one core, in turns.

dbc.py CODEC_RATE DBC [--check]    CODEC_RATE is the example of bess-devices. Prints JSON lines as ci/bench does; with
--check a missed goal is an error. Run by ci/bench-wires.sh.
"""

import json
import subprocess
import sys
import time

import cantools

MESSAGES = 11
CELLS = 44
ROUNDS = 5
SECONDS = 0.4
GOAL = 100.0  # times cantools


def rate(work, frames):
    """Frames per second of `work`, which does `frames` of them."""
    begin = time.perf_counter()
    calls = 0
    while time.perf_counter() - begin < SECONDS:
        work()
        calls += 1
    return calls * frames / (time.perf_counter() - begin)


def main():
    codec, dbc = sys.argv[1:3]
    database = cantools.database.load_file(dbc)
    messages = [database.get_message_by_name(f"BMU_CELLV_{k:02}") for k in range(MESSAGES)]
    volts = {f"CellV_{cell:02}": 3.2 + 0.001 * cell for cell in range(CELLS)}
    values = [{signal.name: volts[signal.name] for signal in message.signals} for message in messages]
    encoded = [message.encode(given) for message, given in zip(messages, values)]

    # The comparison is fair only if both say and understand the same.
    ours = subprocess.run([codec, "payloads"], check=True, capture_output=True, text=True).stdout.split()
    if ours != [payload.hex() for payload in encoded]:
        sys.exit(f"dbc: payloads differ\nours     {ours}\ncantools {[payload.hex() for payload in encoded]}")

    def encode():
        for message, given in zip(messages, values):
            message.encode(given)

    def decode():
        for message, payload in zip(messages, encoded):
            database.decode_message(message.frame_id, payload)  # by identifier, as the codec does

    best = {}
    for _ in range(ROUNDS):
        lines = subprocess.run([codec], check=True, capture_output=True, text=True).stdout.splitlines()
        figures = {line["name"]: line["value"] for line in map(json.loads, lines)}
        figures["cantools-encode"] = rate(encode, MESSAGES)
        figures["cantools-decode"] = rate(decode, MESSAGES)
        for name, value in figures.items():
            best[name] = max(best.get(name, 0), value)
    missed = []
    for what in ("encode", "decode"):
        for who in ("codec", "cantools"):
            print(json.dumps({"name": f"dbc_{what}_{who}", "value": round(best[f"{who}-{what}"]), "unit": "frames/s"}))
        ratio = best[f"codec-{what}"] / best[f"cantools-{what}"]
        met = ratio >= GOAL
        missed += [] if met else [f"dbc_{what}_over_cantools"]
        line = {"name": f"dbc_{what}_over_cantools", "value": round(ratio, 1), "unit": "1"}
        print(json.dumps(line | {"goal": f">= {GOAL:.0f}", "met": met}))
    if "--check" in sys.argv and missed:
        sys.exit(f"goals missed: {', '.join(missed)}")


main()
