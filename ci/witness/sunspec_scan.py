#!/usr/bin/env python3
"""Every SunSpec device of a live rig as pysunspec2 sees it, and its controls as pysunspec2 writes them.

  sunspec_scan.py RUN     (RUN is the folder of a running rig: its rig.toml says where the devices listen)

Each model must be one that pysunspec2 knows, with its length, and every mandatory point in it must have a value. Values
that stand in several models or devices must agree, and every cell must be as its BMU said on CAN. Then a volt-var curve
is written and adopted, one that makes no sense is refused, and a limit falls back by itself. Prints what was compared;
exits with 1 if anything does not hold.
"""

import logging
import sys
import time
import tomllib
import warnings
from collections import defaultdict
from pathlib import Path

import sunspec2.modbus.client as client

from judge import candump, databases

PCS = [1, 103, 701, 704, 713, 715, 702, 703, 705, 706, 707, 708, 709, 710, 711, 712, 714, 120, 121, 122, 123, 124]
STRINGS, MODULES = 3, 9
BAU = [1, 802, 803, 713, 715] + [804] * STRINGS + [805] * STRINGS * MODULES
METER = [1, 203]


class Report:
    def __init__(self):
        self.checked = 0
        self.problems = []

    def check(self, holds, text):
        self.checked += 1
        if not holds:
            self.problems.append(text)

    def near(self, what, one, other, within):
        both = one is not None and other is not None
        self.check(both and abs(one - other) <= within, f"{what}: {one} and {other}, not within {within:g}")


