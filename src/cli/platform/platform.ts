import type { Addr, Cidr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Paths } from "../../contract/routing.ts";
import type { Device } from "../../contract/device.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Configured, NetworkConfig, RefusedAddress } from "../../io/netcfg/linux.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { SegmentLimits } from "../../io/net/posix_net.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { TunConfig } from "../tun/plane_config.ts";

/** A device as the data plane opens it. */
export interface OpenedDevice extends Device {
  /** An administrator made it: it stays after we close it. */
  readonly persistent: boolean;
}

/** Connections, both ways. */
export interface Net extends Dialer {
  /** Host "" listens on all addresses. @throws {TtunError} in_use, privilege, usage */
  listen(at: Addr, o: { signal: AbortSignal }): Listener;
}

/** How connections are to be had. */
export interface NetConfig extends Pick<TunConfig, "io" | "mptcp"> {
  /** The largest TCP segment of connections that are opened, and that are taken. */
  readonly segmentBytes: SegmentLimits;
}

/** What any data plane has of the operating system that it runs on. */
export interface SocketPlatform extends AsyncDisposable {
  readonly clock: Clock;
  /** The loop that blocks; null where messages arrive by themselves. */
  readonly reactor: Reactor | null;
  /** System calls; null where there are none. */
  readonly libc: Libc | null;
  /** How many descriptors this process may have. */
  readonly descriptors: number;
  /** Addresses of this machine; the caller owns what is returned. */
  ownAddresses(): { has(ip: Uint8Array): boolean } & Disposable;
  /** @throws {TtunError} usage, where segments are to be limited and cannot be */
  openNet(o: NetConfig, log: Logger): Net;
  /**
   * Returns a function that becomes that user, and returns true when this thread may still change
   * the network, where it `keeps` that. @throws {TtunError} usage, where there is no such user
   */
  userChange(name: string, o?: { keeps: "network" }): () => boolean;
}

/** How a device has been set up, of which nothing may be missing while the tunnel runs. */
export type KeptConfig = Pick<NetworkConfig, "mtu" | "addresses" | "peers" | "routes">;

/** Keeps a device as it is to be, and knows the ways past it. */
export interface DeviceKeeper extends Pick<Platform, "changeAddresses">, Disposable {
  readonly paths: Paths;
  /** Looks whether all is as it is to be. `peer`: the IP address of the session's other end. */
  sessionBegins(peer?: string): void;
  /**
   * The part of this machine's networks that a network would take, as `10.0.0.0/8 on eth0`; or null.
   * `server`: the IP address of the server that gives it.
   */
  conflictOf(network: Cidr, server: string | undefined): string | null;
  /** Says where what is sent to the tunnel's networks goes by another way, once. */
  warnOfDuplicates(): void;
}

/** The same with a TUN device. */
export interface Platform extends SocketPlatform {
  /** @throws {TtunError} privilege, system, in_use, usage */
  openDevice(config: TunConfig, signal: AbortSignal): OpenedDevice;
  /** @throws {TtunError} */
  configure(device: string, config: NetworkConfig): Configured | Promise<Configured>;
  /**
   * Takes addresses away and gives others; routes stay. Returns those that could not be given, where
   * at least one could. @throws {TtunError}
   */
  changeAddresses(
    device: string,
    o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  ): readonly RefusedAddress[] | Promise<readonly RefusedAddress[]>;
  /** Holds the device from now on. */
  keep(device: string, config: KeptConfig, log: Logger): DeviceKeeper;
  /** Checks what only a user of this system can know. @throws {TtunError} usage */
  check(config: TunConfig): void;
}
