"""The recording of a rig that still runs, as a crash would leave it, read by the Python mcap library and held against the
JSON schemas it carries: `mcap_recording.py RUN`. Then a copy that was cut in the middle of a chunk."""

import io
import json
import sys
import time
from pathlib import Path

import jsonschema
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader
from modbus_rig import Checks

TOPICS = ["/cells", "/description", "/events", "/points", "/status"]


def messages(data):
    """Topic, rig time and text of each message that is whole, and the schemas by topic; a file without an end has one cut."""
    found, schemas = [], {}
    reader = NonSeekingReader(io.BytesIO(data), validate_crcs=True)
    try:
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            assert (schema.encoding, channel.message_encoding) == ("jsonschema", "json"), channel
            schemas[channel.topic] = json.loads(schema.data)
            found.append((channel.topic, message.log_time, json.loads(message.data)))
    except EndOfFile:
        pass
    return found, schemas


def main(run):
    checks = Checks()
    file = run / "recording.mcap"
    before, _ = messages(file.read_bytes())
    time.sleep(3)
    data = file.read_bytes()
    found, schemas = messages(data)
    checks.same("topics", sorted(schemas), TOPICS)
    wrong = []
    for topic, at, message in found:
        validator = jsonschema.Draft202012Validator(schemas[topic])
        wrong += [f"{topic} at {at}: {error.message[:200]}" for error in validator.iter_errors(message)]
    checks.same("messages that break their schema", wrong[:3], [])

    def last(messages, topic):
        return max(at for name, at, _ in messages if name == topic)

    grown = (last(found, "/cells") - last(before, "/cells")) / 1e9
    checks.same("it grew by two seconds or more in three", (grown >= 2, grown), (True, grown))

    description = found[0][2]
    points = [
        (group["tag"], point)
        for group in description["points"]
        for point in description["tables"][group["table"]]
    ]
    cells = [message for topic, _, message in found if topic == "/cells"]
    checks.same(
        "every frame of cells has all of them",
        {len(frame[row]) for frame in cells for row in ("voltage", "temperature", "soc")},
        {description["cells"]["count"]},
    )
    values = {}
    for topic, _, frame in found:
        if topic == "/points":
            if frame["complete"]:
                values = {}
            values.update(zip(frame["index"], frame["value"]))

    def fits(value, point):
        """Noise and rounding may pass the ends a little."""
        slack = point["resolution"] + 0.01 * (point["max"] - point["min"])
        return value is None or point["min"] - slack <= value <= point["max"] + slack

    outside = [(points[index], value) for index, value in values.items() if not fits(value, points[index][1])]
    checks.same("values outside their range", outside[:3], [])
    named = {(points[index][0], points[index][1]["name"]): value for index, value in values.items()}
    lowest = min(cells[-1]["voltage"])
    said = named[("plant:container-01", "cell-voltage-min")]
    checks.same("the lowest cell is the lowest", (abs(lowest - said) < 0.003, lowest, said), (True, lowest, said))
    ids = [message["id"] for topic, _, message in found if topic == "/events"]
    checks.same("events without a gap", ids, list(range(len(ids))))

    cut, _ = messages(data[: len(data) * 2 // 3 + 7])
    checks.same("what is before a cut is the same", cut, found[: len(cut)])
    checks.same("and it is not little", len(cut) > len(found) // 3, True)
    print(f"  {len(found)} messages in {len(data) // 1024} KiB, {len(values)} points, {len(ids)} events")
    return checks.end("mcap")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
