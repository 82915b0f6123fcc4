import { abortable } from "../../../base/scope.ts";
import { toTtunError, TtunError } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { Clock, Rng } from "../../../contract/host.ts";
import type { Issuer, IssuerAccount, RenewalWindow } from "../../../contract/issuer.ts";
import { type Lease, MeshError, type MeshStore } from "../../../contract/mesh_store.ts";
import { IssuerError } from "../../../core/acme/messages.ts";
import {
  chanceOf,
  isPaused,
  pauseAfter,
  usualRenewal,
  windowRenewal,
} from "../../../core/acme/schedule.ts";
import type {
  Attempt,
  CertificateRecord,
  KeptCertificate,
} from "../../../core/gateway/certificate_record.ts";
import { hostChallenge, requireDelegation } from "../../../core/gateway/host_challenge.ts";
import { CHALLENGE } from "../../../core/gateway/zone_records.ts";
import { sleep } from "../../loop/sleep.ts";
import type { Measure } from "../../mesh/http/node_metrics.ts";
import { keepSession } from "../../mesh/store/held_session.ts";
import { TEXTS } from "../zone_keeper.ts";
import {
  CertificateStore,
  type KeyPair,
  type Known,
  type RecordCache,
  resealEntry,
} from "./certificate_store.ts";
import {
  certificateMeasures,
  type CertificateReport,
  certificateReports,
} from "./certificate_report.ts";
import { accountKey, keepAccount } from "./keep_account.ts";
import { takeOrder } from "./order_quota.ts";
import { readFirst } from "./require_ordered.ts";

/** Milliseconds between looks at what is to be renewed. */
const LOOK_MS = 60_000;

/** Milliseconds between looks while there is no certificate for the apex. */
const SOON_MS = 5_000;

/** Milliseconds until it is looked again whether another node has a certificate. */
const WAIT_MS = 500;

/** Milliseconds that a node has an order without a sign of life; then another goes on. */
const SESSION_MS = 10_000;

/** Milliseconds for one order, and until its texts vanish from DNS by themselves. */
const ORDER_MS = 300_000;
const TEXT_MS = 600_000;

/** Orders of this node at once, and of one agent, whose DNS may be slow to keep others out. */
const MOST_ORDERS = 4;
const MOST_OF_AGENT = 2;

/** Milliseconds until an authority that does not say when to renew is asked again. */
const UNSAID_MS = 24 * 3600_000;

/** Milliseconds until an authority is asked again that was not reached. */
const UNHEARD_MS = 3600_000;

/**
 * Milliseconds for which a name is refused unasked, as its challenges do not lead here or its order
 * was broken off, and how many.
 */
const REFUSED_MS = 10_000;
const MOST_REFUSED = 1000;

/** A certificate that the cluster has, or is to have. */
export interface Wanted {
  /** Its key in the store. */
  readonly name: string;
  readonly names: readonly string[];
  /** Where the texts are that prove it, in the zone. */
  readonly challenge: string;
  /** Id in hex of the agent that has it; null = it is the cluster's own. */
  readonly agent: string | null;
}

/** A certificate on its way to this node. */
interface Job {
  readonly agent: string | null;
  readonly known: Promise<Known>;
}

export interface PublicCertificatesOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly issuer: Issuer;
  /** The authority's address: each has an account of its own. */
  readonly directory: string;
  readonly secrets: () => readonly Uint8Array[];
  readonly keyOf: (seed: Uint8Array) => string;
  readonly cache: RecordCache;
  readonly apex: string;
  /** Names to which the owner of a host has its challenges lead; empty = to none. */
  readonly delegationOf: (host: string, signal: AbortSignal) => Promise<readonly string[]>;
  readonly zone: string;
  /** The node's. */
  readonly signal: AbortSignal;
}

/**
 * Certificates of a public authority, for the apex and for hosts of others. Whichever node needs one
 * orders it while it holds the lease of its name, and all have it by the store.
 */
export class PublicCertificates {
  readonly #o: PublicCertificatesOptions;
  readonly #certificates: CertificateStore;
  readonly #jobs = new Map<string, Job>();
  readonly #wanted = new Map<string, Wanted>();
  readonly #apex: Wanted;
  /** The secret that all that is known here is sealed under. */
  #sealedUnder: Uint8Array | null = null;
  readonly #refused = new Map<string, { readonly until: number; readonly error: TtunError }>();

  constructor(o: PublicCertificatesOptions) {
    this.#o = o;
    this.#certificates = new CertificateStore(o);
    const { apex } = o;
    this.#apex = { name: apex, names: [apex, `*.${apex}`], challenge: CHALLENGE, agent: null };
  }

