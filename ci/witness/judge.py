"""Judges what independent witnesses saw on the wires of a live rig (record.sh), against our DBC files, physics and the
rig's own summary. `judge.py DIR [DBC-DIR]`; `--self-check` corrupts copies of the record and must find every corruption.

Exit code 0 if all holds; else 2, with a reason for each thing that does not."""

import copy
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import cantools

NODE = 0xFF  # the byte of the identifier that says which BMU or BCU
EXTENDED = 0x1FFFFFFF
PCS, BAU = "15020", "15010"
COUNTERS = {"BMU_STAT": "LifeCounter", "HVU_VI": "LifeCounter", "BCU_SYNC": "SyncCounter",
            "BCU_STATE": "LifeCounter", "BAU_CMD": "LifeCounter"}
LINE = re.compile(r"\((\d+\.\d+)\) (\S+) ([0-9A-F]+)#([0-9A-F]*)")


def candump(path):
    frames = []
    for line in path.read_text().splitlines():
        match = LINE.match(line)
        if match:
            at, bus, can_id, data = match.groups()
            frames.append((float(at), bus, int(can_id, 16), bytes.fromhex(data)))
    return frames


def registers(path):
    return {int(a): int(v) for a, v in re.findall(r"^\[(\d+)\]:\s*(-?\d+)", path.read_text(), re.M)}


class Record:
    """Everything that was recorded, read once; self-check changes copies of it."""

    def __init__(self, folder):
        self.frames = candump(folder / "candump.log")
        self.summary = json.loads((folder / "run/summary.json").read_text())
        self.own = {}
        for path in sorted((folder / "run").glob("*.candump.log")):
            own = defaultdict(list)
            for _, _, can_id, data in candump(path):
                own[can_id].append(data)
            self.own[path.name.removesuffix(".candump.log")] = own
        self.mbpoll = {path.stem.removeprefix("mbpoll-"): registers(path) for path in folder.glob("mbpoll-*-*.txt")}
        self.sunspec = json.loads((folder / "sunspec.json").read_text())

    def copy(self):
        other = copy.copy(self)
        other.frames = list(self.frames)
        other.summary = copy.deepcopy(self.summary)
        other.mbpoll = copy.deepcopy(self.mbpoll)
        other.sunspec = copy.deepcopy(self.sunspec)
        return other


