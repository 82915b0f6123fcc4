import type { Cidr } from "../base/addr.ts";

/** A route of the system's main table. */
export interface TableRoute {
  readonly to: Cidr;
  /** The link that it leads to. */
  readonly index: number;
  /** Of routes with the same target the lowest is taken. */
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
  /** True when packets to the address never leave this machine. */
  isLocal(address: Uint8Array): boolean;
  /** True when the link is a tunnel, with nothing but a program at its other end. */
  isTunnel(index: number): boolean;
  /**
   * Gives the address a route of its own that goes as `by` does and comes before all others.
   * @throws {TtunError} privilege, system: with the command that does it
   */
  addHost(address: Uint8Array, by: TableRoute): void;
  /** Takes such a route away; one that is gone already is no failure. @throws {TtunError} */
  removeHost(route: TableRoute): void;
}

/** The ways from this machine to others, as its system has them now. */
export interface Paths {
  /**
   * Sees to it that packets to this IP address do not go into the tunnel, before it is dialled.
   * @throws {TtunError} unreachable, privilege, system: where they do, and what to do about it
   */
  open(host: string): void;
  /** These are all addresses that the server has: others need no way any more. */
  keepOnly(hosts: readonly string[]): void;
  /**
   * How packets to this IP address leave: equal texts are the same way; null = by no usable one. With
   * `from` (an address of this machine) those of a connection that has it, else of a new one.
   */
  to(host: string, from?: string): string | null;
  /** True when `to` tells of that host alone; else its text changes with other ways too. */
  readonly isExact: boolean;
  /** True when this IP address is one of this machine's. */
  isOwn(host: string): boolean;
  /** Calls `run` soon after links, addresses or routes have changed that are not the tunnel's own. */
  onChange(run: () => void): Disposable;
}
