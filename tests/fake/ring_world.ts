import { makeLogger } from "../../src/base/log.ts";
import { RingDriver } from "../../src/app/mesh/ring/ring_driver.ts";
import {
  DESCRIPTOR_MS,
  descriptorVerifier,
  signDescriptor,
} from "../../src/core/mesh/descriptor.ts";
import type { RingRows } from "../../src/contract/mesh_disk.ts";
import type { Frame } from "../../src/core/mesh/frame.ts";
import { ringHashes } from "../../src/core/mesh/hashes.ts";
import type { NodeKey } from "../../src/core/mesh/node_id.ts";
import { EMPTY_IMAGE } from "../../src/core/mesh/ring_disk.ts";
import { RingNode } from "../../src/core/mesh/ring_node.ts";
import { ed25519Signer, verifyEd25519 } from "../../src/io/crypto/ed25519.ts";
import { FakeClock } from "./clock.ts";

const START = Date.UTC(2026, 5, 1);
const PLACEMENT = new Uint8Array(32).fill(9);

/** Nodes of one ring, whose frames take a millisecond. */
export class RingWorld {
  readonly clock = new FakeClock();
  readonly drivers: RingDriver[] = [];
  /** All frames that nodes have sent. */
  readonly sent: { readonly from: NodeKey; readonly frame: Frame }[] = [];
  /** All that disks were given. */
  readonly stored: RingRows[] = [];
  /** Milliseconds since 1970. */
  readonly now = () => START + this.clock.now();
  readonly #byAddress = new Map<string, RingDriver>();
  readonly #byKey = new Map<string, RingDriver>();
  readonly #down = new Set<string>();

  add(
    o: {
      seeds?: readonly string[];
      /** Its clock less that of the others, in milliseconds. */
      offsetMs?: number;
      core?: (from: NodeKey, body: Uint8Array) => Promise<Uint8Array>;
    } = {},
  ): RingDriver {
    const number = this.drivers.length + 1;
    const signer = ed25519Signer(new Uint8Array(32).fill(number));
    const address = `192.0.2.${number}:20204`;
    const now = () => this.now() + (o.offsetMs ?? 0);
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
      disk: {
        commit: (rows) => {
          this.stored.push(rows);
          return Promise.resolve();
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
      clock: this.clock,
      now,
      log: makeLogger(() => {}, () => 0),
      core: core ?? null,
      links: {
        send: (to, frame) => {
          if (this.#down.has(self.key)) return;
          this.sent.push({ from: self.key, frame });
          if (this.#down.has(to)) return this.#soon(() => driver.refused(to));
          this.#soon(() => this.#byKey.get(to)?.frame(self.key, frame));
        },
        dial: (at) => {
          const other = this.#byAddress.get(at);
          if (other === undefined) return;
          this.#soon(() => other.met(self));
          this.#soon(() => driver.met(other.node.descriptorOf(this.keyOf(other))!));
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
    this.#down.add(this.keyOf(driver));
    driver.close();
  }

  keyOf(driver: RingDriver): string {
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
