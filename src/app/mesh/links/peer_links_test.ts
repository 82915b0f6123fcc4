import assert from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { UnreachableError } from "../../../base/errors.ts";
import { type LogRecord, makeLogger } from "../../../base/log.ts";
import { issueNodeCertificate } from "../../../core/mesh/admission/node_certificate.ts";
import { type Descriptor, DESCRIPTOR_MS, signDescriptor } from "../../../core/mesh/descriptor.ts";
import type { Frame } from "../../../core/mesh/frame.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import type { PeerChannel } from "./peer_channel.ts";
import { PeerLink } from "./peer_link.ts";
import { PeerLinks } from "./peer_links.ts";
import { REVOKED } from "./revoked_error.ts";
import { encodeFrame } from "../../../core/mesh/wire/frame_codec.ts";
import { FrameReader, MAX_BULK_FRAME } from "../../../core/mesh/wire/frame_reader.ts";

const START = Date.UTC(2026, 5, 1);
const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, STRANGER] = [signer(100), signer(101)];
const CLUSTER = new Uint8Array(16).fill(1);
const PING = { type: "ping", request: 1, target: "00".repeat(32), load: 100 } as const;

/** Both ends of a stream in memory. */
function channelPair(
  bindings: readonly [Uint8Array, Uint8Array],
  transport: MeshTransport = "tcp",
): [PeerChannel, PeerChannel] {
  const ways = [0, 1].map(() => ({
    parts: [] as (Uint8Array | null)[],
    wake: Promise.withResolvers<void>(),
  }));
  const end = (reads: number, binding: Uint8Array): PeerChannel => {
    const put = (way: number, part: Uint8Array | null) => {
      ways[way]!.parts.push(part);
      ways[way]!.wake.resolve();
      ways[way]!.wake = Promise.withResolvers();
    };
    return {
      peer: "192.0.2.9:20204",
      transport,
      binding,
      async read() {
        const { parts } = ways[reads]!;
        while (parts.length === 0) await ways[reads]!.wake.promise;
        return parts[0] === null ? null : parts.shift()!;
      },
      write(bytes) {
        put(1 - reads, bytes);
        return Promise.resolve();
      },
      [Symbol.dispose]() {
        put(0, null);
        put(1, null);
      },
    };
  };
  return [end(0, bindings[0]), end(1, bindings[1])];
}

interface NodeOptions {
  readonly authority?: ReturnType<typeof signer>;
  readonly cluster?: Uint8Array;
  readonly certificateOf?: number;
  readonly host?: string;
  /** Of its certificate. */
  readonly lifetimeMs?: number;
  /** Keys of nodes that are revoked in this one's eyes. */
  readonly revoked?: Set<string>;
}

class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly nodes: TestNode[] = [];
  readonly #at = new Map<string, TestNode>();
  /** Streams of two parties that each have one of their own to either end. */
  hasMiddle = false;
  /** TCP works, or is refused at once while QUIC works, or is silent. */
  ways: "tcp" | "quic" | "none" = "tcp";
  /** Dials by TCP alone. */
  looks = 0;

  add(number: number, o: NodeOptions = {}): TestNode {
    const node = new TestNode(number, o, this);
    this.nodes.push(node);
    this.#at.set(`192.0.2.${number}`, node);
    return node;
  }

  async connectAuto(host: string, signal: AbortSignal, refused?: () => void): Promise<PeerChannel> {
    if (this.ways === "tcp") return this.connect(host);
    refused?.();
    if (this.ways === "quic") return this.connect(host, "quic");
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    throw signal.reason;
  }

  connectTcp(host: string): PeerChannel {
    this.looks++;
    if (this.ways !== "tcp") throw new UnreachableError("refused", "Refused by TCP");
    return this.connect(host);
  }

  connect(host: string, transport: MeshTransport = "tcp"): PeerChannel {
    const node = this.#at.get(host);
    if (node === undefined) throw new UnreachableError("refused", "Nobody is there");
    const same = new Uint8Array(32).fill(1);
    const other = this.hasMiddle ? new Uint8Array(32).fill(2) : same;
    const [here, there] = channelPair([same, other], transport);
    void node.links.accept(there);
    return here;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ links }) => links[Symbol.asyncDispose]()));
  }
}

