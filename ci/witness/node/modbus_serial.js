// modbus-serial against a live rig: modbus_serial.js PCS_HOST PCS_PORT PANEL_HOST PANEL_PORT SCRATCH SCRATCH_WIDE. Run by
// modbus_serial.py. Exit code 0 if all holds, else 2.
import ModbusRTU from "modbus-serial";
import assert from "node:assert/strict";

const [pcsHost, pcsPort, panelHost, panelPort, ...rest] = process.argv.slice(2);
const [scratch, wide] = rest.map(Number);
let passed = 0;
const failed = [];

async function check(what, action, expected) {
  try {
    assert.deepEqual(await action(), expected);
    passed += 1;
  } catch (error) {
    failed.push(`${what}: ${error.message}`);
  }
}

async function refused(what, action, code) {
  await check(what, () => action().then((data) => `answered ${JSON.stringify(data)}`, (error) => error.modbusCode), code);
}

async function connect(host, port) {
  const client = new ModbusRTU();
  await client.connectTCP(host, { port: Number(port) });
  client.setID(1);
  client.setTimeout(5000);
  return client;
}

const pcs = await connect(pcsHost, pcsPort);
const panel = await connect(panelHost, panelPort);
const registers = (address, count) => pcs.readHoldingRegisters(address, count).then(({ data }) => data);

await check("FC3 SunS", () => registers(40000, 2), [0x5375, 0x6e53]);
await check("FC3 of 125", () => registers(40000, 125).then((data) => data.length), 125);
await check("FC6", () => pcs.writeRegister(scratch, 234).then(({ value }) => value), 234);
await check("FC3 reads it", () => registers(scratch, 1), [234]);
await check("FC16", () => pcs.writeRegisters(wide, [0xffff, 0xff00]).then(({ length }) => length), 2);
await check("FC3 reads 32 bits", () => registers(wide, 2), [0xffff, 0xff00]);
// (234 AND F) OR (0x110 AND NOT F) = 0x11A
await check("FC22", () => pcs.maskWriteRegister(scratch, 0x000f, 0x0110).then(() => registers(scratch, 1)), [0x011a]);
await check("FC23", () => pcs.readWriteRegisters(scratch, 1, scratch, 1, [9]).then(({ data }) => data), [9]);
await check("FC2", () => panel.readDiscreteInputs(0, 17).then(({ data }) => data.length >= 17), true);
await check("FC15", () => panel.writeCoils(4, [true, false]).then(({ length }) => length), 2);
await check("FC5", () => panel.writeCoil(4, true).then(({ state }) => state), true);
await check("FC1", () => panel.readCoils(4, 2).then(({ data }) => data.slice(0, 2)), [true, false]);
const identification = pcs.readDeviceIdentification(2, 0);
await check("FC43 conformity", () => identification.then(({ conformityLevel }) => conformityLevel), 0x82);
await check("FC43 objects", () => identification.then(({ data }) => Object.keys(data)), ["0", "1", "2", "4", "5"]);
await check("FC43 vendor", () => identification.then(({ data }) => data[0].length > 0), true);

await refused("FC4: no input registers", () => pcs.readInputRegisters(0, 1), 1);
await refused("FC3 over the end", () => registers(65000, 2), 2);
await refused("FC3 of 126", () => registers(40000, 126), 3);
await refused("FC6 read-only", () => pcs.writeRegister(40000, 1), 2);
await refused("FC6 out of range", () => pcs.writeRegister(scratch, 5000), 3);
await refused("FC16 of nothing", () => pcs.writeRegisters(scratch, []), 3);

await check("puts it back", () => pcs.writeRegister(scratch, 0).then(({ value }) => value), 0);
await check("puts 32 bits back", () => pcs.writeRegisters(wide, [0, 0]).then(({ length }) => length), 2);
for (const client of [pcs, panel]) client.close(() => {});
for (const problem of failed) console.error(`  FAIL ${problem}`);
console.log(`  modbus-serial: ${passed} of ${passed + failed.length} checks hold`);
process.exit(failed.length || !passed ? 2 : 0);
