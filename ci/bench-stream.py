#!/usr/bin/env python3
"""What one subscriber of the control API costs a live rig: `bench-stream.py BESSRIG RIG [--check]`, a JSON line as the others of
ci/bench. All topics, all recorded points, every cell, 10 times a second, read as they come; CPU time of the rig's process
with and without, in turns, so that a busy machine hits both alike."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

HZ = 10
TURNS = 3
TURN_S = 10
GOAL = 0.02


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def subscribe(host, port):
    """A WebSocket by hand: the standard library has none."""
    stream = socket.create_connection((host, port), timeout=10)
    stream.sendall(
        f"GET /api/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(1)
    assert b" 101 " in head.split(b"\r\n")[0], head
    wish = json.dumps({"topics": ["cells", "points", "events", "status"], "hz": HZ}).encode()
    mask = b"\0\0\0\0"
    stream.sendall(struct.pack("!BB", 0x81, 0x80 | len(wish)) + mask + wish)
    return stream


def read_for(stream, seconds):
    """Bytes that came."""
    end, got = time.monotonic() + seconds, 0
    stream.settimeout(1)
    while time.monotonic() < end:
        got += len(stream.recv(1 << 20))
    return got


def main(bessrig, rig, check):
    run = subprocess.Popen(
        [bessrig, "run", "--rig", rig, "--api", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in run.stdout:
            if found := re.match(r"API .* on http://([0-9.]+):([0-9]+)/api", line):
                break
        host, port = found[1], int(found[2])
        os.set_blocking(run.stdout.fileno(), False)
        time.sleep(5)
        alone = beside = 0.0
        received = 0
        for _ in range(TURNS):
            begin = cpu_seconds(run.pid)
            time.sleep(TURN_S)
            alone += cpu_seconds(run.pid) - begin
            stream = subscribe(host, port)
            read_for(stream, 1)
            begin = cpu_seconds(run.pid)
            received += read_for(stream, TURN_S)
            beside += cpu_seconds(run.pid) - begin
            stream.close()
            while run.stdout.read(1 << 16):
                pass
    finally:
        run.terminate()
        run.wait()
    cost = (beside - alone) / (TURNS * TURN_S)
    print(json.dumps({"name": "rig_alone", "value": round(alone / (TURNS * TURN_S), 4), "unit": "cores"}))
    print(json.dumps({"name": "stream", "value": round(received / (TURNS * TURN_S) / 1e6, 3), "unit": "MB/s"}))
    print(
        json.dumps(
            {"name": "one_subscriber_at_10_hz", "value": round(cost, 4), "unit": "cores", "goal": GOAL}
        )
    )
    return 1 if check and cost > GOAL else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], "--check" in sys.argv[3:]))
