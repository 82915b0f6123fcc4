import assert from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { utf8 } from "../../../base/bytes.ts";
import { makeLogger } from "../../../base/log.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import {
  DESCRIPTOR_MS,
  descriptorVerifier,
  signDescriptor,
} from "../../../core/mesh/descriptor.ts";
import { ringHashes } from "../../../core/mesh/hashes.ts";
import type { MeshRecord } from "../../../core/mesh/record.ts";
import { EMPTY_IMAGE } from "../../../core/mesh/ring_disk.ts";
import { RingNode } from "../../../core/mesh/ring_node.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { RingDriver } from "./ring_driver.ts";

const START = Date.UTC(2026, 5, 1);
const PLACEMENT = new Uint8Array(32).fill(9);
const { signal } = new AbortController();

/** Nodes of one ring, whose frames take a millisecond. */
class World {
  readonly clock = new FakeClock();
  readonly drivers: RingDriver[] = [];
  readonly #byAddress = new Map<string, RingDriver>();
  readonly #byKey = new Map<string, RingDriver>();
  readonly #down = new Set<string>();

  add(o: { seeds?: readonly string[]; core?: (body: Uint8Array) => Uint8Array } = {}): RingDriver {
    const number = this.drivers.length + 1;
    const signer = ed25519Signer(new Uint8Array(32).fill(number));
    const address = `192.0.2.${number}:20204`;
    const now = () => START + this.clock.now();
    const self = signDescriptor({
      publicKey: signer.publicKey,
      place: 0,
      addresses: [address],
      host: `host-${number}`,
      zone: "",
      roles: o.core === undefined ? ["node"] : ["node", "core"],
      incarnation: now(),
      lowestVersion: 1,
      highestVersion: 1,
      notAfter: now() + DESCRIPTOR_MS,
    }, (body) => signer.sign(body));
    const random = seeded(number);
    const node = new RingNode({
      self,
      verify: descriptorVerifier(verifyEd25519),
      hashes: ringHashes(PLACEMENT),
      random,
      image: EMPTY_IMAGE,
      seeds: o.seeds ?? [],
      nowMs: now(),
    });
    const { core } = o;
    const driver = new RingDriver({
      node,
      disk: { commit: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() },
      clock: this.clock,
      now,
      log: makeLogger(() => {}, () => 0),
      core: core === undefined ? null : (_, body) => Promise.resolve(core(body)),
      links: {
        send: (to, frame) => {
          if (this.#down.has(self.key)) return;
          if (this.#down.has(to)) return this.#soon(() => driver.refused(to));
          this.#soon(() => this.#byKey.get(to)?.frame(self.key, frame));
        },
        dial: (at) => {
          const other = this.#byAddress.get(at);
          if (other === undefined) return;
          this.#soon(() => other.met(self));
          this.#soon(() => driver.met(other.node.descriptorOf(this.#keyOf(other))!));
        },
        close: () => {},
      },
    });
    this.drivers.push(driver);
    this.#byAddress.set(address, driver);
    this.#byKey.set(self.key, driver);
    driver.start();
    return driver;
  }

  kill(driver: RingDriver): void {
    this.#down.add(this.#keyOf(driver));
    driver.close();
  }

  #keyOf(driver: RingDriver): string {
    return [...this.#byKey].find(([, one]) => one === driver)![0];
  }

  #soon(run: () => void): void {
    this.clock.after(1, run);
  }

  /** Returns the result of a promise that settles while time passes. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => isDone = true);
    settled.catch(() => {}); // awaited below
    for (let i = 0; i < 400 && !isDone; i++) await this.clock.advance(20);
    return await settled;
  }

  [Symbol.dispose](): void {
    for (const driver of this.drivers) driver.close();
  }
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function three(): World {
  const world = new World();
  const seeds = ["192.0.2.1:20204"];
  world.add({ core: (body) => Uint8Array.of(...body, 1) });
  world.add({ seeds });
  world.add({ seeds });
  return world;
}

const NAME = { key: "kv/app/x", class: "durable" } as const;

Deno.test("a record that one node writes is read at the others, and after the first has died", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, second, third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const written = await world.settle(first.put({ ...NAME, value: utf8("blue") }, signal));
  assert.equal(written.copies, 3);
  const read = async (driver: RingDriver) =>
    (await world.settle(driver.get({ key: NAME.key, isSoft: false }, signal)))?.value;
  assert.deepEqual(await read(third), utf8("blue"));
  world.kill(first);
  await world.clock.advance(10_000);
  assert.deepEqual(await read(second), utf8("blue"));
  const again = await world.settle(second.put({ ...NAME, value: utf8("red") }, signal));
  assert.equal(again.copies, 2);
  assert.deepEqual(await read(third), utf8("red"));
  assert(second.counts.dead > 0);
});

Deno.test("a node alone keeps records, and refuses what cannot be", async () => {
  using world = new World();
  const only = world.add();
  await world.clock.advance(2000);
  await world.settle(only.put({ ...NAME, value: utf8("1") }, signal));
  const failed = world.settle(only.put({ ...NAME, key: "none", value: utf8("1") }, signal));
  await assert.rejects(failed, (error) => error instanceof MeshError && error.reason === "denied");
  const listed = await world.settle(
    only.list({ bucket: "kv/app", prefix: "", after: null, limit: 10, isSoft: false }, signal),
  );
  assert.deepEqual(listed.records.map(({ child }) => child), ["x"]);
});

Deno.test("changes of a bucket are told to those that follow it, and to nobody after", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, , third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const seen: string[] = [];
  const following = third.follow("kv/app", ({ value }: MeshRecord) => {
    seen.push(new TextDecoder().decode(value));
  });
  await world.settle(first.put({ ...NAME, value: utf8("1") }, signal));
  await world.clock.advance(1000);
  assert.deepEqual(seen, ["1"]);
  following[Symbol.dispose]();
  await world.settle(first.put({ ...NAME, value: utf8("2") }, signal));
  await world.clock.advance(1000);
  assert.deepEqual(seen, ["1"]);
});

Deno.test("the core of another node is asked, and one that is none refuses", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, , third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const keys = third.node.neighbours().list;
  const core = keys.find((key) => third.node.descriptorOf(key)!.host === "host-1")!;
  const other = keys.find((key) => third.node.descriptorOf(key)!.host === "host-2")!;
  const answer = await world.settle(third.askCore(core, Uint8Array.of(7), signal));
  assert.deepEqual(answer, Uint8Array.of(7, 1));
  const refused = world.settle(third.askCore(other, Uint8Array.of(7), signal));
  await assert.rejects(refused, (error) => error instanceof MeshError);
  const stop = new AbortController();
  world.kill(first);
  const waiting = third.askCore(core, Uint8Array.of(7), stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

Deno.test("a node that leaves gives its records away first", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, second] = world.drivers as [RingDriver, RingDriver, RingDriver];
  await world.settle(first.put({ ...NAME, value: utf8("1") }, signal));
  await world.settle(first.leave());
  world.kill(first);
  await world.clock.advance(5000);
  const found = await world.settle(second.get({ key: NAME.key, isSoft: false }, signal));
  assert.deepEqual(found?.value, utf8("1"));
});

Deno.test("requests end with the node, and with their signal", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const stop = new AbortController();
  const put = (signal: AbortSignal) => first.put({ ...NAME, value: utf8("1") }, signal);
  const aborted = put(stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  const open = put(signal);
  first.close();
  await assert.rejects(open, (error) => error instanceof MeshError && error.reason === "closed");
  await assert.rejects(put(signal), MeshError);
});
