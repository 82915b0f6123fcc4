import { type ErrorKind, TtunError } from "../base/errors.ts";

/** Opaque text: two versions of one key are equal or not, and say nothing else. */
export type Version = string;

export interface Entry {
  key: string;
  value: Uint8Array;
  version: Version;
  /**
   * Milliseconds until the entry vanishes by itself; absent where it stays or a session has it, and
   * in lists and watches of stores that would have to ask for each.
   */
  expiresInMs?: number;
}

/** A write whose condition did not hold changes nothing, and says what is there instead. */
export type Written = { ok: true; version: Version } | { ok: false; current: Entry | null };

/** `reset`: changes are missing, so list again. */
export type Change =
  | { kind: "put"; entry: Entry }
  | { kind: "delete"; key: string }
  | { kind: "reset" };

/** One with a cursor is followed by those after it in a watch that begins there. */
export type WatchedChange = Change & { cursor?: string };

export interface Call {
  signal: AbortSignal;
  /** A call repeated with the same id has one effect, and the same answer. */
  requestId?: string;
}

/** Owns keys that vanish with it; its holder renews it each third of its time. */
export interface Session extends AsyncDisposable {
  readonly id: string;
  readonly ttlMs: number;
  /** Aborted once the holder must take the session for ended, which is before the store does. */
  readonly ended: AbortSignal;
  /** @throws {MeshError} `closed` if it has ended already */
  renew(o: Call): Promise<void>;
  end(o: Call): Promise<void>;
}

export interface Lease {
  /** The fencing token: of one name, each holder's is greater than those before it. */
  readonly token: Version;
  /** Aborted when the holder must stop: its session has ended, or somebody else deleted the lease. */
  readonly lost: AbortSignal;
}

export interface Capabilities {
  cas: boolean;
  /** `ordered`: without gap or repeat, or `reset`; `hint`: best effort, so look now and then. */
  watch: "ordered" | "hint";
  /** Bytes. */
  maxValue: number;
}

export interface Health {
  ring: "alone" | "settling" | "stable";
  core: "ok" | "degraded";
  /** Copies that each record has on hosts of their own. */
  copies: number;
}

export interface Listed {
  entries: Entry[];
  /** The `after` of the next page; absent on the last one. */
  next?: string;
  /** A watch from here has every change after this page was read. */
  cursor?: string;
}

/** Keys with values, leases and watches. Calls throw MeshError, or the reason of their signal. */
export interface MeshStore extends AsyncDisposable {
  capabilities(key: string): Capabilities;
  /** `stale` is answered by whatever is near, and may lag behind. */
  get(key: string, o: Call & { stale?: boolean }): Promise<Entry | null>;
  put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written>;
  delete(key: string, o: Call & { if?: Version }): Promise<Written>;
  /** Lists in the order of the keys' bytes. */
  list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed>;
  watch(prefix: string, o: Call & { from?: string }): AsyncIterable<WatchedChange>;
  session(ttlMs: number, o: Call): Promise<Session>;
  /** Returns null while another session has the name. */
  acquire(name: string, session: Session, o: Call): Promise<Lease | null>;
  /** Returns false if the lease is not held under this token. */
  release(name: string, token: Version, o: Call): Promise<boolean>;
  health(): Promise<Health>;
}

/**
 * `unsupported`: the key's store does not do this; `unavailable`: too few answered; `limit`: too
 * large, too many, or no room on the disk; `skew`: a clock is off; `denied`: no right to it;
 * `closed`: the store, the session or the link to it has ended.
 */
export type MeshReason = "unsupported" | "unavailable" | "limit" | "skew" | "denied" | "closed";

const KINDS: Record<MeshReason, ErrorKind> = {
  unsupported: "usage",
  unavailable: "unreachable",
  limit: "exhausted",
  skew: "clock",
  denied: "auth",
  closed: "lost",
};

/** A refusal of the store. */
export class MeshError extends TtunError {
  readonly reason: MeshReason;
  /** `unknown` where the write may have been made all the same. */
  readonly outcome: "none" | "unknown";

  constructor(
    reason: MeshReason,
    message: string,
    o: { outcome?: "none" | "unknown"; cause?: unknown } = {},
  ) {
    super(KINDS[reason], message, o.cause === undefined ? undefined : { cause: o.cause });
    this.reason = reason;
    this.outcome = o.outcome ?? "none";
  }
}
