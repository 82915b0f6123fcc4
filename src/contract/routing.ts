import type { Cidr } from "../base/addr.ts";

export interface TableRoute {
  readonly to: Cidr;
  readonly index: number;
  /** Preference: of routes with the same target the lowest is taken. */
  readonly metric: number;
  /** The system passes it over: its link is down. */
  readonly isDead: boolean;
  /** A ttun made it for the address of a server: this one, or an earlier one that was killed. */
  readonly isForServer: boolean;
  /** The way behind the link as a text: equal texts are the same way. */
  readonly hop: string;
}

/** The system's main routing table. Addresses are 4 or 16 bytes. */
export interface RouteTable {
  routes(): readonly TableRoute[];
  isLocal(address: Uint8Array): boolean;
  /** Returns true if a program, not a network, is at the link's other end. */
  isTunnel(index: number): boolean;
  /** Adds a route that goes as `by` does and comes first. @throws {TtunError} privilege, system */
  addHost(address: Uint8Array, by: TableRoute): void;
  /** Removes such a route; one that is gone already is no failure. @throws {TtunError} */
  removeHost(route: TableRoute): void;
}

export interface Paths {
  /**
   * Keeps packets to this IP address out of the tunnel; call it before dialling.
   * @throws {TtunError} unreachable, privilege, system: where they go, and what to do about it
   */
  open(host: string): void;
  /** Drops the ways of all addresses but these, which are the server's. */
  keepOnly(hosts: readonly string[]): void;
  /**
   * Returns the way of packets to this IP address: equal texts mean the same; null = none. `from`:
   * an address of this machine, for that of a connection that has it, else of a new one.
   */
  to(host: string, from?: string): string | null;
  /** True if `to` tells of that host alone; else its text changes with other ways too. */
  readonly isExact: boolean;
  isOwn(host: string): boolean;
  /** Calls `run` soon after changes of links, addresses or routes other than the tunnel's. */
  onChange(run: () => void): Disposable;
}
