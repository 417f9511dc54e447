// A finished recording and one cut in the middle of a chunk, read by the libraries below Foxglove and Lichtblick:
// node mcap_readers.js FINISHED CUT. The finished one by its index, as they and PlotJuggler open a file; the cut one, which
// has none, from the start. Each message is held against the JSON schema in its file, and each schema against what these
// programs make of one. Prints JSON: what each check saw, and what it should.
import { McapIndexedReader, McapStreamReader } from "@mcap/core";
import { FileHandleReadable } from "@mcap/nodejs";
import { loadDecompressHandlers } from "@mcap/support";
import Ajv2020 from "ajv/dist/2020.js";
import { open, readFile } from "node:fs/promises";

const [finishedFile, cutFile] = process.argv.slice(2);
const decompressHandlers = await loadDecompressHandlers();
const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: false });
const checks = [];
const same = (name, seen, wanted) => checks.push({ name, seen, wanted });

const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

// Columns of a schema as the loaders make them, before any message; they refuse a topic with anything else in it.
function columns(schema, at) {
  if (schema.type !== "object") throw new Error(`${at} is no object`);
  return Object.entries(schema.properties).flatMap(([name, property]) => {
    const here = `${at}.${name}`;
    const isList = property.type === "array";
    const one = isList ? property.items : property;
    if (property.oneOf) throw new Error(`${here} has alternatives`);
    if (one.type === "object") return columns(one, here);
    if (["boolean", "string", "number", "integer"].includes(one.type)) return [here];
    throw new Error(`${here} is of type ${JSON.stringify(one.type)}`);
  });
}

// Numbers as PlotJuggler draws them: each leaf of an object or list is a series.
function numbers(value) {
  if (typeof value === "number") return Number.isFinite(value) ? 1 : NaN;
  if (value === null || typeof value !== "object") return 0;
  return Object.values(value).reduce((sum, one) => sum + numbers(one), 0);
}

class Topics {
  constructor() {
    this.byChannel = new Map();
    this.messages = [];
    this.broken = [];
  }

  add(channel, schema) {
    if (this.byChannel.has(channel.id)) return;
    const definition = json(schema.data);
    let told;
    try {
      told = columns(definition, channel.topic).length;
    } catch (error) {
      told = error.message;
    }
    this.byChannel.set(channel.id, {
      topic: channel.topic,
      encodings: `${channel.messageEncoding} ${schema.encoding}`,
      columns: told,
      isValid: ajv.compile(definition),
      count: 0,
      last: -1n,
    });
  }

  take(message) {
    const of = this.byChannel.get(message.channelId);
    const value = json(message.data);
    if (!of.isValid(value)) this.broken.push(`${of.topic}: ${ajv.errorsText(of.isValid.errors)}`);
    if (message.logTime < of.last || message.logTime !== message.publishTime) this.broken.push(`${of.topic}: time`);
    if (of.topic !== "/description" && value.at_ns !== Number(message.logTime)) this.broken.push(`${of.topic}: at_ns`);
    if (Number.isNaN(numbers(value))) this.broken.push(`${of.topic}: a number that is none`);
    of.last = message.logTime;
    of.count += 1;
    this.messages.push({ topic: of.topic, time: message.logTime, value });
  }

  judge(what) {
    const all = [...this.byChannel.values()];
    same(`${what}: topics`, all.map((of) => of.topic).sort(), [
      "/cells", "/description", "/events", "/points", "/status",
    ]);
    same(`${what}: encodings`, [...new Set(all.map((of) => of.encodings))], ["json jsonschema"]);
    same(`${what}: schemas that a loader refuses`, all.map((of) => of.columns).filter((of) => !(of > 0)), []);
    same(`${what}: messages that break their schema`, this.broken.slice(0, 3), []);
  }
}

async function finished(file) {
  const handle = await open(file, "r");
  const reader = await McapIndexedReader.Initialize({ readable: new FileHandleReadable(handle), decompressHandlers });
  const topics = new Topics();
  // PlotJuggler takes what the summary tells and looks no further
  for (const channel of reader.channelsById.values()) topics.add(channel, reader.schemasById.get(channel.schemaId));
  for await (const message of reader.readMessages()) topics.take(message);
  topics.judge("finished");
  const counted = [...topics.byChannel].map(([id, of]) => [id, BigInt(of.count)]);
  const told = [...reader.statistics.channelMessageCounts];
  const text = (pairs) => pairs.map(String).sort();
  same("finished: messages as the statistics count them", text(counted), text(told));
  const cells = topics.messages.filter((message) => message.topic === "/cells");
  const series = new Set(cells.map((message) => numbers(message.value.voltage)));
  same("finished: a series for each cell, in every frame", [...series], [topics.messages[0].value.cells.count]);
  // a seek to the middle leads to a frame that needs nothing from before, not long before it
  const middle = (reader.statistics.messageStartTime + reader.statistics.messageEndTime) / 2n;
  let complete = false;
  for await (const message of reader.readMessages({ topics: ["/points"], endTime: middle, reverse: true })) {
    complete = json(message.data).complete;
    if (complete || middle - message.logTime > 20_000_000_000n) break;
  }
  same("finished: a complete frame shortly before the middle", complete, true);
  await handle.close();
}

async function cut(file) {
  const topics = new Topics();
  const schemas = new Map();
  const reader = new McapStreamReader({ decompressHandlers, validateCrcs: true });
  reader.append(await readFile(file));
  for (let record; (record = reader.nextRecord()); ) {
    if (record.type === "Schema") schemas.set(record.id, record);
    if (record.type === "Channel") topics.add(record, schemas.get(record.schemaId));
    if (record.type === "Message") topics.take(record);
  }
  same("cut: it has no end", reader.done(), false);
  topics.judge("cut");
  same("cut: it begins with the description", topics.messages[0]?.topic, "/description");
  same("cut: and is not little", topics.messages.length > 20, true);
  const handle = await open(file, "r");
  const indexed = McapIndexedReader.Initialize({ readable: new FileHandleReadable(handle), decompressHandlers });
  same("cut: the reader by index says so", await indexed.then(() => "read", () => "refused"), "refused");
  await handle.close();
}

await finished(finishedFile);
await cut(cutFile);
console.log(JSON.stringify(checks));
