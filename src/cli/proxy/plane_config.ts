import type { ProxyLimits } from "../../app/net/connection_limits.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { HostPort } from "../../base/addr.ts";
import type { Rule } from "../../core/acl/rule.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireSettings } from "./options.ts";

export interface ProxyConfig extends CommonConfig {
  readonly kind: "proxy";
  readonly end:
    | {
      readonly role: "server";
      /** Where the ports of the minute are opened; "" = all addresses. */
      readonly host: string;
      readonly keys: readonly NamedKey[];
      readonly allow: readonly Rule[];
      readonly deny: readonly Rule[];
    }
    | {
      readonly role: "client";
      /** The server's name or address, without a port. */
      readonly server: string;
      readonly password: Uint8Array;
      readonly listen: HostPort;
      /** Targets that are reached without the server (core/proxy/bypass_rules.ts). */
      readonly direct: readonly string[];
      readonly isEager: boolean;
      readonly auth: Credentials | null;
    };
  readonly io: "ffi" | "deno";
  readonly wire: WireSettings;
  /** Bytes of TCP segments between the two ends; undefined = the path's. */
  readonly segmentSize: number | undefined;
  /** Runs the data path on connections of its own at the start. */
  readonly warmUp: boolean;
  /** Between the two ends: `auto`, `system`, or the kernel's name of a congestion control. */
  readonly congestion: string;
  readonly limits: ProxyLimits;
}

/** User name and password in UTF-8. */
export interface Credentials {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

export interface ProxyFacts {
  /** The address of a client; of a server only the host, since its ports change. */
  readonly listen: string;
}
