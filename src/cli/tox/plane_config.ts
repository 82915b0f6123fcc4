import type { PortRange } from "../../base/port_range.ts";
import type { Target } from "../../base/target.ts";
import type { ToxPlace } from "../../core/tox/node_list.ts";
import type { ToxProxyAddress } from "../../core/tox/proxy_variable.ts";
import type { TunnelRule } from "../../core/tuntox/rules.ts";
import type { ClientForwards, StreamRules } from "../forward/plane_config.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";

/** An end of `ttun tox`; it crosses to the data plane's Worker. */
export interface ToxConfig extends CommonConfig {
  readonly kind: "tox";
  readonly io: "ffi" | "deno";
  readonly node: ToxNodeConfig;
  /** Null = there is none. */
  readonly secret: string | null;
  /** Keys of links between two ends of ttun, on top of Tox's own. */
  readonly link: WireChoice;
  readonly end: ToxServerEnd | ToxClientEnd;
}

export interface ToxNodeConfig {
  /** Path of the running program (ffi/tox/toxcore.ts). */
  readonly program: string;
  /** The identity; null = a new one. */
  readonly savedata: Uint8Array<ArrayBuffer> | null;
  readonly udpPorts: PortRange | undefined;
  readonly relayPort: number | undefined;
  readonly proxy: ToxProxyAddress | undefined;
  readonly nodes: readonly ToxPlace[];
}

export interface ToxServerEnd {
  readonly role: "server";
  /** Public keys of those that may come; empty = anybody. */
  readonly whitelist: readonly Uint8Array[];
  readonly streams: StreamRules;
  /** Targets that there are; null = all that the rules let. */
  readonly tunnels: readonly TunnelRule[] | null;
}

export interface ToxClientEnd {
  readonly role: "client";
  readonly address: Uint8Array<ArrayBuffer>;
  readonly forwards: ClientForwards;
  /** Target of standard input and output. */
  readonly stdio: Target | undefined;
  /** Pings that are sent, and nothing else; 0 = none. */
  readonly pings: number;
  readonly deadlineMs: number;
}

export interface ToxStart {
  /** The secret of links (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
}

export interface ToxFacts {
  /** The Tox ID. */
  readonly address: Uint8Array;
  /** The identity, to be kept. */
  readonly savedata: Uint8Array<ArrayBuffer>;
}
