"""Lists what pysunspec2 finds in the SunSpec devices at the ports given, as JSON: {port: {model id: {point: value}}}."""

import json
import sys

import sunspec2.modbus.client as client


def points(model):
    return {name: point.cvalue for name, point in model.points.items() if point.value is not None}


found = {}
for port in sys.argv[1:]:
    device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=int(port), timeout=10)
    device.scan()
    found[port] = {str(key): points(models[0]) for key, models in device.models.items() if isinstance(key, int)}
    device.close()
json.dump(found, sys.stdout, indent=1, default=str)
