import type { Paths } from "../../src/contract/routing.ts";

/** Ways that a test changes: to any host `way`, from the addresses in `own`. */
export class FakePaths implements Paths {
  isExact = true;
  way: string | null = "dev eth0";
  /** The way of connections that have an address already; null = `way`. */
  wayFrom: string | null = null;
  own: readonly string[] | null = null;
  /** Called by `open`. */
  onOpen: (host: string) => void = () => {};
  readonly opened: string[] = [];
  /** All that the server has, as it was said last. */
  kept: readonly string[] = [];
  readonly #listeners = new Set<() => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  open(host: string): void {
    this.opened.push(host);
    this.onOpen(host);
  }

  keepOnly(hosts: readonly string[]): void {
    this.kept = hosts;
  }

  to(_host: string, from?: string): string | null {
    return from === undefined || this.way === null ? this.way : this.wayFrom ?? this.way;
  }

  isOwn(host: string): boolean {
    return this.own === null || this.own.includes(host);
  }

  onChange(run: () => void): Disposable {
    const listener = () => run();
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Something has changed. */
  change(to: { way?: string | null; own?: readonly string[] | null } = {}): void {
    if (to.way !== undefined) this.way = to.way;
    if (to.own !== undefined) this.own = to.own;
    for (const listener of [...this.#listeners]) listener();
  }
}
