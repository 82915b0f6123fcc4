import type { TtunError } from "../../base/errors.ts";
import type { Addr, Cidr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Paths } from "../../contract/routing.ts";
import type { Device } from "../../contract/device.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Configured, NetworkConfig, RefusedAddress } from "../../io/netcfg/linux.ts";
import type { CongestionPlan } from "../../core/net/congestion.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { SegmentBytes } from "../../io/net/posix_net.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { TunConfig } from "../tun/plane_config.ts";

export interface OpenedDevice extends Device {
  /** An administrator made the device: it remains after it is closed. */
  readonly persistent: boolean;
}

export interface Net extends Dialer {
  /** Host "" listens on all addresses. @throws {TtunError} in_use, privilege, usage */
  listen(at: Addr, o: { signal: AbortSignal }): Listener;
}

export interface NetConfig extends Pick<TunConfig, "io" | "mptcp"> {
  /** Bytes of segments, for outgoing and incoming connections. */
  readonly segmentBytes: SegmentBytes;
  /** SO_MARK of outgoing connections (Linux, native sockets). */
  readonly mark?: number | undefined;
}

export interface SocketPlatform extends AsyncDisposable {
  readonly clock: Clock;
  readonly reactor: Reactor | null;
  /** System calls; null if there are none. */
  readonly libc: Libc | null;
  readonly descriptors: number;
  /** The caller owns the result. */
  ownAddresses(): { has(ip: Uint8Array): boolean } & Disposable;
  /** @throws {TtunError} usage, if the segment size cannot be limited */
  openNet(o: NetConfig, log: Logger): Net;
  /**
   * Plans for what this process may set now. `wanted`: as `--congestion` says.
   * @throws {TtunError} usage, if the system does not have it
   */
  planCongestion(wanted: string): CongestionPlan;
  /**
   * The returned function becomes the user, and returns true if this thread may still change the
   * network, provided that it `keeps` that privilege.
   * @throws {TtunError} usage, if there is no such user
   */
  userChange(name: string, o?: { keeps: "network" }): () => boolean;
}

export type KeptConfig = Pick<NetworkConfig, "mtu" | "addresses" | "peers" | "routes"> & {
  /** SO_MARK of the carrier's sockets (Linux). */
  readonly mark?: number | undefined;
};

export interface DeviceKeeper extends Pick<Platform, "changeAddresses">, Disposable {
  readonly paths: Paths;
  /** Checks the configuration. `peer`: IP address of the other end. */
  sessionBegins(peer?: string): void;
  /** Returns what `network`, given by `server`, would take over, as `10.0.0.0/8 on eth0`; or null. */
  conflictOf(network: Cidr, server: string | undefined): string | null;
  /**
   * Changes which routes the device is to have; returns the errors of those that it could not change.
   * Absent = they are those of its configuration.
   */
  changeRoutes?(o: { remove: readonly Cidr[]; add: readonly Cidr[] }): readonly TtunError[];
  /**
   * Calls `run` after changes of links, addresses or routes, once this keeper has put back what is
   * the device's. Absent = there are no notifications.
   */
  onAnyChange?(run: () => void): Disposable;
  /** Warns once if traffic for the tunnel's networks takes another path. */
  warnOfDuplicates(): void;
}

export interface Platform extends SocketPlatform {
  /** @throws {TtunError} privilege, system, in_use, usage */
  openDevice(config: TunConfig, signal: AbortSignal): OpenedDevice;
  /** @throws {TtunError} */
  configure(device: string, config: NetworkConfig): Configured | Promise<Configured>;
  /** Returns those that could not be added, if at least one could. @throws {TtunError} */
  changeAddresses(
    device: string,
    o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  ): readonly RefusedAddress[] | Promise<readonly RefusedAddress[]>;
  keep(device: string, config: KeptConfig, log: Logger): DeviceKeeper;
}
