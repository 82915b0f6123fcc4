import assert from "node:assert/strict";
import { type TunnelEnd, TunnelPair } from "../../../tests/fake/tunnel_pair.ts";
import { TtunError } from "../../base/errors.ts";
import type { TunnelStream } from "./tunnel_stream.ts";

const SCHEDULES = 10_000;
const STEPS = 40;

/** Numbers from 0 to below 1 (mulberry32). */
function randomOf(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

/** One end of a tunnel, with what it has sent and received. */
class ModelEnd {
  readonly key: number;
  stream: TunnelStream | null = null;
  other!: ModelEnd;
  written = 0;
  read = 0;
  /** It has asked for its end. */
  isClosed = false;
  /** It was reset or disposed of, or its link was lost: it need not get or give all. */
  isCut = false;
  end: "end" | "lost" | null = null;

  constructor(key: number) {
    this.key = key;
  }

  byteAt(i: number): number {
    return (this.key * 31 + i * 7 + (i >>> 8)) & 0xff;
  }

  write(size: number): void {
    if (this.stream === null || this.isClosed || this.isCut || this.end !== null) return;
    const bytes = Uint8Array.from({ length: size }, (_, i) => this.byteAt(this.written + i));
    this.written += this.stream.writeNow(bytes);
  }

  /** Reads some; the bytes are those that were written, from the first one on. */
  readSome(size: number): void {
    if (this.stream === null || this.end !== null || this.isCut) return;
    const into = new Uint8Array(size);
    try {
      const got = this.stream.readNow(into);
      if (got === null) this.end = "end";
      for (let i = 0; i < (got ?? 0); i++) {
        assert.equal(into[i], this.other.byteAt(this.read + i), "a byte is lost or moved");
      }
      this.read += got ?? 0;
      assert(this.read <= this.other.written);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      this.end = "lost";
    }
  }

  readAll(): void {
    for (let before = -1; before !== this.read;) {
      before = this.read;
      this.readSome(5000);
    }
  }
}

function runSchedule(seed: number, sum: { moved: number; whole: number; refusals: number }): void {
  const random = randomOf(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const pair = new TunnelPair();
  const clients: ModelEnd[] = [];
  const servers: ModelEnd[] = [];
  const ends = () => [...clients, ...servers];
  const anEnd = () => ends()[upTo(clients.length + servers.length)];
  const sides: [TunnelEnd, TunnelEnd][] = [[pair.client, pair.server], [pair.server, pair.client]];

  const open = () => {
    if (clients.length === 6) return;
    const [client, server] = [
      new ModelEnd(clients.length * 2),
      new ModelEnd(clients.length * 2 + 1),
    ];
    client.other = server;
    server.other = client;
    // The target's port says whose request it is.
    const target = { host: "target.example", port: clients.length + 1 };
    const early = Uint8Array.from({ length: upTo(20) }, (_, i) => client.byteAt(i));
    client.written = early.length;
    clients.push(client);
    servers.push(server);
    pair.client.tunnels.open(target, early, {
      opened: (stream) => client.stream = stream,
      refused: () => client.isCut = true,
    });
  };
  const answer = () => {
    const request = pair.server.requests.shift();
    if (request === undefined) return;
    const server = servers[request.port - 1]!;
    if (upTo(5) === 0) {
      server.isCut = true;
      pair.server.tunnels.refuse(request, 5);
    } else server.stream = pair.server.tunnels.accept(request);
  };
  const cut = () => {
    const end = anEnd();
    if (!end?.stream || end.isCut) return;
    end.isCut = true;
    if (upTo(2) === 0) end.stream.reset();
    else {
      end.isClosed = true;
      void end.stream[Symbol.asyncDispose]();
    }
  };
  const close = () => {
    const end = anEnd();
    if (!end?.stream || end.isCut) return;
    end.isClosed = true;
    end.stream.closeWrite();
  };
  const carry = () => {
    const [from, to] = sides[upTo(2)]!;
    from.room = upTo(4) === 0 ? 0 : upTo(20);
    from.tunnels.flush();
    pair.deliver(from, to, upTo(20));
  };
  const lose = () => {
    for (const end of [pair.client, pair.server]) {
      end.tunnels.lose(new TtunError("lost", "The friend has gone"));
      end.forget();
      end.requests.length = 0;
    }
    for (const end of ends()) if (end.stream === null || end.end === null) end.isCut = true;
    assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
  };
  const write = () => anEnd()?.write(1 + upTo(4000));
  const read = () => anEnd()?.readSome(1 + upTo(3000));
  const usual = [open, answer, answer, write, write, write, read, carry, carry, carry, carry];
  for (let step = 0; step < STEPS; step++) {
    const rare = upTo(60);
    if (rare === 0) lose();
    else if (rare < 3) cut();
    else if (rare < 7) close();
    else usual[upTo(usual.length)]!();
  }

  // Everything that is still there is carried to its end.
  for (const [from] of sides) from.room = Infinity;
  pair.settle();
  while (pair.server.requests.length > 0) answer();
  pair.settle();
  for (const end of ends()) end.readAll();
  for (const [i, client] of clients.entries()) {
    const server = servers[i]!;
    if (client.stream === null || server.stream === null || client.isCut || server.isCut) continue;
    if (server.end === null && !server.isClosed) {
      assert.equal(server.read, client.written, "the server has not got all");
    }
    assert.equal(client.read, server.written, "the client has not got all");
    assert.equal(client.end, server.isClosed ? "end" : null);
    sum.whole++;
  }
  for (const { stream } of clients) void stream?.[Symbol.asyncDispose]();
  pair.settle();
  for (const [i, server] of servers.entries()) {
    server.readAll();
    const hasClient = clients[i]!.stream !== null && server.stream !== null;
    if (hasClient && !server.isCut) assert.equal(server.end, "end");
    void server.stream?.[Symbol.asyncDispose]();
  }
  pair.settle();
  pair.client.tunnels.tick();
  assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
  assert.equal(pair.client.tunnels.unread + pair.server.tunnels.unread, 0);
  assert(!pair.client.tunnels.needsTicks && !pair.server.tunnels.needsTicks);
  sum.moved += ends().reduce((all, { read }) => all + read, 0);
  sum.refusals += pair.client.refusals + pair.server.refusals;
}

Deno.test(`${SCHEDULES} random schedules: no byte is lost, repeated or moved, and nothing stays`, () => {
  const sum = { moved: 0, whole: 0, refusals: 0 };
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    try {
      runSchedule(seed, sum);
    } catch (cause) {
      throw new Error(`Schedule ${seed} fails`, { cause });
    }
  }
  assert(sum.moved > SCHEDULES * 1000 && sum.whole > SCHEDULES / 2, JSON.stringify(sum));
  assert(sum.refusals > SCHEDULES / 2, JSON.stringify(sum));
});