class TestNode {
  readonly self: Descriptor;
  readonly links: PeerLinks;
  readonly frames: [string, Frame][] = [];
  readonly met: string[] = [];
  readonly refused: string[] = [];
  readonly said: string[] = [];

  constructor(number: number, o: NodeOptions, world: World) {
    const key = signer(number);
    const now = () => START + world.clock.now();
    this.self = signDescriptor({
      publicKey: key.publicKey,
      place: 0,
      addresses: [`192.0.2.${number}:20204`],
      host: o.host ?? `host-${number}`,
      zone: "",
      roles: ["node"],
      incarnation: now(),
      lowestVersion: 1,
      highestVersion: 1,
      notAfter: now() + DESCRIPTOR_MS,
    }, (body) => key.sign(body));
    const certificate = issueNodeCertificate({
      publicKey: signer(o.certificateOf ?? number).publicKey,
      roles: ["node"],
      host: `host-${number}`,
      zone: "",
    }, {
      authority: o.authority ?? AUTHORITY,
      serial: new Uint8Array(16).fill(1),
      nowMs: START,
      ...(o.lifetimeMs !== undefined && { lifetimeMs: o.lifetimeMs }),
    });
    const log = makeLogger(({ message, fields }: LogRecord) => {
      this.said.push(`${message} ${fields["why"] ?? ""}`);
    }, () => 0);
    this.links = new PeerLinks({
      signer: key,
      self: () => this.self,
      certificate: () => certificate,
      cluster: o.cluster ?? CLUSTER,
      trust: () => ({ authorities: [(o.authority ?? AUTHORITY).publicKey], verify: verifyEd25519 }),
      now,
      isRevoked: (id) => o.revoked?.has(id.join()) ?? false,
      connect: ({ host }, _, signal, refused) =>
        Promise.resolve().then(() => world.connectAuto(host, signal, refused)),
      connectTcp: ({ host }) => Promise.resolve().then(() => world.connectTcp(host)),
      clock: world.clock,
      rng: seededRng(number),
      log,
      signal: new AbortController().signal,
    });
    this.links.listen({
      frame: (from, frame) => this.frames.push([from, frame]),
      met: ({ key }) => this.met.push(key),
      refused: (key) => this.refused.push(key),
    });
  }
}

Deno.test("a frame makes a link, which carries frames both ways", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.send(b.self.key, PING, b.self.addresses);
  a.links.send(b.self.key, { ...PING, request: 2 }, b.self.addresses);
  await world.clock.settle();
  assert.deepEqual([a.met, b.met], [[b.self.key], [a.self.key]]);
  assert.deepEqual(b.frames, [[a.self.key, PING], [a.self.key, { ...PING, request: 2 }]]);
  b.links.send(a.self.key, PING, []);
  await world.clock.settle();
  assert.deepEqual(a.frames, [[b.self.key, PING]]);
  assert.deepEqual([a.links.count, b.links.count], [1, 1]);
});

Deno.test("patient frames go together some milliseconds later, or before one that does not wait", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.send(b.self.key, PING, b.self.addresses);
  await world.clock.settle();
  const requests = () => b.frames.map(([, { request }]) => request);
  for (const request of [2, 3]) a.links.send(b.self.key, { ...PING, request }, [], true);
  await world.clock.advance(4);
  assert.deepEqual(requests(), [1]);
  await world.clock.advance(1);
  assert.deepEqual(requests(), [1, 2, 3]);
  a.links.send(b.self.key, { ...PING, request: 4 }, [], true);
  a.links.send(b.self.key, { ...PING, request: 5 }, []);
  await world.clock.settle();
  assert.deepEqual(requests(), [1, 2, 3, 4, 5]);
  // Many bytes do not wait.
  const request = { type: "core", request: 6, body: new Uint8Array(20_000) } as const;
  a.links.send(b.self.key, request, [], true);
  await world.clock.settle();
  assert.equal(requests().at(-1), 6);
  a.links.send(b.self.key, { ...PING, request: 7 }, [], true);
  a.links.close(b.self.key);
  await world.clock.advance(100);
  assert.equal(requests().at(-1), 6);
});

