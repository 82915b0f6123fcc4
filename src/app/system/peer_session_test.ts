import assert from "node:assert/strict";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { secretOf } from "../../../tests/fake/named_keys.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { EPOCH } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { handshakeKeys } from "../../../tests/fake/v1_session.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import type { WireSecrets } from "../link/config.ts";
import { read, write } from "../loop/stream_io.ts";
import { runPeerClient } from "./peer_client.ts";
import { peerServer } from "./peer_session.ts";
import { runPeerServer } from "./peer_server.ts";

/** The program beside an end, and the end's own end. */
interface End {
  readonly program: Connection;
  readonly lines: () => string[];
  readonly ended: Promise<TtunError | null>;
  readonly stop: (reason: TtunError) => void;
}

interface Ways {
  readonly psk?: [string, string];
  readonly keepMs?: number;
  readonly bindings?: [Uint8Array, Uint8Array];
  /** The client's program has said it before the ends begin. */
  readonly said?: Uint8Array;
  /** Number of connections, the first ones, that break at once. */
  readonly broken?: number;
}

/** Milliseconds in which the ends must meet. */
const DEADLINE_MS = 3000;

function nobody(): TtunError {
  return new UnreachableError("host", "Cannot reach the peer");
}

/** Two ends that meet whenever both ask for a connection; the client is the first. */
class Peers {
  readonly clock = new FakeClock();
  readonly ciphers = new CountedCiphers();
  /** Connections that the client had, the oldest first. */
  readonly carriers: Connection[] = [];
  /** False while no connection comes about. */
  mayMeet = true;
  readonly client: End;
  readonly server: End;
  readonly #waiting: { take: (stream: Connection) => void; signal: AbortSignal }[] = [];
  readonly #o: Ways;

  constructor(o: Ways = {}) {
    this.#o = o;
    this.server = this.#start(1);
    this.client = this.#start(0);
  }

