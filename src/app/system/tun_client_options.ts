import type { Addr, Cidr, HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Paths } from "../../contract/routing.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import type { ServerMemory } from "../link/connect.ts";
import type { LastServer } from "../link/server_paths.ts";
import type { ClientStreams } from "../mux/client_streams.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import type { DirectServer } from "./server_name.ts";

/** Facts that are known before a session's packets. */
export interface SessionFacts {
  readonly server: Addr;
  /** Aborts when the session ends. */
  readonly signal: AbortSignal;
  /** Wishes of the server; none under version 1. */
  readonly pushed: PushedSettings;
}

export interface TunClientOptions {
  server: HostPort | DirectServer | KeyedHopAddress;
  /** To the addresses of a server that has some. */
  dialer: Dialer;
  resolver: Resolver;
  paths: Paths;
  /** From a lookup of the server's name just before; the first attempt uses them. */
  addresses?: readonly string[];
  /** Where answers for the server's name may be forged; absent = the name alone counts. */
  lastServer?: LastServer | undefined;
  router: TunRouter;
  secrets: WireSecrets;
  memory: ServerMemory;
  /**
   * Called before packets with the addresses that the server gives, if any.
   * @throws {TtunError} if the device cannot have them, which ends the session
   */
  takeAddresses: (addresses: readonly Cidr[], session: SessionFacts) => void | Promise<void>;
  /** Called at the end of each session for which `takeAddresses` was called. */
  sessionEnded?: (() => void) | undefined;
  /** 16 random bytes, one value for each process. */
  instance: Uint8Array;
  /** Undefined = the client sends none. */
  identity?: ClientIdentity | undefined;
  /** Streams that go on the same links; absent = packets alone. */
  streams?: ClientStreams | undefined;
  /** Has the session while there is one. */
  sessions?: SessionList | undefined;
  clock: Clock;
  log: Logger;
  /** Undefined = the system's. */
  congestion?: CongestionChoice | undefined;
  signal: AbortSignal;
  /** Attempts in a row that may follow a failed one; Infinity = no limit. */
  retries: number;
}