Deno.test("a link is made with whoever is at an address", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  assert.deepEqual([a.met, b.met], [[b.self.key], [a.self.key]]);
});

Deno.test("a node that is not there is told as refused, and not dialled again at once", async () => {
  await using world = new World();
  const a = world.add(1);
  const gone = "11".repeat(32);
  for (let i = 0; i < 3; i++) {
    a.links.send(gone, PING, ["192.0.2.7:20204"]);
    await world.clock.settle();
  }
  assert.deepEqual(a.refused, [gone]);
  await world.clock.advance(600);
  a.links.send(gone, PING, ["192.0.2.7:20204"]);
  await world.clock.settle();
  assert.deepEqual(a.refused, [gone, gone]);
});

Deno.test("a refusal of TCP is told at once, while QUIC is still tried, and once", async () => {
  await using world = new World();
  world.ways = "none";
  const [a, b] = [world.add(1), world.add(2)];
  a.links.send(b.self.key, PING, b.self.addresses);
  await world.clock.settle();
  assert.deepEqual(a.refused, [b.self.key]);
  await world.clock.advance(6000);
  assert.deepEqual(a.refused, [b.self.key]);
  // Of two addresses the other one may answer.
  a.links.send(b.self.key, PING, ["192.0.2.7:20204", ...b.self.addresses]);
  await world.clock.settle();
  assert.equal(a.refused.length, 1);
  await world.clock.advance(5000);
  await world.clock.settle();
  assert.equal(a.refused.length, 2);
});

Deno.test("a node that was linked by QUIC is not told as refused for TCP alone", async () => {
  await using world = new World();
  world.ways = "quic";
  const [a, b] = [world.add(1), world.add(2)];
  a.links.send(b.self.key, PING, b.self.addresses);
  await world.clock.settle();
  assert.deepEqual([a.refused, a.links.transportOf(b.self.key)], [[b.self.key], "quic"]);
  assert.deepEqual(b.links.counts, { tcp: 0, quic: 1 });
  a.links.close(b.self.key);
  await world.clock.settle();
  a.links.send(b.self.key, PING, b.self.addresses);
  await world.clock.settle();
  assert.deepEqual([a.refused.length, b.frames.length], [1, 2]);
});

for (const how of ["a node", "an address"]) {
  Deno.test(`a link by QUIC with ${how} looks for TCP every five minutes, and goes on by it`, async () => {
    await using world = new World();
    world.ways = "quic";
    const [a, b] = [world.add(1), world.add(2)];
    const left = (incarnation: number) => ({ type: "left", request: 0, incarnation }) as const;
    if (how === "a node") a.links.send(b.self.key, left(0), b.self.addresses);
    else a.links.dial("192.0.2.2:20204");
    await world.clock.settle();
    /** Five minutes in which the link is used. */
    const wait = async () => {
      for (let i = 0; i < 10; i++) {
        await world.clock.advance(30_000);
        b.links.send(a.self.key, left(i), []);
        await world.clock.settle();
      }
    };
    await wait();
    assert.deepEqual([world.looks, a.links.counts], [1, { tcp: 0, quic: 1 }]);
    world.ways = "tcp";
    await wait();
    assert.equal(world.looks, 2);
    assert.deepEqual([a.links.counts, b.links.counts], [{ tcp: 1, quic: 0 }, { tcp: 1, quic: 0 }]);
    await wait();
    assert.equal(world.looks, 2);
  });
}

const STRANGERS: Record<string, { o: NodeOptions; why: RegExp }> = {
  "another cluster": { o: { cluster: new Uint8Array(16).fill(2) }, why: /of another cluster/ },
  "another authority": { o: { authority: STRANGER }, why: /not by this cluster/ },
  "the certificate of another node": { o: { certificateOf: 1 }, why: /not what its certificate/ },
  "a host that is not its own": { o: { host: "host-1" }, why: /not what its certificate/ },
};

