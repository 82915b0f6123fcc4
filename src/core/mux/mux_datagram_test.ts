import assert from "node:assert/strict";
import { Answers, MuxEnd, MuxPair } from "../../../tests/fake/mux_end.ts";
import { utf8 } from "../../base/bytes.ts";
import { MOST_DATAGRAM } from "./datagram_queue.ts";
import { type Open, OpenKind, packAddress, packDatagramHead } from "./frames.ts";
import { LEAST_ROOM } from "./mux.ts";
import type { MuxStream } from "./mux_stream.ts";

const UDP: Open = { kind: OpenKind.udp, address: null };
const DNS = { host: "192.0.2.53", port: 53 };

/** Both ends of a stream of datagrams, and what has come at the server. */
function connect() {
  const pair = new MuxPair();
  const here = pair.client.open(new Answers(), UDP);
  pair.exchange();
  const there = pair.server.lastOpened;
  const came = listen(there);
  there.answer(0, null);
  pair.exchange();
  return { pair, here, there, came };
}

function listen(stream: MuxStream): string[] {
  const came: string[] = [];
  stream.onDatagram = (address, bytes) => {
    const from = address !== null && "host" in address ? address.host : "-";
    came.push(`${from} ${bytes.length > 20 ? bytes.length : new TextDecoder().decode(bytes)}`);
  };
  return came;
}

Deno.test("datagrams go both ways with their addresses, whole, and an empty one too", () => {
  const { pair, here, there, came } = connect();
  const back = listen(here);
  const bytes = utf8("query");
  assert(here.sendDatagram(DNS, bytes));
  bytes.fill(0); // it was copied
  here.sendDatagram({ host: "a.example", port: 53 }, new Uint8Array());
  there.sendDatagram(DNS, new Uint8Array(MOST_DATAGRAM));
  pair.exchange();
  assert.deepEqual(came, ["192.0.2.53 query", "a.example "]);
  assert.deepEqual(back, [`192.0.2.53 ${MOST_DATAGRAM}`]);
});

Deno.test("a datagram may follow its open at once, and is not acknowledged", () => {
  const client = new MuxEnd("client");
  const stream = client.open(new Answers(), UDP);
  stream.sendDatagram(DNS, utf8("first"));
  assert.deepEqual(client.sent(), ["open 1", "datagram 1 first"]);
  const next = client.mux.attach(2, 0);
  client.mux.detach(client.carrier);
  const again = client.sent(next);
  assert(again.includes("open 1"), "it was not acknowledged");
  assert(!again.some((word) => word.startsWith("datagram")), "it is not sent again");
});

Deno.test("what is too long, too much, or without a carrier is dropped", () => {
  const { pair: { client, server }, here, came } = connect();
  assert(!here.sendDatagram(DNS, new Uint8Array(MOST_DATAGRAM + 1)));
  let taken = 0;
  while (here.sendDatagram(DNS, new Uint8Array(1000))) taken++;
  assert.equal(taken, 65);
  const other = client.open(new Answers(), UDP);
  assert(other.sendDatagram(DNS, utf8("room for others")));
  for (let record = client.record(); record !== null; record = client.record()) server.give(record);
  assert.equal(came.length, taken);
  assert(here.sendDatagram(DNS, utf8("again")));
  client.mux.detach(client.carrier);
  assert(!here.sendDatagram(DNS, utf8("nowhere")));
  client.carrier = client.mux.attach(2, server.mux.expected);
  assert(!client.sent().some((word) => word.startsWith("datagram")));
});

Deno.test("datagrams and data share a record", () => {
  const { pair: { client }, here } = connect();
  const bulk = client.open();
  while (bulk.writeNow(new Uint8Array(10_000)) > 0);
  for (let i = 0; i < 40; i++) here.sendDatagram(DNS, new Uint8Array(1400));
  const record = client.record(LEAST_ROOM)!;
  const words = client.sent(); // the rest
  assert(record.length > LEAST_ROOM / 2);
  client.mux.ackIsDue();
  assert(words.some((word) => word.startsWith("datagram")));
  assert(words.some((word) => word.startsWith("data ")));
});

Deno.test("a datagram for a stream that is over, was never there, or takes none is dropped", () => {
  const { pair, here, there, came } = connect();
  const [plain] = pair.connect();
  const datagram = (id: number) => {
    const bytes = utf8("late");
    return [packDatagramHead(id, packAddress(null), bytes.length), bytes] as const;
  };
  pair.client.give(...datagram(plain.id));
  pair.server.give(...datagram(here.id), ...datagram(4), ...datagram(1001));
  assert.deepEqual(came, ["- late"]);
  here.sendDatagram(DNS, utf8("never sent"));
  here.reset();
  assert(!here.sendDatagram(DNS, utf8("refused")));
  pair.exchange();
  assert(!there.sendDatagram(DNS, utf8("refused")));
  pair.server.give(...datagram(here.id));
  assert.deepEqual(came, ["- late"]);
  assert.equal(pair.client.mux.streams, 1);
});