class Judge:
    def __init__(self, record, dbc):
        self.record = record
        self.dbc = dbc
        self.problems = []
        self.checked = defaultdict(int)

    def check(self, what, holds, text):
        self.checked[what] += 1
        if not holds:
            self.problems.append(f"{what}: {text}")

    def near(self, what, value, expected, within, unit):
        ok = value is not None and expected is not None and abs(value - expected) <= within
        self.check(what, ok, f"{value} {unit}, expected {expected} within {within:g}")

    def run(self):
        self.decode()
        self.cells()
        self.clusters()
        self.modbus()
        self.own_trace()
        return self.problems

    def decode(self):
        """Frames to signals; counters and periods on the way."""
        self.last = {}  # (bus, message, node) -> signals
        series = defaultdict(list)
        for at, bus, can_id, data in self.record.frames:
            stack = bus == "vcan0"
            db = self.dbc["stack" if stack else "cluster"]
            masked = can_id & EXTENDED & ~NODE
            if not stack and can_id & 0x1FFF00FF == 0x185100A0:
                continue  # BCU_BALCMD: on event, the pack is in the destination byte
            try:
                message = db.get_message_by_frame_id(masked)
            except KeyError:
                self.check("frames known to the DBC", False, f"{can_id:08X} on {bus} is in no DBC")
                continue
            self.checked["frames known to the DBC"] += 1
            key = (bus, message.name, can_id & NODE)
            if len(data) != message.length:
                self.check("frame length", False, f"{key}: {len(data)} bytes, the DBC says {message.length}")
                continue
            series[key].append((at, data))
        for key, frames in series.items():
            bus, name, node = key
            message = self.dbc["stack" if bus == "vcan0" else "cluster"].get_message_by_name(name)
            self.last[key] = message.decode(frames[-1][1], decode_choices=False)
            where = f"{name} of node {node:02X} on {bus}"
            if counter := COUNTERS.get(name):
                values = [int(message.decode(data, decode_choices=False)[counter]) for _, data in frames]
                jumps = sum((b - a) % 256 != 1 for a, b in zip(values, values[1:]))
                self.check("life counters", jumps == 0, f"{where}: {jumps} of {len(values)} steps are not by one")
            if message.cycle_time:
                n = len(frames)
                mean = (frames[-1][0] - frames[0][0]) * 1000 / (n - 1) if n > 1 else float("inf")
                self.check("cyclic periods", abs(mean / message.cycle_time - 1) <= 0.1,
                           f"{where}: {mean:.1f} ms over {n} frames, GenMsgCycleTime is {message.cycle_time} ms")

    def signals(self, bus, name, node):
        found = self.last.get((bus, name, node))
        if found is None:
            self.check("expected frames", False, f"{name} of node {node:02X} was not seen on {bus}")
            return {}
        self.checked["expected frames"] += 1
        return found

    def cells(self):
        truth = self.record.summary["truth"]
        lowest, highest = (truth[f"plant:container-01 cell-voltage-{m}"] for m in ("min", "max"))
        for cluster in range(1, self.record.summary["clusters"] + 1):
            bus = f"vcan{cluster}"
            for pack in range(1, 10):
                place = f"pack {pack} of cluster {cluster}"
                volts = []
                for k in range(11):
                    volts += [v for n, v in self.signals(bus, f"BMU_CELLV_{k:02}", pack).items() if n[:6] == "CellV_"]
                self.check("44 cells in a pack", len(volts) == 44, f"{place}: {len(volts)}")
                for cell, volt in enumerate(volts, 1):
                    self.check("cell voltages 2.5 to 3.65 V", 2.5 <= volt <= 3.65, f"cell {cell} of {place}: {volt} V")
                    self.check("cell voltages match the rig's extremes", lowest - 0.02 <= volt <= highest + 0.02,
                               f"cell {cell} of {place}: {volt} V, the rig says {lowest:.3f} to {highest:.3f} V")
                pack_volt = self.signals(bus, "BMU_SUM", pack).get("PackVoltage")
                self.near("sum of cells is the pack voltage", sum(volts), pack_volt, 1.0, f"V in {place}")
                temperatures = []
                for k in range(3):
                    temperatures += [v for n, v in self.signals(bus, f"BMU_TEMP_{k}", pack).items() if n[:5] == "Temp_"]
                for t in temperatures[:22]:
                    self.check("temperatures -20 to 60 degC", -20 <= t <= 60, f"{place}: {t} degC")

    def clusters(self):
        truth = self.record.summary["truth"]
        for cluster in range(1, self.record.summary["clusters"] + 1):
            bus = f"vcan{cluster}"
            packs = sum(self.signals(bus, "BMU_SUM", pack).get("PackVoltage", 0.0) for pack in range(1, 10))
            measured = self.signals(bus, "HVU_VI", 0xB0).get("ClusterVoltage")
            said = self.signals("vcan0", "BCU_MEAS", 0x10 + cluster)
            true = truth.get(f"plant:container-01/cluster-{cluster:02} voltage")
            place = f"V in cluster {cluster}"
            self.near("cluster voltage is the sum of packs", measured, packs, packs * 0.01, place)
            self.near("BCU says the cluster voltage", said.get("ClusterVoltage"), measured, packs * 0.01, place)
            self.near("the rig's summary has that cluster voltage", true, measured, packs * 0.01, place)
        self.signals("vcan0", "BAU_STATE", 0xC0)

    def modbus(self):
        truth = self.record.summary["truth"]
        soc = truth["plant:container-01 soc"] * 100
        dc = truth["plant:container-01/pcs dc-voltage"]
        cell = truth["plant:container-01 cell-voltage-max"]
        for device in ("pcs", "bau"):
            suns = self.record.mbpoll[f"{device}-suns"]
            marker = b"".join((suns.get(a, 0) & 0xFFFF).to_bytes(2, "big") for a in (40000, 40001))
            self.check("mbpoll: SunS marker", marker == b"SunS", f"{device}: {marker!r}")
        inverter = self.record.mbpoll["pcs-103"]
        battery = self.record.mbpoll["bau-802"]
        self.check("mbpoll: model ids", (inverter.get(40070), battery.get(40070)) == (103, 802),
                   f"{inverter.get(40070)} and {battery.get(40070)}, expected 103 and 802")
        self.near("mbpoll: DC voltage of the PCS", inverter.get(40099, 0) / 10, dc, dc * 0.01, "V")
        self.check("a live DC bus", dc > 1000, f"{dc} V: the plant was not connected, so little was proven")
        self.near("mbpoll: SoC of the BAU", battery.get(40081, 0) / 10, soc, 5.0, "%")
        self.near("mbpoll: highest cell of the BAU", battery.get(40107, 0) / 1000, cell, 0.02, "V")
        pcs, bau = (self.record.sunspec.get(port, {}) for port in (PCS, BAU))
        for port, device, wanted in ((PCS, pcs, (1, 103, *range(120, 125), *range(701, 716))), (BAU, bau, (1, 713, 715, *range(802, 806)))):
            for model in wanted:
                self.check("pysunspec2: models", str(model) in device, f"model {model} is not at port {port}")
        self.near("pysunspec2: DC voltage of the PCS", pcs.get("103", {}).get("DCV"), dc, dc * 0.01, "V")
        power = truth["plant:container-01/pcs active-power"]
        self.near("pysunspec2: power of the PCS", pcs.get("701", {}).get("W"), power, 20e3, "W")
        self.near("pysunspec2: SoC of the BAU", bau.get("802", {}).get("SoC"), soc, 5.0, "%")
        self.near("pysunspec2: highest cell of the BAU", bau.get("802", {}).get("CellVMax"), cell, 0.02, "V")

    def own_trace(self):
        """What candump saw of each identifier stands in the rig's own trace, in one piece."""
        seen = defaultdict(list)
        for _, bus, can_id, data in self.record.frames:
            seen[bus, can_id].append(data)
        for (bus, can_id), datas in sorted(seen.items()):
            name = "stack-can" if bus == "vcan0" else f"cluster-can-{int(bus.removeprefix('vcan')):02}"
            own = self.record.own.get(name, {}).get(can_id, [])
            size = len(datas[0]) if datas else 0
            # Whole frames of one length: searching bytes is quick, the remainder says whether it is aligned.
            whole = b"".join(own) if all(len(d) == size for d in own + datas) else b""
            at, found = -1, False
            while not found and (at := whole.find(b"".join(datas), at + 1)) >= 0:
                found = size == 0 or at % size == 0
            self.check("candump agrees with the rig's own trace", found,
                       f"{can_id:08X} on {bus}: {len(datas)} frames are not in {name}.candump.log ({len(own)} frames) in one piece")