for (const [who, { o, why }] of Object.entries(STRANGERS)) {
  Deno.test(`a node with ${who} gets no link, whoever dials`, async () => {
    await using world = new World();
    const [a, stranger] = [world.add(1), world.add(2, o)];
    a.links.dial("192.0.2.2:20204");
    stranger.links.dial("192.0.2.1:20204");
    await world.clock.settle();
    assert.deepEqual(a.met, []);
    assert(a.said.some((line) => why.test(line)), a.said.join("; "));
  });
}

Deno.test("a link through somebody in the middle is none", async () => {
  await using world = new World();
  world.hasMiddle = true;
  const [a, b] = [world.add(1), world.add(2)];
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  assert.deepEqual([a.met, b.met], [[], []]);
  assert(b.said.some((line) => /does not have its key/.test(line)), b.said.join("; "));
});

Deno.test("another node than the one that is meant gets no frame", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.send("11".repeat(32), PING, b.self.addresses);
  await world.clock.settle();
  assert.deepEqual([b.frames, a.met], [[], []]);
});

/** The form of ids in `NodeOptions.revoked`. */
function idOf({ self: { key } }: TestNode): string {
  return key.match(/../g)!.map((digits) => parseInt(digits, 16)).join();
}

Deno.test("a node that was revoked loses its link, is told so, and dials again after a minute alone", async () => {
  await using world = new World();
  const revoked = new Set<string>();
  const [a, b] = [world.add(1, { revoked }), world.add(2)];
  b.links.dial("192.0.2.1:20204");
  await world.clock.settle();
  assert.equal(a.links.count, 1);
  revoked.add(idOf(b));
  a.links.revoke(a.met[0]!);
  await world.clock.settle();
  assert.deepEqual([a.links.count, b.links.count], [0, 0]);
  const told = () => b.said.filter((line) => /this node was revoked/.test(line)).length;
  assert.equal(told(), 1);
  // By the node's key, and by its address; the other one sees each try that there is.
  const tries = () => a.said.filter((line) => /it was revoked/.test(line)).length;
  for (let second = 0; second < 59; second++) {
    b.links.send(a.self.key, PING, a.self.addresses);
    b.links.dial("192.0.2.1:20204");
    await world.clock.advance(1000);
  }
  assert.deepEqual([tries(), told()], [1, 2]);
  await world.clock.advance(2000);
  b.links.send(a.self.key, PING, a.self.addresses);
  await world.clock.settle();
  assert.deepEqual([tries(), told(), a.links.count], [2, 3, 0]);
  assert.deepEqual(a.frames, []);
});

Deno.test("nobody dials a node that was revoked; at an address where one is, not for a minute", async () => {
  await using world = new World();
  const revoked = new Set<string>();
  const [a, b] = [world.add(1, { revoked }), world.add(2)];
  revoked.add(idOf(b));
  a.links.send(b.self.key, PING, b.self.addresses);
  await world.clock.advance(1000);
  assert.deepEqual(b.said, []);
  for (let second = 0; second < 10; second++) {
    a.links.dial("192.0.2.2:20204");
    await world.clock.advance(1000);
  }
  assert.equal(b.said.filter((line) => /this node was revoked/.test(line)).length, 1);
  assert.deepEqual([a.links.count, b.links.count], [0, 0]);
});

Deno.test("an end that does not close its link after the last frame is not heard, and has a second", async () => {
  const clock = new FakeClock();
  const same = new Uint8Array(32);
  const [here, there] = channelPair([same, same]);
  const link = new PeerLink(here, clock);
  const taken: Frame[] = [];
  const following = link.follow((frame) => taken.push(frame));
  link.sayBye(REVOKED);
  assert.equal(link.send(PING), false);
  await there.write(encodeFrame(PING));
  await clock.advance(999);
  const [bye] = new FrameReader(MAX_BULK_FRAME).feed((await there.read())!);
  assert.deepEqual(bye, { type: "bye", request: 0, words: REVOKED });
  await clock.advance(1);
  await following;
  assert.equal(await there.read(), null);
  assert.deepEqual([taken, clock.pending], [[], 0]);
});

