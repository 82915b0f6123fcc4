import assert from "node:assert/strict";
import { keptLog } from "../../../tests/fake/log.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { UNABLE } from "../../../tests/fake/v2_pair.ts";
import { forgetful, SERVER_HOST, SERVER_PORT, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { connectLink } from "../link/connect.ts";
import { DEFAULT_PENDING } from "../net/pending_connections.ts";
import { write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";

function connect(world: TunWorld, host: string): Promise<Connection> {
  const { signal } = new AbortController();
  return dial(world.net.dialer(host), { host: SERVER_HOST, port: SERVER_PORT }, { signal });
}

/** One connection from each of more addresses than all that may wait: nobody has more than another. */
async function flood(world: TunWorld): Promise<void> {
  for (let i = 0; i < DEFAULT_PENDING.total + 50; i++) {
    await connect(world, `10.1.${i >> 8}.${i & 255}`);
    if (i % 100 === 0) await world.clock.settle();
  }
  await world.clock.settle();
}

/** A client that has sent its hello, and reads the answer to it only when `goOn` is called. */
async function slowClient(world: TunWorld, o: { wire: "v1" | "v2"; cut?: boolean }) {
  const { log } = keptLog(world.clock);
  const { router } = world.server(o);
  await world.clock.settle();
  const stream = await connect(world, "192.0.2.2");
  const goOn = () => {
    isOpen = true;
    gate.resolve();
  };
  const gate = Promise.withResolvers<void>();
  const sent: Uint8Array[] = [];
  let isOpen = false;
  const { readNow, writeNow } = stream;
  stream.readNow = (into) => isOpen ? readNow.call(stream, into) : undefined;
  stream.onReadable = (run) => void gate.promise.then(run);
  stream.writeNow = (bytes) => {
    sent.push(bytes.slice());
    if (o.cut !== true || sent.length === 1) return writeNow.call(stream, bytes);
    stream.readNow = () => {
      throw new TtunError("lost", "Connection reset by peer");
    };
    return bytes.length;
  };
  const { secrets, clock } = world.common(o, router, log, new AbortController().signal);
  const meeting = connectLink(stream, {
    ...{ secrets, clock, device: UNABLE, memory: forgetful(), instance: seededRng(1)(16) },
  });
  meeting.catch(() => {}); // looked at later
  await world.clock.settle();
  return { stream, sent, meeting, goOn };
}

Deno.test("a client whose hello was right keeps its connection, whatever strangers open meanwhile", async () => {
  await using world = new TunWorld();
  const { stream, meeting, goOn } = await slowClient(world, { wire: "v2" });
  await flood(world);
  goOn();
  const { link } = await world.clock.until(meeting);
  await link[Symbol.asyncDispose]();
  await stream[Symbol.asyncDispose]();
  await world.clock.advance(31_000);
});

Deno.test("whoever replays a hello stays among the strangers", async () => {
  await using world = new TunWorld();
  const { stream, meeting, sent, goOn } = await slowClient(world, { wire: "v2" });
  const replaying = await connect(world, "192.0.2.66");
  await write(replaying, sent[0]!);
  await world.clock.settle();
  assert.notEqual(replaying.stats().peerClosed, true);
  await flood(world);
  assert.equal(replaying.stats().peerClosed, true);
  goOn();
  const { link } = await world.clock.until(meeting);
  await link[Symbol.asyncDispose]();
  await stream[Symbol.asyncDispose]();
  await world.clock.advance(31_000);
});

Deno.test("a client that is cut off in the middle says that its key is right, where the answer has told it", async () => {
  await using world = new TunWorld();
  const { stream, meeting, goOn } = await slowClient(world, { wire: "v2", cut: true });
  goOn();
  await assert.rejects(world.clock.until(meeting), (error: TtunError) => {
    assert.equal(error.kind, "lost");
    assert.match(error.message, /the key is right; the server may have too many connections/);
    assert.doesNotMatch(error.message, /wrong key/);
    return true;
  });
  await stream[Symbol.asyncDispose]();
  await world.clock.advance(31_000);
});

Deno.test("in version 1, which proves nothing by a cut, too many connections are named as well", async () => {
  await using world = new TunWorld();
  const { stream, meeting, goOn } = await slowClient(world, { wire: "v1", cut: true });
  goOn();
  await assert.rejects(world.clock.until(meeting), /or it has too many connections/);
  await stream[Symbol.asyncDispose]();
  await world.clock.advance(31_000);
});
