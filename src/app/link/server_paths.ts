import { formatAddr, type HostPort, plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Paths } from "../../contract/routing.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { PeerLink } from "./config.ts";

/** Documentation addresses (RFC 5737, RFC 3849) that stand for any destination. */
const ANYWHERE: readonly string[] = ["198.51.100.1", "2001:db8::1"];

/** The path has changed, so an attempt on the old one is not worth waiting for. */
export class PathChanged extends TtunError {
  constructor(words: string) {
    super("lost", words);
  }
}

/** Memory of where the server was: attempts begin there, so that a forged name only costs time. */
export interface LastServer {
  /** Of an earlier session; null = there is none. */
  readonly address: string | null;
  /** Called when a session begins at another address. */
  keep(address: string): void;
}

/** Effects of path changes on a client's attempts and sessions. */
export class ServerPaths {
  readonly #paths: Paths;
  readonly #clock: Clock;
  /** Server addresses that were dialled, with the last path to each. */
  readonly #last = new Map<string, string | null>();
  /** From the last lookup of the server's name. */
  #addresses: readonly string[];
  /** The next attempt uses the known addresses without a lookup. */
  #isFresh: boolean;
  readonly #lastServer: LastServer | undefined;
  #proven: string | null;

  /** `addresses`: of the server's name, if it was just resolved. */
  constructor(
    paths: Paths,
    clock: Clock,
    addresses: readonly string[],
    lastServer?: LastServer,
  ) {
    this.#paths = paths;
    this.#clock = clock;
    this.#lastServer = lastServer;
    this.#proven = lastServer?.address ?? null;
    this.#addresses = addresses;
    this.#isFresh = addresses.length > 0;
  }

  /** Where the server was last, if attempts begin with that. */
  get proven(): string | null {
    return this.#proven;
  }

  /** Opens the path to an address before it dials it. */
  dialer(inner: Dialer): Dialer {
    return {
      start: (to, o, events) => {
        if (!("host" in to)) return inner.start(to, o, events);
        const host = plainHost(to.host);
        try {
          this.#open(host);
        } catch (error) {
          return events.failed(error); // a way that cannot be opened is a failed dial
        }
        return inner.start({ ...to, host }, o, events);
      },
    };
  }

  #open(host: string): void {
    try {
      this.#paths.open(host);
    } finally {
      this.#last.set(host, this.#paths.to(host));
    }
  }

  /** Remembers the addresses of the server's name, and tells those that are not `proven`. */
  resolver(inner: Resolver): Resolver {
    return {
      resolve: async (host, o) => {
        if (this.#isFresh) {
          this.#isFresh = false;
        } else {
          this.#addresses = await inner.resolve(host, o);
          const proven = this.#proven === null ? [] : [this.#proven];
          this.#keepOnly([...proven, ...this.#addresses]);
        }
        return this.#addresses.filter((address) => plainHost(address) !== this.#proven);
      },
    };
  }

  /** The server has not moved: the next attempt skips the lookup. */
  moved(): void {
    this.#isFresh = this.#addresses.length > 0;
  }

  /** Returns true as soon as there is another path to the server. */
  async pause(ms: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#look()) return true; // changed since the attempt began
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    using _timer = this.#clock.after(ms, () => resolve(false));
    using _registration = onAbort(signal, reject);
    using _watch = this.#paths.onChange(() => {
      if (this.#look()) resolve(true);
    });
    return await promise;
  }

  #keepOnly(addresses: readonly string[]): void {
    const hosts = addresses.map(plainHost);
    this.#paths.keepOnly(hosts);
    for (const known of this.#last.keys()) if (!hosts.includes(known)) this.#last.delete(known);
  }

  /** Returns true if a path is new or different. */
  #look(): boolean {
    const hosts = this.#last.size > 0 ? [...this.#last.keys()] : this.#addresses.map(plainHost);
    let isOther = false;
    for (const host of hosts.length > 0 ? hosts : ANYWHERE) {
      const now = this.#paths.to(host);
      const isKnown = this.#last.has(host);
      if (isKnown && now !== null && now !== this.#last.get(host)) isOther = true;
      this.#last.set(host, now);
    }
    return isOther;
  }

  /** A relevant change fails `tasks`. */
  watch(tasks: Scope): AttemptWatch {
    const onBegun = (host: string) => {
      if (this.#lastServer === undefined || host === this.#proven) return;
      this.#proven = host;
      this.#lastServer.keep(host);
    };
    return new AttemptWatch(this.#paths, tasks, () => this.#look(), onBegun);
  }
}

/** Looks after the way of one attempt to reach the server, or of one connection. */
export class AttemptWatch implements Disposable {
  readonly #paths: Paths;
  readonly #tasks: Scope;
  readonly #registration: Disposable;
  readonly #onBegun: (host: string) => void;
  #check: () => void;
  #host: string | null = null;

  constructor(
    paths: Paths,
    tasks: Scope,
    look: () => boolean,
    onBegun: (host: string) => void,
  ) {
    this.#paths = paths;
    this.#tasks = tasks;
    this.#onBegun = onBegun;
    this.#check = () => {
      if (look()) this.#fail("Gave up the attempt: there is another way to the server now");
    };
    this.#registration = paths.onChange(() => this.#check());
  }

  /** From now on only the connection's own path counts. */
  connected(stream: Connection): void {
    this.#check = () => {};
    const { local, remote } = stream;
    if (!("host" in local) || !("host" in remote)) return;
    this.#host = remote.host;
    // Multipath TCP changes paths itself, and neither that nor UDP is bound to one address.
    const isBound = !["mptcp", "udp"].includes(stream.stats().protocol);
    const wayOf = (from?: string) => this.#paths.to(remote.host, isBound ? from : undefined);
    const way = wayOf(local.host);
    let wasAway = way === null;
    this.#check = () => {
      const isMissing = !this.#paths.isOwn(local.host);
      const isGone = isBound && isMissing;
      const now = isGone ? wayOf() : wayOf(local.host);
      if (now === null) {
        wasAway = true; // the path may return, and there is no other
      } else if (isGone) {
        this.#lose(remote, `this machine has the address ${local.host} no more`);
      } else if (isBound && this.#paths.isExact && way !== null && now !== way) {
        this.#lose(remote, `the way there was ${way} and is ${now}`);
      } else if (wasAway || isMissing) {
        wasAway = false;
        this.#probe?.();
      }
    };
  }

  #probe: (() => void) | null = null;

  /** The session is probed after its path was gone for a while. */
  begun({ probe }: PeerLink, remote: string): void {
    if (this.#host !== null) this.#onBegun(this.#host);
    if (probe === undefined) return;
    let isAsking = false;
    this.#probe = () => {
      if (isAsking) return;
      isAsking = true;
      this.#tasks.spawn(async (signal) => {
        const lives = await probe(signal);
        isAsking = false;
        if (!lives) this.#fail(`Lost the connection with ${remote}: it did not outlive an outage`);
      });
    };
  }

  #lose(remote: HostPort, why: string): void {
    this.#fail(`Lost the connection with ${formatAddr(remote)}: ${why}`);
  }

  #fail(words: string): void {
    this.#tasks.fail(new PathChanged(words));
  }

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
  }
}
