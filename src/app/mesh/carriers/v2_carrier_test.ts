import assert from "node:assert/strict";
import { keptLog } from "../../../../tests/fake/log.ts";
import { memoryPair } from "../../../../tests/fake/memory.ts";
import { StreamWorld } from "../../../../tests/fake/stream_programs.ts";
import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { Connection } from "../../../contract/connection.ts";
import type { MuxStream } from "../../../core/mux/mux_stream.ts";
import { clientMemory } from "../../mux/session_memory.ts";
import { StreamChannel } from "./stream_channel.ts";
import { V2Acceptor } from "./v2_acceptor.ts";
import { V2Carrier } from "./v2_carrier.ts";

/** Two nodes on one connection. */
class Nodes {
  readonly world = new StreamWorld({});
  readonly stop = new AbortController();
  readonly taken: MuxStream[] = [];
  readonly kept = keptLog(this.world.clock);

  acceptor(psk?: string): V2Acceptor {
    return new V2Acceptor({ ...this.#common(psk), secrets: () => this.#common(psk).secrets });
  }

  #common(psk = "correct horse") {
    const { log } = this.kept;
    return {
      ...this.world.common(log, this.stop.signal, { psk }),
      memory: clientMemory(),
      onStream: (stream: MuxStream) => void this.taken.push(stream),
    };
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.finally(() => isDone = true).catch(() => {}); // awaited below
    for (let i = 0; i < 200 && !isDone; i++) await this.world.clock.advance(i < 100 ? 10 : 500);
    return await promise;
  }

  link(psk?: string): Promise<[V2Carrier, V2Carrier | null]> {
    return this.settle(this.linkOn(...memoryPair(), psk));
  }

  async linkOn(
    here: Connection,
    there: Connection,
    psk?: string,
  ): Promise<[V2Carrier, V2Carrier | null]> {
    const dialling = V2Carrier.dial(here, this.#common());
    const accepting = this.acceptor(psk).accept(there);
    dialling.catch(() => {}); // awaited below
    return await Promise.all([dialling, accepting]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error("the test is over"));
    await this.world.clock.advance(1000);
    await this.world[Symbol.asyncDispose]();
  }
}

function channel(stream: MuxStream): StreamChannel {
  return new StreamChannel(stream, { transport: "tcp", peer: "the other" });
}

Deno.test("two nodes have streams both ways, and what binds proofs to their connection", async () => {
  await using nodes = new Nodes();
  const [here, there] = await nodes.link();
  assert.deepEqual(here.binding, there!.binding);
  const [again] = await nodes.link();
  assert.notDeepEqual(here.binding, again.binding);
  for (const from of [here, there!]) {
    nodes.taken.length = 0;
    using own = channel(await nodes.settle(from.open()));
    using other = channel(nodes.taken[0]!);
    await nodes.settle(own.write(utf8("there")));
    assert.deepEqual(await nodes.settle(other.read()), utf8("there"));
    await nodes.settle(other.write(utf8("and back")));
    assert.deepEqual(await nodes.settle(own.read()), utf8("and back"));
  }
});

Deno.test("bytes go out at once, and what follows them soon goes with others of its turn", async () => {
  await using nodes = new Nodes();
  const [here, there] = memoryPair();
  const [own] = await nodes.settle(nodes.linkOn(here, there));
  const stream = await nodes.settle(own.open());
  const { clock } = nodes.world;
  await clock.advance(1000);
  let writes = 0;
  const write = here.writeNow.bind(here);
  here.writeNow = (bytes) => {
    writes++;
    return write(bytes);
  };
  assert.equal(own.writeNow(stream, utf8("a")), 1);
  assert.equal(writes, 1);
  for (const text of ["b", "c"]) own.writeNow(stream, utf8(text));
  assert.equal(writes, 1);
  await clock.settle();
  assert.equal(writes, 2);
  await clock.advance(1);
  own.writeNow(stream, utf8("d"));
  assert.equal(writes, 3);
  await clock.advance(1);
  using read = channel(nodes.taken[0]!);
  assert.deepEqual(await nodes.settle(read.read()), utf8("abcd"));
  stream.reset();
  assert.throws(() => own.writeNow(stream, utf8("e")), TtunError);
});

Deno.test("a node with another secret hears nothing", async () => {
  await using nodes = new Nodes();
  await assert.rejects(nodes.link("another secret"), TtunError);
  assert.equal(nodes.taken.length, 0);
});

Deno.test("the other end takes a few streams alone", async () => {
  await using nodes = new Nodes();
  const [here] = await nodes.link();
  const streams = await nodes.settle(Promise.all([1, 2, 3, 4].map(() => here.open())));
  await assert.rejects(nodes.settle(here.open()), TtunError);
  streams[0]!.reset();
  await nodes.world.clock.advance(50);
  assert.ok(await nodes.settle(here.open()));
});

Deno.test("when one end is disposed of, the other one and all streams end", async () => {
  await using nodes = new Nodes();
  const [here, there] = await nodes.link();
  const own = channel(await nodes.settle(here.open()));
  const other = channel(nodes.taken[0]!);
  const reading = other.read();
  reading.catch(() => {}); // awaited below
  here[Symbol.dispose]();
  await nodes.settle(Promise.all([here.ended, there!.ended]));
  await assert.rejects(nodes.settle(reading), { kind: "lost" });
  await assert.rejects(nodes.settle(own.read()), { kind: "lost" });
});
