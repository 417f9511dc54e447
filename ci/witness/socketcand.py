"""python-can on the buses of a live rig, over socketcand: `socketcand.py RUN`, RUN being the rig's evidence folder.

Listens on every bus at once, decodes with cantools and our DBC files, and checks identifiers, periods, life counters and
plausible values by the rules of judge.py; then sends frames, which another client must hear, the sender must not, and the
rig must have in its trace. Corrupted copies of what was heard must be noticed. Exit code 0 if all holds, else 2."""

import logging
import os
import sys
import threading
import time
import tomllib
from collections import namedtuple
from pathlib import Path

import can

from judge import CORRUPTIONS, Judge, databases

logging.getLogger("can").setLevel(logging.ERROR)  # it warns of every frame that comes in two pieces
SECONDS = 6
OF_FRAMES = {"a cell at 3.9 V", "a pack voltage 5 V off", "a sensor at 90 degC", "one BMU_STAT lost",
             "every third BMU_SUM lost", "a foreign identifier", "a cluster voltage of 1000 V"}

Heard = namedtuple("Heard", "frames summary")


def buses(rig):
    """Name and address of every bus: a pattern stands for one bus in each cluster."""
    for bus in rig["can_bus"]:
        host, port = bus["listen"].rsplit(":", 1)
        pattern = "{cluster}" in bus["name"]
        for cluster in range(1, rig["plant"]["clusters"] + 1) if pattern else (0,):
            yield bus["name"].replace("{cluster}", f"{cluster:02}"), cluster, host, int(port)


def join(name, host, port):
    return can.Bus(interface="socketcand", host=host, port=port, channel=name, tcp_tune=True)


def listen(rig):
    """Everything on all buses for some seconds, buses named as judge.py knows them."""
    frames = []

    def record(cluster, bus):
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0:
            if (message := bus.recv(left)) is not None and message.is_extended_id:
                frames.append((message.timestamp, f"vcan{cluster}", message.arbitration_id, bytes(message.data)))

    open_buses = [(cluster, join(name, host, port)) for name, cluster, host, port in buses(rig)]
    threads = [threading.Thread(target=record, args=pair) for pair in open_buses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, bus in open_buses:
        bus.shutdown()
    return sorted(frames)


class Live(Judge):
    """What can be judged while the rig runs: its summary is not there yet, so the BCUs say the extremes."""

    def run(self):
        self.decode()
        cells = [self.signals("vcan0", "BCU_CELLS", 0x10 + cluster) for cluster in self.clusters_here()]
        truth = self.record.summary["truth"]
        truth["plant:container-01 cell-voltage-min"] = min(c.get("CellVoltageMin", 0.0) for c in cells)
        truth["plant:container-01 cell-voltage-max"] = max(c.get("CellVoltageMax", 0.0) for c in cells)
        self.cells()
        for cluster in self.clusters_here():
            packs = sum(self.signals(f"vcan{cluster}", "BMU_SUM", pack).get("PackVoltage", 0.0) for pack in range(1, 10))
            measured = self.signals(f"vcan{cluster}", "HVU_VI", 0xB0).get("ClusterVoltage")
            said = self.signals("vcan0", "BCU_MEAS", 0x10 + cluster).get("ClusterVoltage")
            self.near("cluster voltage is the sum of packs", measured, packs, packs * 0.01, f"V in cluster {cluster}")
            self.near("a BCU outside says the cluster voltage", said, measured, packs * 0.01, f"V in cluster {cluster}")
        self.signals("vcan0", "BAU_STATE", 0xC0)
        return self.problems

    def clusters_here(self):
        return range(1, self.record.summary["clusters"] + 1)


def send(judge, rig, run):
    """A 29-bit and an 11-bit frame that nobody else sends, on the first cluster bus."""
    name, _, host, port = next(bus for bus in buses(rig) if bus[1] == 1)
    sender, listener = join(name, host, port), join(name, host, port)
    payload = os.urandom(8)
    messages = [can.Message(arbitration_id=0x18F0A0E1, data=payload, is_extended_id=True),
                can.Message(arbitration_id=0x6E1, data=payload[:3], is_extended_id=False)]
    for message in messages:
        sender.send(message)
    same = lambda a, b: (a.arbitration_id, a.is_extended_id, bytes(a.data)) == (b.arbitration_id, b.is_extended_id, bytes(b.data))
    for bus, who, expected in ((listener, "the other client", True), (sender, "the sender", False)):
        heard, end = [], time.monotonic() + 1
        while (left := end - time.monotonic()) > 0:
            if (message := bus.recv(left)) is not None:
                heard.append(message)
        judge.check("a bus with traffic", len(heard) > 100, f"{who} heard {len(heard)} frames in a second")
        for message in messages:
            got = any(same(message, other) for other in heard)
            judge.check(f"{who} {'hears' if expected else 'does not hear'} what is sent", got == expected,
                        f"{message.arbitration_id:X} was {'heard' if got else 'not heard'}")
        bus.shutdown()
    trace = run / f"{name}.candump.log"
    wanted = [f"18F0A0E1#{payload.hex().upper()}", f"6E1#{payload[:3].hex().upper()}"]
    missing, end = wanted, time.monotonic() + 30  # the rig writes its traces in large pieces
    while missing and time.monotonic() < end:
        text = trace.read_text() if trace.is_file() else ""
        missing = [frame for frame in wanted if f" {frame}\n" not in text]
        time.sleep(0.5)
    for frame in wanted:
        judge.check("the rig's own trace has it", frame not in missing, f"{frame} is not in {trace}")


def main(run):
    rig = tomllib.loads((run / "rig.toml").read_text())
    dbc = databases()
    heard = Heard(listen(rig), {"clusters": rig["plant"]["clusters"], "truth": {}})
    judge = Live(heard, dbc)
    judge.run()
    send(judge, rig, run)
    for what, count in judge.checked.items():
        bad = sum(p.startswith(what + ": ") for p in judge.problems)
        print(f"  {'ok  ' if not bad else 'FAIL'} {what:<48} {count - bad} of {count}")
    for problem in judge.problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    missed = []
    for name, expected, corrupt in CORRUPTIONS if not judge.problems else ():
        if name in OF_FRAMES:
            spoilt = Heard(list(heard.frames), {"clusters": heard.summary["clusters"], "truth": {}})
            corrupt(spoilt)
            if not any(problem.startswith(expected) for problem in Live(spoilt, dbc).run()):
                missed.append(name)
                print(f"  MISSED {name}", file=sys.stderr)
    if not judge.problems and not missed:
        print(f"  {len(heard.frames)} frames heard; all of {len(OF_FRAMES)} corruptions were noticed")
    return 2 if judge.problems or missed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
