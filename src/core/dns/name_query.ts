import type { Rng } from "../../contract/host.ts";
import {
  encodeQuery,
  FORMERR,
  NOTIMP,
  type Question,
  readReply,
  type RecordType,
  type Reply,
  SERVFAIL,
} from "./message.ts";
import type { ResolvConf } from "./resolv_conf.ts";

/** Steps for the driver, to be done in order; it remembers the numbers. */
export type QueryStep =
  /** Send from a socket of that number that hears this server alone; then `received` each time. */
  | { kind: "send"; socket: number; server: number; bytes: Uint8Array<ArrayBuffer> }
  /** Ask over a TCP connection of its own; then `receivedWhole` once. */
  | { kind: "ask"; exchange: number; server: number; bytes: Uint8Array<ArrayBuffer> }
  /** Call `woke` at this time; it stands for every earlier one. */
  | { kind: "wakeAt"; at: number }
  | { kind: "done"; outcome: Outcome };

/** Result of a query. `ttl`: seconds for which it holds; null = it must not be kept. */
export type Outcome =
  | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly ttl: number }
  | { readonly kind: "nodata" | "nxdomain"; readonly ttl: number | null }
  /** The name stands for another, which is to be asked for. */
  | { readonly kind: "alias"; readonly to: string; readonly ttl: number }
  /** Servers answered that they cannot tell. */
  | { readonly kind: "failed"; readonly rcode: number }
  | { readonly kind: "silent" };

/** Wait for the second address family in milliseconds: some servers never answer for it. */
const GRACE_MS = 300;
/** Wait in milliseconds for the second family where it is asked for after the first. */
const SINGLE_GRACE_MS = 1000;

/** Datagrams get lost, or dropped for their EDNS: after this time one goes again without it. */
const RESEND_MS: readonly number[] = [1000, 3000];

/** Seconds to keep a name of which one family is not known. */
const HALF_TTL = 30;

interface Asked {
  readonly question: Question;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly edns: boolean;
}

interface Half {
  readonly type: RecordType;
  /** Queries by server: each is asked with a number of its own. */
  readonly asked: (Asked | undefined)[];
  reply: Exclude<Reply, { kind: "truncated" | "failed" }> | null;
  /** The last server was asked over UDP, and has not answered. */
  isWaiting: boolean;
  /** The attempt that has failed already, before its time was over. */
  failedAt: number;
}

/**
 * Asks for one name's addresses at one name server after the other, as a pure machine (RFC 1035
 * section 7, RFC 6891, RFC 7766). Milliseconds on any one clock. Late answers count as well.
 */
export class NameQuery {
  /** Servers that answered, and that had their time and did not. */
  readonly answered = new Set<number>();
  readonly silent = new Set<number>();
  readonly #name: string;
  readonly #conf: QueryConf;
  readonly #servers: readonly number[];
  readonly #patience: ReadonlyMap<number, number>;
  readonly #rng: Rng;
  readonly #halves: readonly Half[];
  readonly #exchanges: { half: Half; server: number; attempt: number }[] = [];
  /** Servers that do not know EDNS. */
  readonly #plain = new Set<number>();
  /** Counts servers, over all rounds. */
  #attempt = -1;
  #deadline = 0;
  #askedAt = 0;
  #resent = 0;
  /** Time from which an answer of one family will do. */
  #graceAt = Infinity;
  #rcode: number | null = null;
  #isOver = false;

