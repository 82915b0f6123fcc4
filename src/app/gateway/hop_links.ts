import type { Clock } from "../../contract/host.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";

/** Milliseconds without a new stream after which a link is closed. */
const IDLE_MS = 120_000;

export interface HopLinksOptions {
  readonly clock: Clock;
  /** Connects with a node. @throws {TtunError} */
  readonly dial: (node: NodeKey) => Promise<V2Carrier>;
}

interface Held {
  readonly carrier: V2Carrier;
  usedAt: number;
}

/** Links to other nodes that pass visitors' requests on, made when they are needed. */
export class HopLinks implements Disposable {
  readonly #o: HopLinksOptions;
  readonly #held = new Map<NodeKey, Held>();
  readonly #dialing = new Map<NodeKey, Promise<V2Carrier>>();
  #isClosed = false;

  constructor(o: HopLinksOptions) {
    this.#o = o;
  }

  /** @throws {TtunError} if there is no way to the node */
  async get(node: NodeKey): Promise<V2Carrier> {
    const held = this.#held.get(node);
    if (held !== undefined && !held.carrier.isSuspect && !held.carrier.isSilent()) {
      held.usedAt = this.#o.clock.now();
      return held.carrier;
    }
    const dialing = this.#dialing.get(node) ?? this.#dial(node);
    return await dialing;
  }

  #dial(node: NodeKey): Promise<V2Carrier> {
    const dialing = this.#o.dial(node).then((carrier) => {
      if (this.#isClosed) carrier[Symbol.dispose]();
      else this.#keep(node, carrier);
      return carrier;
    }).finally(() => this.#dialing.delete(node));
    this.#dialing.set(node, dialing);
    return dialing;
  }

  #keep(node: NodeKey, carrier: V2Carrier): void {
    const { clock } = this.#o;
    const held: Held = { carrier, usedAt: clock.now() };
    this.#held.set(node, held);
    let timer: Disposable;
    const look = () => {
      const left = held.usedAt + IDLE_MS - clock.now();
      if (left > 0 || carrier.streams > 0) timer = clock.after(Math.max(left, 1000), look);
      else this.#drop(node, held);
    };
    timer = clock.after(IDLE_MS, look);
    void carrier.ended.then(() => { // it never rejects
      timer[Symbol.dispose]();
      this.#drop(node, held);
    });
  }

  #drop(node: NodeKey, held: Held): void {
    if (this.#held.get(node) === held) this.#held.delete(node);
    held.carrier[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const { carrier } of this.#held.values()) carrier[Symbol.dispose]();
    this.#held.clear();
  }
}