class Complaints(logging.Handler):
    """What the library says while it works."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def listening(run):
    """Port of each device of the rig, by its place in the file."""
    rig = tomllib.loads((run / "rig.toml").read_text())
    return {kind: int(rig[kind][0]["listen"].rsplit(":", 1)[1]) for kind in ("pcs", "bau", "meter")}


def scan(report, complaints, name, port, wanted):
    device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        device.scan()
    said = [str(one.message) for one in caught] + complaints.texts
    models = [model for key, list_ in device.models.items() if isinstance(key, int) for model in list_]
    said += [f"model {model.model_id}: {model.error_info}" for model in models if model.error_info]
    complaints.texts.clear()
    for text in filter(None, said):
        report.check(False, f"{name}: pysunspec2 says: {text}")
    found = [model.model_id for model in sorted(models, key=lambda model: model.model_addr)]
    report.check(found == wanted, f"{name}: models {found}, expected {wanted}")
    for model in models:
        whole(report, f"{name} {model.model_id}", model)
        # The head of a model counts in its length, the two registers before it do not.
        report.check(model.points_len + groups_len(model) - 2 == model.points["L"].value,
                     f"{name} {model.model_id}: length {model.points['L'].value}, laid out {model.points_len + groups_len(model) - 2}")
    return device


def groups_len(group):
    """Registers of all groups in a group."""
    total = 0
    for inner in group.groups.values():
        for one in inner if isinstance(inner, list) else [inner]:
            total += one.points_len + groups_len(one)
    return total


def whole(report, place, group):
    """Every mandatory point has a value, every scale factor in use has one, through all groups."""
    for name, point in group.points.items():
        # An accumulator that has counted nothing yet reads as one that is not there.
        whole_type = point.pdef["type"] not in ("pad", "sunssf", "acc32", "acc64")
        mandatory = point.pdef.get("mandatory") == "M" and whole_type
        if mandatory:
            report.check(point.value is not None, f"{place} {name}: mandatory, and without a value")
        report.check(point.value is None or point.cvalue is not None, f"{place} {name}: no scale factor")
    for name, inner in group.groups.items():
        for i, one in enumerate(inner if isinstance(inner, list) else [inner]):
            whole(report, f"{place} {name}[{i + 1}]", one)


def value(device, model, point):
    return device.models[model][0].points[point].cvalue


def agree(report, pcs, bau, meter):
    for device in (pcs, bau, meter):
        for key, list_ in device.models.items():
            if isinstance(key, int):
                for model in list_:
                    model.read()
    rated = value(pcs, 702, "WMaxRtg")
    for model, point in ((120, "WRtg"), (121, "WMax"), (702, "WMax"), (702, "VAMaxRtg"), (124, "WChaMax")):
        report.near(f"rated power and {model} {point}", rated, value(pcs, model, point), rated * 0.001)
    report.near("VNom of 702 and VRef of 121", value(pcs, 702, "VNom"), value(pcs, 121, "VRef"), 0.1)
    report.near("phase voltage of 701 and 103", value(pcs, 701, "VL1"), value(pcs, 103, "PhVphA"), 5.0)
    report.near("frequency of 701 and of the meter", value(pcs, 701, "Hz"), value(meter, 203, "Hz"), 0.05)
    report.near("DC voltage of 103 and 714", value(pcs, 103, "DCV"), pcs.models[714][0].groups["Prt"][0].points["DCV"].cvalue, 5.0)
    report.near("SoC of 713 and 124", value(pcs, 713, "SoC"), value(pcs, 124, "ChaState"), 0.2)
    report.near("SoC of PCS and BAU", value(pcs, 713, "SoC"), value(bau, 802, "SoC"), 0.5)
    bank = bau.models[803][0]
    strings = bank.groups["string"]
    report.check(len(strings) == bank.points["NStr"].value, f"803: {len(strings)} strings, NStr {bank.points['NStr'].value}")
    heard = [string for string in strings if string.points["StrSoC"].value is not None]
    report.check(bool(heard), "803: no string has a state of charge")
    mean = sum(string.points["StrSoC"].cvalue for string in heard) / max(len(heard), 1)
    report.near("SoC of 802 and the mean of 803", value(bau, 802, "SoC"), mean, 0.5)
    highest = max((string.points["StrCellVMax"].cvalue for string in heard), default=None)
    report.near("highest cell of 802 and of 803", value(bau, 802, "CellVMax"), highest, 0.01)


def said_by_bmus(run, cluster):
    """Cell voltages and sensors as the BMUs of a cluster said them, (pack, signal) to all values, from the rig's own trace."""
    said = defaultdict(set)
    dbc = databases()["cluster"]
    known = {message.frame_id: message for message in dbc.messages if message.name.startswith(("BMU_CELLV", "BMU_TEMP"))}
    for _, _, can_id, data in candump(run / f"cluster-can-{cluster:02}.candump.log"):
        message = known.get(can_id & 0x1FFFFF00 | 0xFE)
        if message is not None:
            for signal, value in message.decode(data, decode_choices=False).items():
                said[can_id & 0xFF, signal].add(value)
    return said


def cells(report, run, bau):
    """804 and 805 against each other and against the traces."""
    for number, string in enumerate(bau.models[804], 1):
        said = said_by_bmus(run, number)
        string.read()
        modules = bau.models[805][(number - 1) * MODULES:number * MODULES]
        report.check(string.points["Idx"].value == number and string.points["NMod"].value == MODULES, f"804 {number}: its heads")
        of_string = string.groups["lithium_ion_string_module"]
        for place, (module, short) in enumerate(zip(modules, of_string), 1):
            module.read()
            where = f"string {number} module {place}"
            heads = [module.points[name].value for name in ("StrIdx", "ModIdx", "NCell")]
            cells = module.groups["lithium-ion-module-cell"]
            report.check(heads == [number, place, len(cells)], f"{where}: heads {heads}, {len(cells)} cells")
            report.near(f"{where}: highest cell of 804 and 805", short.points["ModCellVMax"].cvalue, module.points["CellVMax"].cvalue, 0.01)
            voltages = [cell.points["CellV"].cvalue for cell in cells]
            report.near(f"{where}: its voltage and the sum of its cells", module.points["V"].cvalue, sum(voltages), 0.2)
            report.near(f"{where}: mean of the cells", module.points["CellVAvg"].cvalue, sum(voltages) / len(voltages), 0.003)
            for index, cell in enumerate(cells):
                for told, signal, within in (("CellV", f"CellV_{index:02}", 0.0015), ("CellTmp", f"Temp_{index // 2:02}", 1.0)):
                    one = cell.points[told].cvalue
                    values = said[place, signal]
                    off = min((abs(one - value) for value in values), default=None)
                    report.check(off is not None and off <= within, f"{where} cell {index + 1}: {told} {one}, its BMU said {sorted(values)}")
                report.check(cell.points["CellSt"].value is not None, f"{where} cell {index + 1}: no status, though its BMU says what bleeds")
    storage = bau.models[713][0]
    expected = storage.points["WHRtg"].cvalue * storage.points["SoC"].cvalue * storage.points["SoH"].cvalue / 1e4
    report.near("713: energy available", storage.points["WHAvail"].cvalue, expected, expected * 0.01)
    report.near("SoC of 713 and 802", storage.points["SoC"].cvalue, value(bau, 802, "SoC"), 0.2)
    control = bau.models[715][0]
    beats = []
    for _ in range(2):
        control.read()
        beats.append(control.points["DERHb"].value)
        time.sleep(2.5)
    report.check(beats[1] - beats[0] in (2, 3), f"715: DERHb {beats} within 2.5 s")