Deno.test("two nodes that dial each other go on by what is left, and revocation ends all of it", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.dial("192.0.2.2:20204");
  b.links.dial("192.0.2.1:20204");
  await world.clock.settle();
  assert.equal(a.met.length, 2);
  assert.deepEqual([a.links.count, b.links.count], [1, 1]);
  // One of the two is not used any more.
  for (let i = 0; i < 9; i++) {
    a.links.send(b.self.key, { ...PING, request: i + 1 }, []);
    b.links.send(a.self.key, { type: "left", request: 0, incarnation: i }, []);
    await world.clock.advance(10_000);
  }
  assert.equal(b.frames.length, 9);
  assert.equal(a.frames.length, 9);
  b.links.dial("192.0.2.1:20204");
  await world.clock.settle();
  assert.equal(a.met.length, 3);
  a.links.close(b.self.key);
  await world.clock.settle();
  assert.deepEqual([a.links.count, b.links.count], [0, 0]);
  b.links.send(a.self.key, PING, []);
  await world.clock.settle();
  assert.equal(a.frames.length, 9);
});

Deno.test("beyond 256 open requests a node is told that this one is busy", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  for (let request = 1; request <= 258; request++) {
    a.links.send(b.self.key, { ...PING, request }, []);
  }
  await world.clock.settle();
  assert.equal(b.frames.length, 256);
  const busy = [257, 258].map((request) => ({ type: "error", request, code: "busy", words: "" }));
  assert.deepEqual(a.frames.map(([, frame]) => frame), busy);
  b.links.send(a.self.key, { type: "error", request: 9, code: "left", words: "" }, []);
  a.links.send(b.self.key, { ...PING, request: 259 }, []);
  await world.clock.settle();
  assert.equal(b.frames.length, 257);
});

Deno.test("so many connections may be unproved at a time; nodes get in when they are over", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  const serving = Array.from({ length: 256 }, () => {
    return a.links.accept(channelPair([CLUSTER, CLUSTER])[1]);
  });
  await world.clock.settle();
  b.links.dial("192.0.2.1:20204");
  await world.clock.settle();
  assert.deepEqual(a.met, []);
  await world.clock.advance(11_000);
  await Promise.all(serving);
  b.links.dial("192.0.2.1:20204");
  await world.clock.settle();
  assert.deepEqual(a.met, [b.self.key]);
});

Deno.test("a link ends with the certificate of either end", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2, { lifetimeMs: 40_000 })];
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  await world.clock.advance(39_000);
  assert.deepEqual([a.links.count, b.links.count], [1, 1]);
  await world.clock.advance(2000);
  assert.deepEqual([a.links.count, b.links.count], [0, 0]);
});

Deno.test("garbage, silence and a frame before the hello end a connection", async () => {
  await using world = new World();
  const a = world.add(1);
  const pairs = [channelPair([CLUSTER, CLUSTER]), channelPair([CLUSTER, CLUSTER])];
  const serving = pairs.map(([, there]) => a.links.accept(there));
  await pairs[0]![0].write(new Uint8Array(200).fill(0xff));
  await world.clock.settle();
  await serving[0];
  await world.clock.advance(11_000);
  await serving[1];
  assert.deepEqual(a.met, []);
});

Deno.test("a link that is not used for a minute ends, and one whose other end is silent", async () => {
  await using world = new World();
  const [a, b] = [world.add(1), world.add(2)];
  const both = () => [a.links.count, b.links.count];
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  const stamp = { state: "ready", stamp: 0, body: { to: "ping" } } as const;
  for (let i = 0; i < 4; i++) {
    await world.clock.advance(40_000);
    b.links.send(a.self.key, PING, []);
    await world.clock.advance(1000);
    a.links.send(b.self.key, { type: "answer", request: 1, ...stamp }, []);
  }
  await world.clock.advance(1000);
  assert.deepEqual(both(), [1, 1]);
  b.links.send(a.self.key, PING, []);
  await world.clock.advance(40_000);
  assert.deepEqual(both(), [0, 0]);
  a.links.dial("192.0.2.2:20204");
  await world.clock.settle();
  await world.clock.advance(50_000);
  assert.deepEqual(both(), [1, 1]);
  await world.clock.advance(15_000);
  assert.deepEqual(both(), [0, 0]);
});
