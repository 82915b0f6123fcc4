import { TtunError } from "../../base/errors.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { formatTarget, makeTarget, type Target } from "../../base/target.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { DatagramDialer } from "../../contract/names.ts";
import type { Acl } from "../../core/acl/acl.ts";
import { type MuxAddress, OPENED, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { addressGroup } from "../net/address_group.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import { discard } from "../net/discard.ts";
import { DatagramTarget } from "./datagram_target.ts";
import { ownerText, type StreamOwner } from "./served_stream.ts";

/** Targets of one stream at the same time; the longest unused goes for another. */
const MOST_TARGETS = 64;

export interface DatagramHost {
  /** Opens UDP sockets; null = there are none on this system. */
  readonly sockets: DatagramDialer | null;
  readonly resolver: Resolver;
  /** Null = all targets are allowed. */
  readonly rules: Acl | null;
  /** Milliseconds of silence after which a stream ends. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly quota: Quota;
  /** Lines that the other end can cause in any number. */
  readonly said: RateLimitedLog;
}

/**
 * Answers a stream of datagrams: sends each to the target that it names, or all of them `to` one
 * target, and sends back what comes from there.
 */
export function serveDatagrams(
  host: DatagramHost,
  stream: MuxStream,
  owner: StreamOwner,
  to: Target | null = null,
): void {
  if (host.sockets === null) return stream.answer(Refusal.notSupported, null);
  new ServedDatagrams(host, host.sockets, stream, owner, to).begin();
}

class ServedDatagrams implements Holder {
  readonly #host: DatagramHost;
  readonly #sockets: DatagramDialer;
  readonly #stream: MuxStream;
  readonly #of: StreamOwner;
  readonly #to: Target | null;
  /** By their texts, the longest unused first. */
  readonly #targets = new Map<string, DatagramTarget>();
  readonly #over = new AbortController();
  #timer: Disposable | null = null;
  lastActive: number;

  constructor(
    host: DatagramHost,
    sockets: DatagramDialer,
    stream: MuxStream,
    owner: StreamOwner,
    to: Target | null,
  ) {
    this.#host = host;
    this.#sockets = sockets;
    this.#stream = stream;
    this.#of = owner;
    this.#to = to;
    this.lastActive = host.clock.now();
  }

  get account(): string {
    return this.#of.account;
  }

  begin(): void {
    const { quota, said, clock, idleMs } = this.#host;
    const place = quota.take(this.#of.from, this);
    if (place === null) {
      const peer = addressGroup(this.#of.from);
      said.warn("no place for another connection", { peer }, ownerText(this.#of));
      return this.#stream.answer(Refusal.generalFailure, null);
    }
    this.#stream.onDatagram = this.#send;
    this.#stream.answer(OPENED, null);
    this.#timer = clock.after(idleMs, this.#endIfIdle);
    const end = () => {
      this.#end();
      place[Symbol.dispose]();
    };
    discard(this.#stream, clock).then(end, end); // nothing but the end comes
  }

  evict(): void {
    this.#stream.reset();
  }

  #end(): void {
    this.#stream.reset();
    this.#timer?.[Symbol.dispose]();
    this.#over.abort(new TtunError("lost", "The stream of datagrams has ended"));
    for (const target of this.#targets.values()) target[Symbol.dispose]();
    this.#targets.clear();
  }

  readonly #endIfIdle = (): void => {
    const { clock, idleMs } = this.#host;
    const left = this.lastActive + idleMs - clock.now();
    if (left > 0) this.#timer = clock.after(left, this.#endIfIdle);
    else this.#stream.reset();
  };

  readonly #send = (address: MuxAddress, bytes: Uint8Array): void => {
    const to = this.#to ?? targetOf(address);
    if (to === null) return;
    this.lastActive = this.#host.clock.now();
    const name = formatTarget(to);
    const known = this.#targets.get(name);
    if (known === undefined) return this.#newTarget(name, to)?.send(bytes);
    this.#targets.delete(name); // it is used: to the end
    this.#targets.set(name, known);
    known.send(bytes);
  };

  #drop(name: string): void {
    this.#targets.get(name)?.[Symbol.dispose]();
    this.#targets.delete(name);
  }

  /** Each has a socket, and so a place; the only one has the stream's. Null: there is none. */
  #newTarget(name: string, to: Target): DatagramTarget | null {
    if (this.#targets.size >= MOST_TARGETS) {
      const [oldest] = this.#targets.keys();
      this.#drop(oldest!);
    }
    const { clock, quota, resolver, rules, said } = this.#host;
    const peer = addressGroup(this.#of.from);
    const owner = ownerText(this.#of);
    const place = this.#targets.size === 0 ? NO_PLACE : quota.take(this.#of.from, {
      account: this.account,
      lastActive: clock.now(),
      evict: () => this.#drop(name),
    });
    if (place === null) {
      said.warn("no place for another socket", { peer, target: name }, owner);
      return null;
    }
    const target = new DatagramTarget({
      target: to,
      sockets: this.#sockets,
      resolver,
      rules,
      clock,
      owner,
      signal: this.#over.signal,
      received: (bytes, from) => {
        this.lastActive = clock.now();
        this.#stream.sendDatagram(this.#to === null ? from : null, bytes);
      },
      failed: (error) => {
        const why = error instanceof Error ? error.message : String(error);
        said.warn("cannot send datagrams", { peer, target: name, why }, owner);
      },
      ended: () => {
        if (this.#targets.get(name) === target) this.#drop(name);
      },
      place,
    });
    this.#targets.set(name, target);
    target.open();
    return target;
  }
}

const NO_PLACE: Disposable = { [Symbol.dispose]: () => {} };

function targetOf(address: MuxAddress): Target | null {
  if (address === null || "path" in address) return null;
  try {
    return makeTarget(address.host, address.port);
  } catch (error) {
    if (error instanceof TtunError) return null; // no host name or no port
    throw error;
  }
}
