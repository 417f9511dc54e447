"""Wireshark's dissectors on the trace of a rig with an RTU line and TLS, after other witnesses were there:
`tshark_lines.py RUN`. As tshark_captures.py, which see."""

import json
import sys
import tempfile
from pathlib import Path

from modbus_rig import Checks, install
from tshark_captures import capture, flipped, messages_of_trace, problems, spoilt, still, tshark, whole_lines


def main(run):
    install("tshark")
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="tshark-lines-") as place:
        place = Path(place)
        folder = still(run, place / "run")
        made = capture(folder, place / "run.pcapng")
        checks.same("captured", problems(made, folder), [])
        said = messages_of_trace(folder / "modbus.jsonl")
        frames = tshark(made, ["frame.number"], "mbrtu")
        on_line = [message for message in said if message[1] == "aux"]
        checks.same("frames on the line", (len(frames), len(frames) > 20), (len(on_line), True))
        all_said = [json.loads(line) for line in whole_lines(folder / "modbus.jsonl")]
        broadcasts = [message for message in all_said if "line" in message and message["unit"] == 0]
        seen = [row[0] for row in tshark(made, ["data.data"], "exported_pdu && !mbrtu")]
        checks.same("broadcasts, as bytes", [data[:-4] for data in seen], ["00" + one["pdu"] for one in broadcasts])
        checks.same("a broadcast is one frame", len(broadcasts), 1)
        refused = [message for message in said if message[1:5] == ("site-01/ems", 1, 16, 1)]
        checks.same("writes over TLS that were refused are in the clear", len(refused) >= 2, True)
        bad = spoilt(made, place / "bad.pcapng", lambda link, _: link == 252, flipped)
        checks.same("a wrong checksum on the line is caught", bool(problems(bad, folder)), True)
        print(f"  {len(said)} Modbus messages, {len(frames)} of them on the line")
    return checks.end("tshark")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
