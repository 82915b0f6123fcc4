/** A client that writes and reads keys of a mesh, and remembers what was acknowledged. */
import type { FleetNode } from "./mesh_fleet.ts";

/** Milliseconds after which a client gives a request up and counts it as unanswered. */
const PATIENCE_MS = 15_000;
const WRITERS = 2;
const READERS = 2;
/** Milliseconds between two requests of one writer or reader. */
const PAUSE_MS = 40;
const KEYS = 400;
const BUCKETS = 20;

interface Sample {
  readonly kind: "read" | "write";
  readonly at: number;
  readonly ms: number;
  readonly node: string;
  readonly status: number;
  readonly isOld: boolean;
}

/** A time in which answers are not counted, in milliseconds of this process. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Tally {
  readonly count: number;
  readonly failed: number;
  /** Answers that there is no such key, or with an older value than was acknowledged before. */
  readonly old: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

export class MeshClient {
  readonly #nodes: readonly FleetNode[];
  readonly #space: string;
  /** The number that was last acknowledged, by key. */
  readonly acknowledged = new Map<string, number>();
  readonly #samples: Sample[] = [];
  readonly #writing = new Set<string>();
  #number = 0;

  /** `space`: the first part of all keys. */
  constructor(nodes: readonly FleetNode[], space = "kv") {
    this.#nodes = nodes;
    this.#space = space;
  }

  /** Writes and reads until the signal aborts, at nodes that are well. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      ...Array.from({ length: WRITERS }, () => this.#repeat(() => this.#write(), signal)),
      ...Array.from({ length: READERS }, () => this.#repeat(() => this.#read(), signal)),
    ]);
  }

  /** Times of answers to requests that began outside `spans`, at nodes that stayed well. */
  tally(kind: Sample["kind"], spans: readonly Span[]): Tally {
    const samples = this.#outside(kind, spans);
    const good = samples.filter(({ status }) => status < 400 || status === 404);
    const times = good.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const at = (share: number) =>
      times[Math.min(times.length - 1, Math.floor(share * times.length))];
    return {
      count: samples.length,
      failed: samples.length - good.length,
      old: samples.filter(({ isOld }) => isOld).length,
      p50: Math.round(at(0.5) ?? NaN),
      p99: Math.round(at(0.99) ?? NaN),
      most: Math.round(at(1) ?? NaN),
    };
  }

  /** Those that were wrong, and the slowest, for the report of a failure. */
  worst(kind: Sample["kind"], spans: readonly Span[]): readonly Sample[] {
    return this.#outside(kind, spans)
      .toSorted((a, b) => Number(b.isOld) - Number(a.isOld) || b.ms - a.ms).slice(0, 12);
  }

  #outside(kind: Sample["kind"], spans: readonly Span[]): Sample[] {
    return this.#samples.filter(({ kind: other, at, ms }) =>
      kind === other && spans.every(({ from, to }) => at + ms < from || at > to)
    );
  }

  /** Reads all keys at one node. Returns what is missing or older than what was acknowledged. */
  async lost(node: FleetNode): Promise<string[]> {
    const lost: string[] = [];
    for (const [key, number] of this.acknowledged) {
      const response = await node.ask(`/v1/kv/${key}`, { ms: PATIENCE_MS });
      const text = await response.text();
      const found = response.status === 200 ? Number(text) : -1;
      if (found < number) lost.push(`${key}: ${number} acknowledged, ${response.status} ${text}`);
    }
    return lost;
  }

  async #repeat(run: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await run();
      await new Promise((wake) => setTimeout(wake, PAUSE_MS));
    }
  }

  /** One writer of a key at a time: who is right of two at once, nobody could say. */
  async #write(): Promise<void> {
    const node = this.#any();
    const [bucket, child] = [BUCKETS, KEYS / BUCKETS].map((n) => Math.floor(Math.random() * n));
    const key = `${this.#space}/app${bucket}/k${child}`;
    if (this.#writing.has(key) || node === null) return;
    this.#writing.add(key);
    const number = ++this.#number;
    const status = await this.#ask("write", node, key, { method: "PUT", body: `${number}` });
    if (status === 204) this.acknowledged.set(key, number);
    this.#writing.delete(key);
  }

  async #read(): Promise<void> {
    const node = this.#any();
    const keys = [...this.acknowledged.keys()];
    const key = keys[Math.floor(Math.random() * keys.length)];
    if (key !== undefined && node !== null) await this.#ask("read", node, key, {});
  }

  #any(): FleetNode | null {
    const well = this.#nodes.filter(({ isWell }) => isWell);
    return well[Math.floor(Math.random() * well.length)] ?? null;
  }

  /** A node that is hurt while it is asked tells nothing of the others. */
  async #ask(
    kind: Sample["kind"],
    node: FleetNode,
    key: string,
    o: RequestInit,
  ): Promise<number> {
    const at = performance.now();
    const number = this.acknowledged.get(key) ?? -1;
    let status = 599;
    let isOld = false;
    try {
      const response = await node.ask(`/v1/kv/${key}`, { ...o, ms: PATIENCE_MS });
      const text = await response.text();
      status = response.status;
      isOld = kind === "read" && (status === 404 || (status === 200 && Number(text) < number));
    } catch {
      // It counts as unanswered.
    }
    const ms = performance.now() - at;
    if (node.isWell) this.#samples.push({ kind, at, ms, node: node.name, status, isOld });
    return status;
  }
}
