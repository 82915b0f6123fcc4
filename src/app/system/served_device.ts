import type { Lease } from "../../core/ip/address_pool.ts";
import type { SlotHolder } from "../link/exclusive_slot.ts";
import type { Gateway } from "./gateways.ts";
import type { ServedClient } from "./served_client.ts";
import type { SessionMeter } from "./tun_session.ts";

/** A client's device at its server: has its place by one link, or by several of one session. */
export class ServedDevice implements SlotHolder {
  /** See `ServedClient`; another connection of the session changes nothing of it. */
  readonly name: string;
  readonly key: string;
  readonly instance: string | undefined;
  readonly identity: string | undefined;
  readonly address: string;
  readonly canBeRefused: boolean;
  /** Undefined = the client has addresses of its own. */
  lease: Lease | undefined;
  /** Null until its first link is answered. */
  gateway: Gateway | null = null;
  /** Identifies its session among all; null = nothing can go on with it. */
  sessionKey: string | null = null;
  #meter: SessionMeter | null = null;
  #isEvicted = false;
  /** Links that live or are being answered. */
  readonly #clients: Set<ServedClient>;
  /** Activity of links that have ended. */
  #before = 0;

  constructor(first: ServedClient) {
    this.name = first.name;
    this.key = first.key;
    this.instance = first.instance;
    this.identity = first.identity;
    this.address = first.address;
    this.canBeRefused = first.canBeRefused;
    this.#clients = new Set([first]);
  }

  /** It has its place, and this lease. */
  begin(meter: SessionMeter, lease: Lease | undefined): void {
    this.#meter = meter;
    this.lease = lease;
  }

  /** There from `begin` on. */
  get meter(): SessionMeter {
    return this.#meter!;
  }

  /** Assigned to the client; none if it has addresses of its own. */
  get addresses(): Lease["addresses"] {
    return this.lease?.addresses ?? [];
  }

  /** Links of which one ending changes nothing but the way. */
  get hasOthers(): boolean {
    return this.#clients.size > 1;
  }

  /** It has lost its place. */
  get isEvicted(): boolean {
    return this.#isEvicted;
  }

  enter(client: ServedClient): void {
    this.#clients.add(client);
  }

  /** Returns true if it was the last one. */
  leave(client: ServedClient): boolean {
    this.#before += client.activity;
    this.#clients.delete(client);
    return this.#clients.size === 0;
  }

  activity(): number {
    let sum = this.#before;
    for (const { activity } of this.#clients) sum += activity;
    return sum;
  }

  probe(): void {
    for (const { link } of this.#clients) link?.life.probe();
  }

  isGone(): boolean {
    return [...this.#clients].every(({ stream }) => stream.stats().peerClosed === true);
  }

  evict(why: string): void {
    this.#isEvicted = true;
    for (const client of this.#clients) client.evict(why);
  }
}
