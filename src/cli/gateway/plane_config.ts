import type { HostPort } from "../../base/addr.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import type { EntranceRules } from "../../core/gateway/entrance.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { PassthroughConfig } from "./passthrough.ts";

/** An agent that publishes services; it crosses to the data plane's Worker. */
export interface AgentConfig extends CommonConfig {
  readonly kind: "agent";
  readonly io: "ffi" | "deno";
  readonly folder: string;
  /** 32 secret bytes of the agent's key. */
  readonly seed: Uint8Array;
  /** In DER. */
  readonly certificate: Uint8Array;
  readonly apex: string;
  readonly at: HostPort;
  readonly authorities: readonly Uint8Array[];
  /** PEM file of the authorities that are trusted for gateways; null = the system's. */
  readonly ca: string | null;
  readonly tunnels: readonly TunnelConfig[];
  /** Others may take their place. */
  readonly mayChange: boolean;
  /** Loopback address of the page with the agent's requests; null = there is none. */
  readonly inspect: HostPort | null;
}

/** A service and its name. */
export interface TunnelConfig {
  readonly name: string;
  readonly target: PublishTarget;
  /** Of a folder: those without an index show their files. */
  readonly isListed: boolean;
  readonly rules: EntranceRules;
  /** Null = nodes end visitors' TLS. */
  readonly passthrough: PassthroughConfig | null;
}
