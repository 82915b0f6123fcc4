import type { SessionStatus } from "./report.ts";

/**
 * Describes a session at one moment, but for its number, with up to `mostStreams` streams; null =
 * they are not asked for.
 */
export type DescribeSession = (mostStreams: number | null) => Omit<SessionStatus, "id">;

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

  /** In the order of their beginnings, with up to `mostStreams` streams of all together. */
  describe(mostStreams: number | null = null): SessionStatus[] {
    let left = mostStreams;
    return Array.from(this.#sessions, ([id, describe]) => {
      const session = { id, ...describe(left) };
      if (left !== null) left -= session.streamList?.length ?? 0;
      return session;
    });
  }
}
