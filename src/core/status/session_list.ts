import type { SessionStatus } from "./report.ts";

/** Describes a session at one moment, but for its number. */
export type DescribeSession = () => Omit<SessionStatus, "id">;

/** Sessions that live, for reports; each has a number of its own. */
export class SessionList {
  readonly #sessions = new Map<number, DescribeSession>();
  #last = 0;

  /** Lists a session until the result is disposed of. */
  add(describe: DescribeSession): Disposable {
    const id = ++this.#last;
    this.#sessions.set(id, describe);
    return { [Symbol.dispose]: () => void this.#sessions.delete(id) };
  }

  /** In the order of their beginnings. */
  describe(): SessionStatus[] {
    return Array.from(this.#sessions, ([id, describe]) => ({ id, ...describe() }));
  }
}