  #start(number: 0 | 1): End {
    const { psk = ["correct horse", "correct horse"], keepMs = 0 } = this.#o;
    const { clock } = this;
    const [stdio, program] = memoryPair();
    if (number === 0 && this.#o.said !== undefined) program.writeNow(this.#o.said);
    const kept = keptLog(clock);
    const stop = new AbortController();
    const { nonce: _, ...keys } = handshakeKeys({
      psk: psk[number],
      makeCipher: this.ciphers.factory,
    });
    const secrets: WireSecrets = {
      mode: "v2",
      v1: keys,
      s: secretOf(psk[number]),
      keyExchange: nodeKeyExchange,
      rng: seededRng(7 + number),
      wallClock: () => EPOCH + clock.now(),
    };
    const { signal } = stop;
    const common = { stdio, secrets, keepMs, clock, log: kept.log, signal, onUp: () => {} };
    const running = number === 0
      ? runPeerClient({
        ...common,
        server: peerServer((s) => this.#dial(s)),
        instance: utf8("0123456789abcdef"),
        hasTicket: false,
      })
      : runPeerServer({ ...common, way: { reach: (s) => this.#await(s) } });
    const ended = running.then(() => null, (error) => error as TtunError)
      .finally(() => stdio[Symbol.asyncDispose]());
    const lines = () => kept.records.map(({ level, message }) => `${level} ${message}`);
    return { program, lines, ended, stop: (reason) => stop.abort(reason) };
  }

  async #await(signal: AbortSignal): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    using _deadline = this.clock.after(DEADLINE_MS, () => reject(nobody()));
    this.#waiting.push({ take: resolve, signal });
    return await abortable(promise, signal);
  }

  async #dial(signal: AbortSignal): Promise<Connection> {
    for (let left = DEADLINE_MS; left > 0; left -= 100) {
      signal.throwIfAborted();
      const other = this.mayMeet ? this.#waiting.shift() : undefined;
      if (other !== undefined) {
        const [mine, theirs] = memoryPair({ signalA: signal, signalB: other.signal });
        const [a, b] = this.#o.bindings ?? [];
        if (a !== undefined) Object.assign(mine, { binding: a });
        if (b !== undefined) Object.assign(theirs, { binding: b });
        this.carriers.push(mine);
        other.take(theirs);
        if (this.carriers.length <= (this.#o.broken ?? 0)) mine.reset();
        return mine;
      }
      await new Promise<void>((resolve) => void this.clock.after(100, resolve));
    }
    throw nobody();
  }

  /** Lets time pass until both have ended. */
  async ends(most = 600): Promise<[TtunError | null, TtunError | null]> {
    let isOver = false;
    const both = Promise.all([this.client.ended, this.server.ended]);
    void both.then(() => isOver = true);
    for (let i = 0; i < most && !isOver; i++) await this.clock.advance(100);
    assert(isOver, "the ends have not ended");
    assert.equal(this.ciphers.live, 0);
    return await both;
  }
}

/** Writes all, and the end behind it. */
async function send(program: Connection, bytes: Uint8Array): Promise<void> {
  await write(program, bytes);
  await program.closeWrite();
}

Deno.test("both ways are carried to their ends, and both ends end without an error", async () => {
  const peers = new Peers();
  const [up, down] = [pattern(700_000, 1), pattern(30_000, 2)];
  const talk = async (program: Connection, bytes: Uint8Array) => {
    const reading = readAll(program);
    await send(program, bytes);
    return await reading;
  };
  const done = Promise.all([talk(peers.client.program, up), talk(peers.server.program, down)]);
  assert.deepEqual(await peers.ends(), [null, null]);
  assert.deepEqual(await done, [down, up]);
});

Deno.test("the end that waits for a peer leaves with it, without a wait of its own", async () => {
  const peers = new Peers();
  const { clock } = peers;
  for (const { program } of [peers.client, peers.server]) await program.closeWrite();
  const times = [peers.client, peers.server].map((end) => end.ended.then(() => clock.now()));
  assert.deepEqual(await peers.ends(), [null, null]);
  const [client, server] = await Promise.all(times);
  assert(Math.abs(server! - client!) <= 100, `${client} ms, ${server} ms`);
});

Deno.test("what was said before there was a peer arrives once, whatever attempts have failed", async () => {
  const said = pattern(10_000, 4);
  const peers = new Peers({ said, broken: 2 });
  await peers.server.program.closeWrite();
  const reading = readAll(peers.server.program);
  await peers.client.program.closeWrite();
  assert.deepEqual(await peers.ends(), [null, null]);
  assert.deepEqual(await reading, said);
  assert.equal(peers.carriers.length, 3);
});

Deno.test("an end waits until the other one has written all, however slow its reader is", async () => {
  for (const slow of ["client", "server"] as const) {
    const peers = new Peers();
    const [reader, writer] = slow === "client"
      ? [peers.client.program, peers.server.program]
      : [peers.server.program, peers.client.program];
    await reader.closeWrite();
    const bytes = pattern(2_000_000, 3);
    const writing = send(writer, bytes);
    for (let i = 0; i < 300; i++) await peers.clock.advance(100); // nobody reads
    let ended = 0;
    for (const { ended: end } of [peers.client, peers.server]) void end.then(() => ended++);
    await peers.clock.advance(100);
    assert.equal(ended, 0, slow);
    const reading = readAll(reader);
    assert.deepEqual(await peers.ends(), [null, null]);
    assert.deepEqual(await reading, bytes);
    await writing;
  }
});

Deno.test("without a session that is kept, a lost connection is told by both ends", async () => {
  const peers = new Peers();
  await write(peers.client.program, utf8("hello"));
  await peers.clock.advance(1000);
  const got = new Uint8Array(9);
  assert.equal(await read(peers.server.program, got), 5);
  peers.carriers[0]!.reset();
  const ends = await peers.ends();
  for (const error of ends) assert.equal(error?.kind, "lost");
  assert.match(ends[1]!.message, /Lost the connection with the peer before its end/);
});

Deno.test("with --keep the pipe goes on, byte for byte, over other connections", async () => {
  const peers = new Peers({ keepMs: 60_000 });
  const bytes = pattern(3_000_000, 5);
  await peers.server.program.closeWrite();
  const writing = send(peers.client.program, bytes);
  const got: Uint8Array[] = [];
  const chunk = new Uint8Array(100_000);
  for (let total = 0, cuts = 0; total < bytes.length;) {
    await peers.clock.advance(50);
    const size = peers.server.program.readNow(chunk);
    if (size === undefined) continue;
    assert(size !== null);
    got.push(chunk.slice(0, size));
    total += size;
    if (total < (cuts + 1) * 500_000) continue;
    cuts++;
    peers.carriers.at(-1)!.reset();
  }
  assert.deepEqual(await peers.ends(), [null, null]);
  assert.deepEqual(new Uint8Array(await new Blob(got as BlobPart[]).arrayBuffer()), bytes);
  assert(peers.carriers.length > 3, `${peers.carriers.length} connections`);
  await writing;
});

Deno.test("a pipe that is kept ends when nobody has come back for that long", async () => {
  const peers = new Peers({ keepMs: 5000 });
  await write(peers.client.program, utf8("hello"));
  await peers.clock.advance(1000);
  peers.mayMeet = false;
  peers.carriers[0]!.reset();
  const [client, server] = await peers.ends();
  assert.equal(client?.kind, "unreachable");
  assert.equal(server?.kind, "unreachable");
});

Deno.test("another key is told by both ends at once", async () => {
  const peers = new Peers({ psk: ["correct horse", "battery staple"] });
  const ends = await peers.ends(50);
  for (const error of ends) {
    assert.equal(error?.kind, "auth");
    assert.match(error!.message, /Cannot authenticate the peer: it has another key/);
  }
});

Deno.test("ends that saw different certificates do not come together, and the server says why", async () => {
  const peers = new Peers({ bindings: [pattern(32, 1), pattern(32, 2)] });
  const [client, server] = await peers.ends(300);
  assert.equal(server?.kind, "auth");
  assert.match(server!.message, /someone may be in the middle/);
  assert.equal(client?.kind, "auth");
  assert.match(client!.message, /someone may be in the middle/);
});

Deno.test("a peer that stops in the middle is told as such: nothing looks complete", async () => {
  for (const stopped of ["client", "server"] as const) {
    const peers = new Peers();
    const other = stopped === "client" ? "server" : "client";
    await write(peers[stopped].program, utf8("hello"));
    await peers.clock.advance(1000);
    const reason = new TtunError("lost", "stopped by the test");
    peers[stopped].stop(reason);
    const ends = await peers.ends();
    assert.equal(ends[stopped === "client" ? 0 : 1], reason);
    assert.equal(ends[other === "client" ? 0 : 1]?.kind, "lost");
    const got = new Uint8Array(9);
    assert.equal(await read(peers[other].program, got), 5);
    assert.throws(() => peers[other].program.readNow(got), { kind: "lost" });
  }
});
