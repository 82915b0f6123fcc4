import { NameError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Resolver } from "../../contract/host.ts";
import { type HostForm, quoted, readHost } from "../../core/dns/host_name.ts";

/** Queries in progress, in total and of one owner. */
const MOST_QUESTIONS = 1024;
const MOST_PER_OWNER = 256;

export type NameForm = Extract<HostForm, { kind: "name" }>;

/** @throws {NameError}; the signal's reason */
export type LookUp = (
  form: NameForm,
  o: { readonly signal: AbortSignal; readonly owner: string | undefined },
) => Promise<string[]>;

interface Waiter {
  readonly owner: string | undefined;
  readonly resolve: (addresses: string[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Question {
  readonly key: string;
  readonly waiters: Set<Waiter>;
  readonly life: AbortController;
  /** The owner whose limit counts the query. */
  owner: string | undefined;
}

/**
 * Concurrent lookups of a name share one query, which ends when no caller waits. At a limit the
 * oldest query of the same owner is dropped, the least likely to be answered.
 */
export class NameService implements Resolver {
  readonly #lookUp: LookUp;
  readonly #most: { total: number; perOwner: number };
  readonly #questions = new Map<string, Question>();
  /** Queries by owner, oldest first. */
  readonly #byOwner = new Map<string, Set<Question>>();
  #counted = 0;

  constructor(lookUp: LookUp, most = { total: MOST_QUESTIONS, perOwner: MOST_PER_OWNER }) {
    this.#lookUp = lookUp;
    this.#most = most;
  }

  /** The number of queries in progress. */
  get size(): number {
    return this.#questions.size;
  }

  async resolve(
    host: string,
    { signal, owner }: { signal: AbortSignal; owner?: string | undefined },
  ): Promise<string[]> {
    signal.throwIfAborted();
    const form = readHost(host);
    if (form.kind === "address") return [form.address];
    const question = this.#questionFor(form, owner);
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    const waiter: Waiter = { owner, resolve, reject };
    question.waiters.add(waiter);
    using _registration = onAbort(signal, (reason) => {
      question.waiters.delete(waiter);
      reject(reason);
      this.#endIfUnwanted(question, reason);
    });
    return [...await promise];
  }

  #questionFor(form: NameForm, owner: string | undefined): Question {
    const name = form.isAbsolute ? `${form.name}.` : form.name;
    // ttun's own queries never wait behind clients', and no client's limit ends them.
    const key = owner === undefined ? `own ${name}` : name;
    const known = this.#questions.get(key);
    if (known !== undefined) return known;
    if (owner !== undefined) this.#evictIdle(owner);
    const question: Question = { key, waiters: new Set(), life: new AbortController(), owner };
    this.#questions.set(key, question);
    this.#count(question);
    const { signal } = question.life;
    this.#lookUp(form, { signal, owner }).then(
      (addresses) => this.#over(question, ({ resolve }) => resolve(addresses)),
      (error) => this.#over(question, ({ reject }) => reject(error)),
    );
    return question;
  }

  #over(question: Question, tell: (waiter: Waiter) => void): void {
    this.#forget(question);
    for (const waiter of question.waiters) tell(waiter);
  }

  #endIfUnwanted(question: Question, reason: unknown): void {
    if (question.waiters.size > 0 || this.#questions.get(question.key) !== question) return;
    this.#forget(question);
    question.life.abort(reason);
  }

  #forget(question: Question): void {
    if (this.#questions.get(question.key) !== question) return;
    this.#questions.delete(question.key);
    this.#uncount(question);
  }

  #count(question: Question): void {
    if (question.owner === undefined) return;
    this.#counted++;
    const same = this.#byOwner.get(question.owner);
    if (same !== undefined) same.add(question);
    else this.#byOwner.set(question.owner, new Set([question]));
  }

  #uncount(question: Question): void {
    if (question.owner === undefined) return;
    this.#counted--;
    const same = this.#byOwner.get(question.owner)!;
    same.delete(question);
    if (same.size === 0) this.#byOwner.delete(question.owner);
  }

  #give(question: Question, owner: string | undefined): void {
    this.#uncount(question);
    question.owner = owner;
    this.#count(question);
  }

  #evictIdle(owner: string): void {
    const own = this.#byOwner.get(owner);
    if (own !== undefined && own.size >= this.#most.perOwner) this.#dropOldest(owner, own);
    if (this.#counted < this.#most.total) return;
    // Drops from the key with most queries: a key gains nothing by using many addresses.
    const ofKey = new Map<string, number>();
    for (const [one, { size }] of this.#byOwner) {
      const key = keyOf(one);
      ofKey.set(key, (ofKey.get(key) ?? 0) + size);
    }
    const [greediest] = [...ofKey].reduce((a, b) => b[1] > a[1] ? b : a);
    const [most, questions] = [...this.#byOwner].filter(([one]) => keyOf(one) === greediest)
      .reduce((a, b) => b[1].size > a[1].size ? b : a);
    this.#dropOldest(most, questions);
  }

  /** The query continues for other owners' waiters. */
  #dropOldest(owner: string, questions: Set<Question>): void {
    const [oldest] = questions as Iterable<Question> as [Question];
    const why = new TtunError(
      "exhausted",
      `Cannot resolve ${quoted(oldest.key)}: too many names are asked for at once, and nobody ` +
        "answered this one; try again later",
    );
    for (const waiter of oldest.waiters) {
      if (waiter.owner !== owner) continue;
      oldest.waiters.delete(waiter);
      waiter.reject(why);
    }
    const [other] = oldest.waiters;
    if (other === undefined) return this.#endIfUnwanted(oldest, why);
    this.#give(oldest, other.owner);
  }
}

/** An owner is a key and an address; "" if it is only an address. */
export function keyOf(owner: string): string {
  return owner.slice(0, Math.max(0, owner.lastIndexOf(" ")));
}

/** Resolver for programs that are only given addresses. */
export const ADDRESSES_ONLY: Resolver = new NameService(({ name }) =>
  Promise.reject(noSuchName(name))
);

export function noSuchName(host: string): NameError {
  return new NameError(
    "missing",
    `Cannot resolve ${quoted(host)}: no such host name; check its spelling`,
  );
}