  /** For the apex and all names directly below. @throws {TtunError} if there is none; its reason */
  ofApex(cancel: AbortSignal): Promise<KeyPair> {
    return this.#get(this.#apex, cancel);
  }

  /** For a host of the agent's, whose id is in hex. @throws {TtunError} if there is none; its reason */
  ofHost(host: string, agent: string, cancel: AbortSignal): Promise<KeyPair> {
    const challenge = hostChallenge(agent, host);
    return this.#get({ name: host, names: [host], challenge, agent }, cancel);
  }

  /** Tells what there is, for the status. */
  report(): CertificateReport[] {
    return certificateReports(this.#certificates.known);
  }

  measures(): Measure[] {
    return certificateMeasures(this.#certificates.known);
  }

  /** Follows and renews certificates until the signal aborts. @throws its reason */
  async run(): Promise<never> {
    return await Promise.race([this.#certificates.run(this.#o.signal), this.#renew()]);
  }

  async #get(wanted: Wanted, cancel: AbortSignal): Promise<KeyPair> {
    const known = this.#certificates.peek(wanted.name);
    if (this.#isGood(known)) {
      this.#wanted.set(wanted.name, wanted);
      if (known.isCached) void this.#job(wanted).catch(() => {}); // the core is away: it will do
      return known.pair;
    }
    this.#refuseKnown(wanted.name, known);
    const { pair } = await abortable(this.#job(wanted), cancel);
    if (pair === null) throw new IssuerError(`There is no certificate for ${wanted.name}`);
    return pair;
  }

  /** A name that is known to fail is not tried for each visitor. @throws {IssuerError} */
  #refuseKnown(name: string, known: Known | null): void {
    const attempt = known?.record.attempt ?? null;
    if (attempt !== null && attempt.words !== null && isPaused(attempt, this.#o.now())) {
      throw new IssuerError(attempt.words);
    }
    const refused = this.#refused.get(name);
    if (refused !== undefined && this.#o.clock.now() < refused.until) throw refused.error;
  }

  #isGood(known: Known | null): known is Known & { pair: KeyPair } {
    const { kept } = known?.record ?? {};
    return kept != null && this.#o.now() < kept.notAfter;
  }

  #isDue({ kept, attempt }: CertificateRecord): boolean {
    const now = this.#o.now();
    if (attempt !== null && isPaused(attempt, now)) return false;
    return kept === null || now >= kept.renewAt;
  }

  /** One for each name at a time, whoever waits for it. */
  #job(wanted: Wanted): Promise<Known> {
    const { name, agent } = wanted;
    const running = this.#jobs.get(name);
    if (running !== undefined) return running.known;
    const own = [...this.#jobs.values()].filter((job) => job.agent === agent).length;
    const isFull = this.#jobs.size >= MOST_ORDERS || own >= MOST_OF_AGENT;
    if (isFull && name !== this.#apex.name) {
      return Promise.reject(
        new TtunError("busy", `Cannot order a certificate for ${name} now: others are ordered`),
      );
    }
    const known = this.#obtain(wanted).finally(() => this.#jobs.delete(name));
    known.catch(() => {}); // told by those that wait, and kept in the record
    this.#jobs.set(name, { agent, known });
    return known;
  }

  /** Returns the certificate once it is there. @throws {TtunError} if it cannot be had now */
  async #obtain(wanted: Wanted): Promise<Known> {
    const { clock, now, signal } = this.#o;
    const { name } = wanted;
    for (;;) {
      const known = await this.#certificates.read(name, signal);
      const { record: { attempt } } = known;
      if (this.#isGood(known) && !this.#isDue(known.record)) {
        this.#wanted.set(name, wanted);
        return known;
      }
      if (attempt !== null && attempt.words !== null && isPaused(attempt, now())) {
        if (this.#isGood(known)) return known;
        throw new IssuerError(attempt.words);
      }
      if (known.record.kept === null) await this.#requireDelegated(wanted);
      const done = await this.#asHolder(name, (held) => this.#order(wanted, held));
      if (done !== null) {
        if (this.#isGood(done)) return done;
        throw this.#refuse(name, brokenOff(name, done.record));
      }
      await sleep(clock, WAIT_MS, signal);
    }
  }

  /** Refuses hosts whose owner has not had the challenges lead here: the authority would count it. */
  async #requireDelegated({ name: host, agent }: Wanted): Promise<void> {
    const { delegationOf, zone, signal } = this.#o;
    if (agent === null) return;
    const found = await delegationOf(host, signal);
    try {
      requireDelegation({ host, agent, zone }, found);
    } catch (thrown) {
      throw this.#refuse(host, toTtunError(thrown));
    }
  }

  /** Has a name refused for a while. */
  #refuse(name: string, error: TtunError): TtunError {
    if (this.#refused.size >= MOST_REFUSED) this.#refused.clear();
    this.#refused.set(name, { until: this.#o.clock.now() + REFUSED_MS, error });
    return error;
  }

  /** Runs while this node alone may order that certificate; null = another one does. */
  async #asHolder<T>(name: string, run: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const { store, clock, signal } = this.#o;
    await using session = await store.session(SESSION_MS, { signal });
    const lease: Lease | null = await store.acquire(`cert/${name}`, session, { signal });
    if (lease === null) return null;
    const over = new AbortController();
    using _limit = clock.after(ORDER_MS, () => {
      over.abort(new IssuerError("The certificate authority did not come to an end in time"));
    });
    keepSession(session, clock, AbortSignal.any([over.signal, signal]));
    const held = AbortSignal.any([signal, lease.lost, session.ended, over.signal]);
    try {
      return await run(held);
    } finally {
      over.abort(new IssuerError("The order is over"));
      // Others need not wait until the session's time is over.
      if (!signal.aborted) await session.end({ signal }).catch(() => {}); // it ends by itself
    }
  }

  /** @throws {TtunError}, which the record has then too */
  async #order(wanted: Wanted, held: AbortSignal): Promise<Known> {
    const { log, now } = this.#o;
    const { name, names } = wanted;
    const before = await this.#certificates.read(name, held);
    if (!this.#isDue(before.record)) return before;
    if (wanted.agent !== null && before.record.kept === null) {
      await takeOrder(this.#o.store, wanted.agent, now(), held);
    }
    // It is written down first: a store that takes nothing, or a node that dies each time, costs no order.
    const count = (before.record.attempt?.count ?? 0) + 1;
    const begun = await this.#write(name, before, {
      count,
      until: now() + pauseAfter(count, this.#chance()),
      words: null,
    }, held);
    log.info("A certificate is ordered", { names: names.join(" ") });
    let issued: KeptCertificate;
    try {
      issued = await this.#issued(wanted, before.record.kept, held);
    } catch (thrown) {
      if (held.aborted && this.#o.signal.aborted) throw thrown;
      const error = toTtunError(held.aborted ? held.reason : thrown);
      await this.#failed(wanted, begun, count, error);
      throw error;
    }
    const { known } = await this.#keep(name, { kept: issued, attempt: null }, begun);
    this.#wanted.set(name, wanted);
    log.info("There is a new certificate", {
      names: names.join(" "),
      until: new Date(issued.notAfter).toISOString(),
    });
    return known;
  }

  async #issued(
    { name, names, challenge }: Wanted,
    kept: KeptCertificate | null,
    held: AbortSignal,
  ): Promise<KeptCertificate> {
    const { issuer, now } = this.#o;
    const replaces = kept === null ? null : readFirst(kept.chain).renewalId;
    const prove = (_name: string, text: string) => this.#prove(challenge, text, held);
    const order = (account: IssuerAccount) =>
      issuer.issue({ names, replaces, prove }, account, held);
    let result;
    try {
      result = await order(await keepAccount(this.#o, held));
    } catch (error) {
      if (!(error instanceof IssuerError) || error.reason !== "accountDoesNotExist") throw error;
      result = await order(await keepAccount(this.#o, held, { isForgotten: true }));
    }
    const { notBefore, notAfter } = readFirst(result.chain);
    const times = { notBefore, notAfter, issuedAt: now() };
    const renewAt = usualRenewal(times, chanceOf(name));
    return { ...result, ...times, renewAt, askAt: now() };
  }

  /** Has a text be told in DNS. */
  async #prove(challenge: string, text: string, held: AbortSignal): Promise<AsyncDisposable> {
    const { store, signal } = this.#o;
    const key = `${TEXTS}${challenge}/${text}`;
    await store.put(key, utf8(text), { signal: held, ttlMs: TEXT_MS });
    return {
      [Symbol.asyncDispose]: async () => {
        if (signal.aborted) return;
        await store.delete(key, { signal }).catch(() => {}); // it vanishes by itself
      },
    };
  }

  async #write(
    name: string,
    over: Known,
    attempt: Attempt,
    held: AbortSignal,
  ): Promise<Known> {
    const { ok, known } = await this.#certificates.write(
      name,
      { ...over.record, attempt },
      over,
      held,
    );
    if (ok) return known;
    throw new MeshError("unavailable", "Another node has changed the certificate meanwhile");
  }

  /** Writes a certificate that was issued, which is worth some patience. */
  async #keep(name: string, record: CertificateRecord, over: Known) {
    const { signal, clock } = this.#o;
    for (let tries = 1;; tries++) {
      try {
        return await this.#certificates.write(name, record, over, signal);
      } catch (error) {
        if (signal.aborted || tries >= 10) throw error;
        await sleep(clock, tries * 1000, signal);
      }
    }
  }

  async #failed(wanted: Wanted, begun: Known, count: number, error: TtunError): Promise<void> {
    const { now, log, signal } = this.#o;
    const { name } = wanted;
    const againMs = error instanceof IssuerError ? error.againMs : 0;
    const until = now() + pauseAfter(count, this.#chance(), againMs);
    log.warn("Cannot get a certificate", {
      name,
      why: error.message,
      again: new Date(until).toISOString(),
    });
    const attempt = { count, until, words: error.message.slice(0, 1000) };
    try {
      await this.#certificates.write(name, { ...begun.record, attempt }, begun, signal);
    } catch {
      return; // the core is away: it has when the order was begun
    }
  }

  async #renew(): Promise<never> {
    const { clock, signal, log } = this.#o;
    for (;;) {
      for (const [name, wanted] of [[this.#apex.name, this.#apex], ...this.#wanted] as const) {
        const known = this.#certificates.known.get(name) ?? null;
        if (known === null && name !== this.#apex.name) {
          this.#wanted.delete(name);
          continue;
        }
        try {
          if (known === null || this.#isDue(known.record)) await this.#job(wanted);
          else await this.#askWhen(name, known);
        } catch (error) {
          signal.throwIfAborted();
          log.debug("A certificate is not renewed now", { name, why: toTtunError(error).message });
          if (!this.#isGood(known)) this.#wanted.delete(name);
        }
      }
      await this.#reseal();
      await sleep(clock, this.#pause(), signal);
    }
  }

  /** Milliseconds until something is to be done again, as far as is known. */
  #pause(): number {
    const known = this.#certificates.known.get(this.#apex.name) ?? null;
    if (!this.#isGood(known)) return SOON_MS;
    const due = known.record.kept!.renewAt - this.#o.now();
    return Math.min(Math.max(due, SOON_MS), LOOK_MS);
  }

  /** Seals anew under a secret that is used from now on: the one before goes out of use. */
  async #reseal(): Promise<void> {
    const { secrets, store, directory, signal } = this.#o;
    const [secret] = secrets();
    if (secret === this.#sealedUnder) return;
    try {
      for (const name of [...this.#certificates.known.keys()]) {
        await this.#certificates.reseal(name, signal);
      }
      const account = await store.get(accountKey(directory), { signal });
      if (account !== null) await resealEntry(account, this.#o, signal);
      this.#sealedUnder = secret ?? null;
    } catch {
      signal.throwIfAborted(); // the core is away: the next look will do
    }
  }

  /** Asks the authority when a certificate is to be renewed, if it is time to. */
  async #askWhen(name: string, { record: { kept } }: Known): Promise<void> {
    const { issuer, now, log } = this.#o;
    if (kept === null || now() < kept.askAt) return;
    await this.#asHolder(name, async (held) => {
      const known = await this.#certificates.read(name, held);
      const { kept, attempt } = known.record;
      if (kept === null || now() < kept.askAt) return;
      const id = readFirst(kept.chain).renewalId;
      let [window, pause]: [RenewalWindow | null, number] = [null, UNSAID_MS];
      try {
        window = id === null ? null : await issuer.renewalWindow(id, held);
      } catch (error) {
        held.throwIfAborted();
        log.debug("The authority does not say when to renew", { why: toTtunError(error).message });
        pause = UNHEARD_MS;
      }
      const renewAt = window === null ? kept.renewAt : windowRenewal(window, kept, chanceOf(name));
      const askAt = now() + (window?.againMs ?? pause);
      await this.#certificates.write(
        name,
        { kept: { ...kept, renewAt, askAt }, attempt },
        known,
        held,
      );
    });
  }

  #chance(): number {
    return this.#o.rng(1)[0]! / 256;
  }
}

/** Returns the reason where a node has died on the way, and it is too early for another order. */
function brokenOff(name: string, { attempt }: CertificateRecord): IssuerError {
  const again = attempt === null ? "later" : `at ${new Date(attempt.until).toISOString()}`;
  return new IssuerError(
    `The order of a certificate for ${name} was broken off; it is ordered again ${again}`,
  );
}