def spoil(record, bus, base, node, change):
    """The last frame of an identifier, changed; None drops it."""
    wanted = base & ~NODE | node
    for i in range(len(record.frames) - 1, -1, -1):
        at, b, can_id, data = record.frames[i]
        if b == bus and can_id == wanted:
            new = change(bytearray(data))
            record.frames[i : i + 1] = [] if new is None else [(at, b, can_id, bytes(new))]
            return
    raise SystemExit(f"self-check: {wanted:08X} is not on {bus}")


def put(at, value):
    def change(data):
        data[at : at + 2] = value.to_bytes(2, "little")
        return data
    return change


def lose_every_third(record):
    taken = [i for i, (_, b, c, _) in enumerate(record.frames) if b == "vcan2" and c == 0x1810A005]
    for i in reversed(taken[1:-1:3]):
        del record.frames[i]


def middle_of(record, bus, can_id):
    taken = [i for i, (_, b, c, _) in enumerate(record.frames) if b == bus and c == can_id]
    del record.frames[taken[len(taken) // 2]]


def temperature(data):
    data[3] = 40 + 90
    return data


CORRUPTIONS = [
    ("a cell at 3.9 V", "cell voltages", lambda r: spoil(r, "vcan2", 0x1823A0FE, 4, put(2, 3900))),
    ("a pack voltage 5 V off", "sum of cells", lambda r: spoil(r, "vcan1", 0x1810A0FE, 7, put(0, 1400))),
    ("a sensor at 90 degC", "temperatures", lambda r: spoil(r, "vcan3", 0x1830A0FE, 9, temperature)),
    ("a cluster voltage of 1000 V", "cluster voltage", lambda r: spoil(r, "vcan1", 0x1870A0FE, 0xB0, put(0, 10000))),
    ("one BMU_STAT lost", "life counters", lambda r: middle_of(r, "vcan1", 0x1840A003)),
    ("every third BMU_SUM lost", "cyclic periods", lose_every_third),
    ("one cell frame lost", "candump agrees", lambda r: middle_of(r, "vcan1", 0x1820A001)),
    ("a foreign identifier", "frames known", lambda r: r.frames.append((r.frames[-1][0], "vcan1", 0x18F0A001, b"\0" * 8))),
    ("SunS of the PCS", "mbpoll: SunS", lambda r: r.mbpoll["pcs-suns"].update({40001: 0})),
    ("SoC of the BAU", "mbpoll: SoC", lambda r: r.mbpoll["bau-802"].update({40081: 900})),
    ("DC voltage of the PCS", "pysunspec2: DC voltage", lambda r: r.sunspec[PCS]["103"].update({"DCV": 900.0})),
    ("a model missing at the BAU", "pysunspec2: models", lambda r: r.sunspec[BAU].pop("802")),
    ("the rig's summary", "the rig's summary", lambda r: r.summary["truth"].update({"plant:container-01/cluster-01 voltage": 900.0})),
]


def databases(where=Path(__file__).resolve().parents[2] / "device-emulators/data/dbc"):
    """Our DBC files, for identifiers whose node byte is any."""
    mask = EXTENDED & ~NODE
    return {name: cantools.database.load_file(where / f"rig-{name}.dbc", frame_id_mask=mask) for name in ("cluster", "stack")}


def main(arguments):
    self_check = "--self-check" in arguments
    folders = [Path(a) for a in arguments if not a.startswith("--")]
    dbc = databases(*folders[1:])
    record = Record(folders[0])
    judge = Judge(record, dbc)
    problems = judge.run()
    for what, count in judge.checked.items():
        bad = sum(p.startswith(what + ": ") for p in problems)
        print(f"  {'ok  ' if not bad else 'FAIL'} {what:<48} {count - bad} of {count}")
    for problem in problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    if problems:
        print(f"witnesses: {len(problems)} checks failed", file=sys.stderr)
        return 2
    if self_check:
        missed = 0
        for name, expected, corrupt in CORRUPTIONS:
            spoilt = record.copy()
            corrupt(spoilt)
            caught = [p for p in Judge(spoilt, dbc).run() if p.startswith(expected)]
            missed += not caught
            print(f"  {'caught' if caught else 'MISSED'} {name}" + (f" ({caught[0]})" if caught else ""))
        if missed:
            print(f"witnesses: the judge missed {missed} corruptions", file=sys.stderr)
            return 2
        print(f"  the judge caught {len(CORRUPTIONS)} of {len(CORRUPTIONS)} corruptions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
