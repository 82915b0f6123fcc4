import type { Clock } from "../../contract/host.ts";
import type { Ticker } from "./ticker.ts";
import type { Handling, Page, Upstream } from "./upstream.ts";

/** Milliseconds in which an upstream takes the stream, until the next one is tried beside it. */
const STAGGER_MS = 200;

/** Milliseconds until all are tried again, where none is left. */
const AGAIN_MS = 300;

/** Milliseconds after which a request without an upstream is given up. */
const LONGEST_MS = 30_000;

/** Upstreams of one request in a row, without a pause. */
const MOST_TRIES = 6;

export interface RaceOptions {
  readonly handling: Handling;
  readonly clock: Clock;
  readonly ticker: Ticker;
  /** The request may be sent again, where it is not known whether it was carried out. */
  readonly isSafe: boolean;
  /** Neither has anything of its body gone on, nor an answer begun. */
  readonly mayMove: () => boolean;
  /** Gives the request to an upstream. */
  readonly attach: (upstream: Upstream) => void;
  /** Takes it from the one that has it. */
  readonly detach: () => void;
  readonly answer: (page: Page) => void;
}

/**
 * Finds the upstream of one request. One that does not take its stream at once gets company by the
 * next one: the first that takes it has the request. A request that may not be sent twice goes to
 * none that has not taken its stream; others go at once, and move on when a link falls silent.
 */
export class UpstreamRace {
  readonly #o: RaceOptions;
  readonly #began: number;
  /** Upstreams without the request. */
  readonly #spares = new Set<Upstream>();
  readonly #demoted = new WeakSet<Upstream>();
  readonly #registrations = new DisposableStack();
  #current: Upstream | null = null;
  /** Answers of `next` that are under way. */
  #asking = 0;
  #tries = 0;
  #triedAt = 0;
  /** Time since which there is none to try; null = there may be. */
  #dryAt: number | null = null;
  /** It is told of another upstream: once is enough, as each time asks for one. */
  #isTold = false;
  #words: string | null = null;
  /** Time at which the last upstream with the request failed, or of the beginning. */
  #lostAt: number;
  #isOver = false;

  constructor(o: RaceOptions) {
    this.#o = o;
    this.#began = o.clock.now();
    this.#lostAt = this.#began;
  }

  start(): void {
    this.#registrations.use(this.#o.ticker.add(() => this.#look()));
    this.#try();
  }

  /** Nothing is looked for any more: the answer has begun, or the exchange is over. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#registrations.dispose();
    this.#dropSpares();
  }

  /** The upstream with the request has failed, and another one may have it. */
  failed(words: string): void {
    this.#current = null;
    this.#words = words;
    this.#lostAt = this.#o.clock.now();
    this.#go();
  }

  #try(): void {
    const { handling, clock } = this.#o;
    this.#triedAt = clock.now();
    this.#tries++;
    const found = handling.next();
    if (!(found instanceof Promise)) return this.#take(found);
    this.#asking++;
    const take = (found: Upstream | Page | null) => {
      this.#asking--;
      this.#take(found);
    };
    found.then(take, (error) => {
      this.#words = String(error);
      take(null);
    });
  }

  #take(found: Upstream | Page | null): void {
    if (found !== null && !("body" in found)) {
      if (this.#isOver) return found.stream.reset();
      this.#spares.add(found);
      found.opening.onKnown = () => this.#go();
    } else if (this.#isOver) return;
    else if (found !== null) {
      if (!this.#isUnderWay) return this.#settle(found);
    } else if (this.#dryAt === null) this.#runDry();
    this.#go();
  }

  #runDry(): void {
    const { handling, clock } = this.#o;
    this.#dryAt = clock.now();
    if (this.#isTold) return;
    this.#isTold = true;
    const more = () => {
      if (this.#isOver || this.#isFine) return;
      this.#dryAt = null;
      this.#try();
    };
    this.#registrations.use(handling.onMore(more));
  }

  /** Something may come of what was tried. */
  get #isUnderWay(): boolean {
    return this.#current !== null || this.#spares.size > 0 || this.#asking > 0;
  }

  get #isFine(): boolean {
    const current = this.#current;
    return current !== null && current.opening.state === "opened" && !current.isSilent();
  }

  get #mayMove(): boolean {
    return this.#current === null || (this.#o.isSafe && this.#o.mayMove());
  }

  #go(): void {
    if (this.#isOver) return;
    for (const spare of this.#spares) {
      if (spare.opening.state === "refused") this.#spares.delete(spare);
    }
    if (this.#isFine) return this.#dropSpares();
    const better = this.#mayMove ? this.#choose() : null;
    if (better !== null) return this.#move(better);
    if (this.#isUnderWay) return;
    if (this.#dryAt === null && this.#tries < MOST_TRIES) return this.#try();
    if (this.#dryAt === null) this.#runDry();
    const { handling, clock } = this.#o;
    if (clock.now() - this.#lostAt < handling.patience()) return;
    this.#settle(handling.failure(this.#words));
  }

  #choose(): Upstream | null {
    for (const spare of this.#spares) {
      if (spare.opening.state !== "opened") continue;
      if (!spare.isLeaving() && !spare.isSilent()) return spare;
    }
    if (this.#current !== null || !this.#o.isSafe) return null;
    const [first] = this.#spares;
    return first ?? null;
  }

  #move(to: Upstream): void {
    if (this.#current !== null) this.#o.detach();
    this.#spares.delete(to);
    this.#current = to;
    this.#o.attach(to);
    if (this.#isFine) this.#dropSpares();
  }

  #look(): void {
    this.#go();
    if (this.#isOver || this.#isFine || !this.#mayMove) return;
    const now = this.#o.clock.now();
    if (now - this.#began >= LONGEST_MS && this.#current === null) {
      return this.#settle(this.#o.handling.failure(this.#words));
    }
    if (this.#dryAt !== null) {
      if (this.#isUnderWay || now - this.#dryAt < AGAIN_MS) return;
      this.#dryAt = null;
      this.#tries = 0;
      return this.#try();
    }
    if (now - this.#triedAt < STAGGER_MS) return;
    this.#demoteLate();
    if (this.#tries < MOST_TRIES) this.#try();
  }

  #demoteLate(): void {
    const all = this.#current === null ? this.#spares : [this.#current, ...this.#spares];
    for (const one of all) {
      const isLate = one.opening.state === "waiting" || one.isSilent();
      if (!isLate || this.#demoted.has(one)) continue;
      this.#demoted.add(one);
      one.demote();
    }
  }

  #settle(page: Page): void {
    this.end();
    this.#o.answer(page);
  }

  #dropSpares(): void {
    for (const { stream } of this.#spares) stream.reset();
    this.#spares.clear();
  }
}