  /** `name`: ASCII, without a dot at the end. */
  constructor(name: string, o: NameQueryOptions) {
    this.#name = name;
    this.#conf = o.conf;
    this.#servers = o.servers;
    this.#patience = o.patience ?? new Map();
    this.#rng = o.rng;
    const types: readonly RecordType[] = o.conf.noAaaa ? ["A"] : ["AAAA", "A"];
    this.#halves = types.map((type) => ({
      type,
      asked: [],
      reply: null,
      isWaiting: false,
      failedAt: -1,
    }));
  }

  begin(now: number): QueryStep[] {
    return this.#next(now);
  }

  /** Takes a datagram; whatever is no answer is passed over. */
  received(socket: number, bytes: Uint8Array, now: number): QueryStep[] {
    if (this.#isOver) return [];
    const server = socket >> 1;
    for (const half of this.#halves) {
      const asked = half.asked[server];
      if (asked === undefined || half.reply !== null) continue;
      const reply = readReply(bytes, asked.bytes, asked.question);
      if (reply === null) continue;
      this.#heard(server);
      return this.#take(half, server, reply, now);
    }
    return [];
  }

  /** Takes an answer over TCP, without its length field; null where none came. */
  receivedWhole(exchange: number, bytes: Uint8Array | null, now: number): QueryStep[] {
    const { half, server, attempt } = this.#exchanges[exchange]!;
    if (this.#isOver || half.reply !== null) return [];
    const asked = half.asked[server]!;
    const reply = bytes === null ? null : readReply(bytes, asked.bytes, asked.question);
    if (reply === null || reply.kind === "truncated") return this.#failed(half, attempt, now);
    this.#heard(server);
    return this.#take(half, server, reply, now, attempt);
  }

  /** Takes note that nothing listens there, or there is no way to it. */
  unreachable(socket: number, now: number): QueryStep[] {
    if (this.#isOver || (socket >> 1) !== this.#server) return [];
    this.silent.add(this.#server);
    return this.#next(now);
  }

  woke(now: number): QueryStep[] {
    if (this.#isOver) return [];
    if (now >= this.#graceAt) return this.#end();
    if (now < this.#deadline) return [...this.#resend(now), this.#wake()];
    if (!this.answered.has(this.#server)) this.silent.add(this.#server);
    return this.#next(now);
  }

  #heard(server: number): void {
    this.answered.add(server);
    this.silent.delete(server);
  }

  get #server(): number {
    return this.#servers[this.#attempt % this.#servers.length]!;
  }

  /** Time of a server: shorter in the first round if another follows, else nothing is won. */
  get #timeout(): number {
    const { timeoutMs } = this.#conf;
    if (this.#attempt >= this.#servers.length - 1) return timeoutMs;
    return Math.min(timeoutMs, this.#patience.get(this.#server) ?? timeoutMs);
  }

  get #pending(): Half[] {
    const pending = this.#halves.filter(({ reply }) => reply === null);
    return this.#conf.single === "no" ? pending : pending.slice(0, 1);
  }

  #next(now: number): QueryStep[] {
    if (++this.#attempt >= this.#servers.length * this.#conf.attempts) return this.#end();
    return this.#askAll(now);
  }

  #askAll(now: number): QueryStep[] {
    this.#deadline = now + this.#timeout;
    this.#askedAt = now;
    this.#resent = 0;
    const steps = this.#pending.map((half) => this.#ask(half, this.#server, this.#conf.useVc));
    return [...steps, this.#wake()];
  }

  get #resendAt(): number {
    return this.#conf.useVc ? Infinity : this.#askedAt + (RESEND_MS[this.#resent] ?? Infinity);
  }

  #resend(now: number): QueryStep[] {
    if (now < this.#resendAt) return [];
    this.#resent++;
    return this.#pending.filter((half) => half.isWaiting).map((half) => ({
      kind: "send",
      socket: this.#socketOf(half, this.#server),
      server: this.#server,
      // Both questions are equal, so an answer to either will do.
      bytes: encodeQuery(half.asked[this.#server]!.question, { edns: false }),
    }));
  }

  #socketOf(half: Half, server: number): number {
    return 2 * server + (this.#conf.single === "reopen" ? this.#halves.indexOf(half) : 0);
  }

  #ask(half: Half, server: number, overTcp: boolean): QueryStep {
    // Some networks drop EDNS: in the second round it goes without.
    const edns = this.#attempt < this.#servers.length && !this.#plain.has(server);
    const random = this.#rng(2);
    const question = { id: (random[0]! << 8) | random[1]!, name: this.#name, type: half.type };
    const bytes = encodeQuery(question, { edns });
    half.asked[server] = { question, bytes, edns };
    half.isWaiting = !overTcp;
    if (overTcp) {
      const exchange = this.#exchanges.push({ half, server, attempt: this.#attempt }) - 1;
      return { kind: "ask", exchange, server, bytes };
    }
    return { kind: "send", socket: this.#socketOf(half, server), server, bytes };
  }

  #take(half: Half, server: number, reply: Reply, now: number, attempt?: number): QueryStep[] {
    if (reply.kind === "truncated") {
      this.#deadline = Math.max(this.#deadline, now + this.#conf.timeoutMs);
      return [this.#ask(half, server, true), this.#wake()];
    }
    if (reply.kind === "failed") {
      const isMisread = reply.rcode === FORMERR || reply.rcode === NOTIMP;
      if (isMisread && half.asked[server]!.edns) {
        this.#plain.add(server);
        return [this.#ask(half, server, attempt !== undefined || this.#conf.useVc)];
      }
      this.#rcode = reply.rcode;
      return server === this.#server ? this.#failed(half, this.#attempt, now) : [];
    }
    half.reply = reply;
    const isAnswer = reply.kind !== "nodata";
    if (this.#halves.every(({ reply }) => reply !== null)) return this.#end();
    if (this.#conf.single === "no") {
      if (isAnswer) this.#graceAt = Math.min(this.#graceAt, now + GRACE_MS);
      return this.#isFutile ? this.#next(now) : [this.#wake()];
    }
    if (isAnswer) this.#graceAt = now + SINGLE_GRACE_MS;
    return this.#askAll(now);
  }

  /** Takes a failure; the next server is asked when all that was asked has failed. */
  #failed(half: Half, attempt: number, now: number): QueryStep[] {
    if (attempt !== this.#attempt) return [];
    half.failedAt = attempt;
    half.isWaiting = false;
    return this.#isFutile ? this.#next(now) : [];
  }

  /** True if this server cannot tell whatever is still asked for. */
  get #isFutile(): boolean {
    return this.#pending.every(({ failedAt }) => failedAt === this.#attempt);
  }

  #wake(): QueryStep {
    return { kind: "wakeAt", at: Math.min(this.#deadline, this.#graceAt, this.#resendAt) };
  }

  #end(): QueryStep[] {
    this.#isOver = true;
    return [{ kind: "done", outcome: this.#outcome() }];
  }

  #outcome(): Outcome {
    const replies = this.#halves.map(({ reply }) => reply);
    const isWhole = !replies.includes(null);
    const positive = replies.filter((reply) => reply?.kind === "addresses");
    if (positive.length > 0) {
      return {
        kind: "addresses",
        addresses: positive.flatMap(({ addresses }) => addresses),
        ttl: Math.min(...positive.map(({ ttl }) => ttl), isWhole ? Infinity : HALF_TTL),
      };
    }
    const alias = replies.find((reply) => reply?.kind === "alias");
    if (alias !== undefined && alias !== null) return alias;
    const negative = replies.filter((reply) => reply !== null);
    const isNowhere = negative.some(({ kind }) => kind === "nxdomain");
    if (isWhole || isNowhere) {
      const ttls = negative.map(({ ttl }) => ttl).filter((ttl) => ttl !== null);
      return {
        kind: isNowhere ? "nxdomain" : "nodata",
        ttl: isWhole && ttls.length === negative.length ? Math.min(...ttls) : null,
      };
    }
    if (this.#rcode !== null) return { kind: "failed", rcode: this.#rcode };
    return this.answered.size > 0 ? { kind: "failed", rcode: SERVFAIL } : { kind: "silent" };
  }
}

export interface NameQueryOptions {
  readonly conf: QueryConf;
  /** Servers' numbers, in the order in which they are asked. */
  readonly servers: readonly number[];
  /** Milliseconds by server: the time of one that has been silent lately. */
  readonly patience?: ReadonlyMap<number, number>;
  readonly rng: Rng;
}

export type QueryConf = Pick<ResolvConf, "timeoutMs" | "attempts" | "useVc" | "single" | "noAaaa">;
