import type { CoreAnswer, CoreRequest } from "../../src/core/mesh/core/request.ts";
import { ABSENT } from "../../src/core/mesh/core/request.ts";
import type { CoreHost } from "./core_host.ts";
import type { SimulatedNode } from "./world.ts";

/** Share of a session's time that its holder does without (held_session.ts). */
const CLOCK_RATE = 0.02;
const TTL_MS = 6000;

/** Time in which somebody held the lease, in the world's milliseconds. */
interface Holding {
  readonly by: number;
  readonly token: number;
  readonly from: number;
  until: number;
}

/** A session in its holder's eyes. */
interface HeldSession {
  readonly id: string;
  until: number;
  holding: Holding | null;
}

/** Everything that clients of a core have done, and whether a correct core may have answered so. */
export class CoreHistory {
  readonly holdings: Holding[] = [];
  /** Writes of the counter: acknowledged, and those of which nobody knows. */
  counted = 0;
  unknown = 0;
  /** The highest revision that was acknowledged, and the highest that was read. */
  newest = 0;

  /** Throws where two hold the lease at once, or a later holder's token is not higher. */
  hold(holding: Holding): void {
    for (const other of this.holdings) {
      if (other.until > holding.from) {
        throw new Error(`Nodes ${other.by} and ${holding.by} hold the lease at ${holding.from}`);
      }
      if (other.token >= holding.token) throw new Error(`The token ${holding.token} does not grow`);
    }
    this.holdings.push(holding);
  }
}

/** A node's process that counts in the core, and wants a lease. */
export class CoreClient {
  readonly #host: CoreHost;
  readonly #node: SimulatedNode;
  readonly #history: CoreHistory;
  /** Nodes that may have the core, the one that had it last first. */
  #places: SimulatedNode[];
  #epoch = 0;
  #count = 0;
  #session: HeldSession | null = null;
  #isOver = false;

  constructor(
    host: CoreHost,
    node: SimulatedNode,
    o: { history: CoreHistory; places: readonly SimulatedNode[] },
  ) {
    this.#host = host;
    this.#node = node;
    this.#history = o.history;
    this.#places = [...o.places];
  }

  /** Begins to count and to want the lease, again and again. */
  start(): void {
    this.#again(300, () => this.#countOnce());
    this.#again(TTL_MS / 3, () => this.#keepLease());
  }

  stop(): void {
    this.#isOver = true;
  }

  #again(ms: number, run: () => void): void {
    const { world } = this.#host;
    const next = () => {
      if (this.#isOver) return;
      world.at(world.now + ms * (0.5 + world.random()), next);
      if (this.#node.ring !== null && this.#node.frozenUntil <= world.now) run();
    };
    next();
  }

  /** `onEnd`: null where nobody knows what came of it. */
  ask(content: CoreRequest, onEnd: (answer: CoreAnswer | null) => void): void {
    const [place] = this.#places;
    this.#host.ask(this.#node, place!, { epoch: this.#epoch, content }, (answer) => {
      const isOld = answer === null || answer.epoch < this.#epoch;
      if (!isOld) this.#epoch = answer.epoch;
      const isElsewhere = answer?.content.type === "error" &&
        answer.content.reason === "unavailable";
      if (isOld || isElsewhere) this.#places.push(this.#places.shift()!);
      onEnd(isOld ? null : answer.content);
    });
  }

  /** Adds one to a number, if nobody else has meanwhile. */
  #countOnce(): void {
    const known = this.#history.newest;
    this.ask({ type: "get", key: "name/count" }, (got) => {
      if (got?.type !== "entry") return;
      const rev = got.entry?.rev ?? ABSENT;
      if (rev < known) throw new Error(`Revision ${rev} was read after ${known} was acknowledged`);
      const value = new Uint8Array(new Uint32Array([numberOf(got.entry?.value) + 1]).buffer);
      const requestId = `${this.#node.index}.${++this.#count}`;
      this.ask({ type: "put", key: "name/count", value, if: rev, requestId }, (put) => {
        if (put === null) this.#history.unknown++;
        if (put?.type !== "written") return;
        this.#history.counted++;
        this.#history.newest = Math.max(this.#history.newest, put.rev);
      });
    });
  }

  #keepLease(): void {
    const { world } = this.#host;
    if (this.#session !== null && this.#session.until <= world.now) this.#session = null;
    const since = world.now;
    const session = this.#session;
    const id = session?.id ?? `${this.#node.index}.${this.#node.run}.${++this.#count}`;
    const content: CoreRequest = session === null
      ? { type: "grant", session: id, ttlMs: TTL_MS }
      : { type: "renew", session: id };
    this.ask(content, (answer) => {
      if (answer?.type !== "done") {
        if (answer?.type === "error" && answer.reason === "closed") this.#lose();
        return;
      }
      // By the node's own clock, from before it asked.
      const until = since + TTL_MS * (1 - CLOCK_RATE) / this.#node.rate;
      if (until <= world.now || (session !== null && this.#session !== session)) return;
      const kept = this.#session ??= { id, until, holding: null };
      kept.until = until;
      if (kept.holding !== null) kept.holding.until = until;
      else this.#acquire(kept);
    });
  }

  #acquire(session: HeldSession): void {
    const { world } = this.#host;
    const value = new Uint8Array([this.#node.index]);
    const put = { type: "put", key: "lease/job", value, if: ABSENT, session: session.id } as const;
    this.ask(put, (answer) => {
      // The session may have it by a request whose answer was lost.
      const current = answer?.type === "unmet" ? answer.current : null;
      const own = current?.session === session.id ? current.rev : null;
      const token = answer?.type === "written" ? answer.rev : own;
      const isOver = this.#session !== session || session.until <= world.now;
      if (token === null || isOver || session.holding !== null) return;
      const { index } = this.#node;
      session.holding = { by: index, token, from: world.now, until: session.until };
      this.#history.hold(session.holding);
    });
  }

  /** The core has ended the session: the holder stops at once. */
  #lose(): void {
    const { world } = this.#host;
    const holding = this.#session?.holding;
    if (holding) holding.until = Math.min(holding.until, world.now);
    this.#session = null;
  }
}

export function numberOf(value: Uint8Array | undefined): number {
  return value === undefined ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(0, true);
}