def wait_for(report, text, seconds, holds):
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            break
        time.sleep(0.2)
    report.check(found, f"{text}: not within {seconds} s")


def write(group, **values):
    for name, new in values.items():
        group.points[name].cvalue = new
    group.write()


def adopt(report, model, number, expected):
    write(model, AdptCrvReq=number)

    def decided():
        model.read()
        return model.points["AdptCrvRslt"].value == expected

    wait_for(report, f"adoption of curve {number} ends with {expected}", 5, decided)


def control(report, pcs):
    model = pcs.models[705][0]
    model.read()
    curves = model.groups["Crv"]
    report.check(curves[0].points["ReadOnly"].value == 1, "705: curve 1 is not read-only")
    for curve, points in ((curves[1], ((95, 30), (99, 0), (101, 0), (105, -30))), (curves[2], ((95, -30), (105, 30)))):
        write(curve, ActPt=len(points))
        for point, (volts, vars_) in zip(curve.groups["Pt"], points):
            write(point, V=volts, Var=vars_)
    adopt(report, model, 2, 1)
    acting = [(point.points["V"].cvalue, point.points["Var"].cvalue) for point in model.groups["Crv"][0].groups["Pt"]]
    report.check(acting == [(95, 30), (99, 0), (101, 0), (105, -30)], f"705: after adoption curve 1 is {acting}")
    adopt(report, model, 3, 2)
    report.check(model.groups["Crv"][0].groups["Pt"][0].points["Var"].cvalue == 30, "705: a refused curve acts")

    limits = pcs.models[704][0]
    limits.read()
    write(limits, WMaxLimPctRvrtTms=4)
    write(limits, WMaxLimPct=40.0)
    write(limits, WMaxLimPctEna=1)
    older = pcs.models[123][0]
    older.read()
    report.check(older.points["WMaxLim_Ena"].value == 1, "123 does not show the limit that 704 has")
    report.near("limit of 704 and 123", older.points["WMaxLimPct"].cvalue, 40.0, 0.05)
    limits.read()
    left = limits.points["WMaxLimPctRvrtRem"].value
    report.check(0 < left <= 4, f"704: {left} s left of 4 s")

    def reverted():
        limits.read()
        return limits.points["WMaxLimPctEna"].value == 0

    wait_for(report, "the limit falls back", 8, reverted)


def main(run):
    report = Report()
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    ports = listening(Path(run))
    pcs = scan(report, complaints, "PCS", ports["pcs"], PCS)
    bau = scan(report, complaints, "BAU", ports["bau"], BAU)
    meter = scan(report, complaints, "meter", ports["meter"], METER)
    agree(report, pcs, bau, meter)
    cells(report, Path(run), bau)
    control(report, pcs)
    for device in (pcs, bau, meter):
        device.close()
    for problem in report.problems:
        print(f"sunspec: {problem}")
    print(f"sunspec: {len(PCS) + len(BAU) + len(METER)} models, {report.checked} checks, {len(report.problems)} failed")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
