import assert from "node:assert/strict";
import { Answers, MuxEnd, MuxPair } from "../../../tests/fake/mux_end.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import { MOST_DATAGRAM } from "./datagram_queue.ts";
import {
  type Open,
  OpenKind,
  packAddress,
  packDatagramHead,
  packReset,
  packWindow,
} from "./frames.ts";
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

/** Takes the frames that go beside an end's carrier. */
function beside(end: MuxEnd, mostBytes = 1200): Uint8Array[] {
  const frames: Uint8Array[] = [];
  end.carrier.lossy = { mostBytes, send: (frame) => frames.push(frame) > 0 };
  return frames;
}

Deno.test("beside a carrier a datagram goes alone, once the peer knows its stream", () => {
  const pair = new MuxPair();
  const ways = [beside(pair.client), beside(pair.server)] as const;
  const here = pair.client.open(new Answers(), UDP);
  assert(here.sendDatagram(DNS, utf8("first")));
  pair.exchange();
  const there = pair.server.lastOpened;
  const came = listen(there);
  assert(here.sendDatagram(DNS, utf8("second")));
  assert.equal(ways[0].length, 0);
  there.answer(0, null);
  pair.exchange();
  assert.deepEqual(came, ["192.0.2.53 second"]);
  assert(here.sendDatagram(DNS, utf8("third")));
  assert(there.sendDatagram(DNS, utf8("back")));
  assert(here.sendDatagram(DNS, new Uint8Array(1200)));
  assert.deepEqual(ways.map((frames) => frames.length), [1, 1]);
  pair.exchange();
  assert.deepEqual(came.slice(1), ["192.0.2.53 1200"], "what is too long goes with all else");
  pair.server.mux.receiveLossy(new Reader(ways[0][0]!));
  assert.deepEqual(came.slice(2), ["192.0.2.53 third"]);
  const back = listen(here);
  pair.client.mux.receiveLossy(new Reader(ways[1][0]!));
  assert.deepEqual(back, ["192.0.2.53 back"]);
});

Deno.test("beside a carrier comes nothing but datagrams of streams that are there", () => {
  const { pair: { server }, here, came } = connect();
  const take = (...frames: Uint8Array[]) => server.mux.receiveLossy(new Reader(concat(...frames)));
  const words = utf8("x");
  take(packReset(here.id, 0));
  take(packWindow(0, 2 ** 40));
  take(packDatagramHead(999, packAddress(null), 1), words);
  take(new Uint8Array());
  assert.throws(() => take(packDatagramHead(here.id, packAddress(null), 9), words));
  take(packDatagramHead(here.id, packAddress(null), 1), words);
  assert.deepEqual(came, ["- x"]);
  server.mux.end(new TtunError("lost", "over"));
  take(packDatagramHead(here.id, packAddress(null), 1), words);
  assert.deepEqual(came, ["- x"]);
});

/** Numbers from 0 to below 1 (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

Deno.test("over carriers that die, datagrams come in order and at most once, beside data that is not lost", () => {
  const RUNS = 40;
  let sent = 0;
  let came = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const chance = random(seed);
    const { client, server } = new MuxPair();
    const flow = client.open(new Answers(), UDP);
    const bulk = client.open();
    let [number, last, wrote, got] = [1, 0, 0, 0];
    let isListened = false;
    const into = new Uint8Array(100_000);
    for (let step = 0; step < 400; step++) {
      if (chance() < 0.4) sent += flow.sendDatagram(DNS, utf8(`${step + 1}`)) ? 1 : 0;
      if (chance() < 0.3) wrote += bulk.writeNow(new Uint8Array(3000));
      const ways = [[client, server], [server, client]] as const;
      for (const [from, to] of ways) {
        from.mux.ackIsDue();
        const record = chance() < 0.6 ? from.record() : null;
        if (record !== null && chance() < 0.97) to.give(record);
        else if (record !== null) { // it is lost, and its carrier with it
          for (const end of [client, server]) end.mux.detach(end.carrier);
          number++;
          const expected = client.mux.expected;
          client.carrier = client.mux.attach(number, server.mux.expected);
          server.carrier = server.mux.attach(number, expected);
        }
      }
      for (const { stream, open } of isListened ? [] : server.opened) {
        stream.answer(0, null);
        isListened = server.opened.length === 2;
        if (open.kind !== OpenKind.udp) continue;
        stream.onDatagram = (_, bytes) => {
          const name = Number(new TextDecoder().decode(bytes));
          assert(name > last, `${name} behind ${last}`);
          last = name;
          came++;
        };
      }
      const plain = server.opened.find(({ open }) => open.kind === OpenKind.connect);
      got += plain?.stream.readNow(into) ?? 0;
    }
    for (let round = 0; round < 200; round++) {
      for (const [from, to] of [[client, server], [server, client]] as const) {
        from.mux.ackIsDue();
        const record = from.record();
        if (record !== null) to.give(record);
      }
      got += server.opened.find(({ open }) => open.kind === OpenKind.connect)!.stream
        .readNow(into) ?? 0;
    }
    assert.equal(got, wrote, `seed ${seed}`);
  }
  assert(came > sent / 2 && came < sent, `${came} of ${sent}`);
});
