import type { AgentConfig } from "../gateway/plane_config.ts";
import type { ForwardConfig } from "../forward/plane_config.ts";
import type { MeasureConfig } from "../measure/plane_config.ts";
import type { MeshConfig } from "../mesh/plane_config.ts";
import type { PeerConfig } from "../peer/plane_config.ts";
import type { ProxyConfig } from "../proxy/plane_config.ts";
import type { ToxConfig } from "../tox/plane_config.ts";
import type { TransferConfig } from "../transfer/plane_config.ts";
import type { TunConfig } from "../tun/plane_config.ts";
import type { PlaneHost } from "./messages.ts";

/** Configs by their `kind`. A config that is not here fits no Worker. */
export interface PlaneConfigs {
  tun: TunConfig;
  proxy: ProxyConfig;
  forward: ForwardConfig;
  measure: MeasureConfig;
  peer: PeerConfig;
  transfer: TransferConfig;
  tox: ToxConfig;
  mesh: MeshConfig;
  agent: AgentConfig;
}

export type PlaneConfig = PlaneConfigs[keyof PlaneConfigs];

export interface PlaneModule<Config extends PlaneConfig> {
  /** @throws the reason of `host.stop`, or the failure that ended it */
  run(config: Config, host: PlaneHost): Promise<void>;
}

/** Modules are imported one by one, so that a Worker loads no other. */
export const PLANES: {
  readonly [K in keyof PlaneConfigs]: () => Promise<PlaneModule<PlaneConfigs[K]>>;
} = {
  tun: () => import("../tun/plane.ts"),
  proxy: () => import("../proxy/plane.ts"),
  forward: () => import("../forward/plane.ts"),
  measure: () => import("../measure/plane.ts"),
  peer: () => import("../peer/plane.ts"),
  transfer: () => import("../transfer/plane.ts"),
  tox: () => import("../tox/plane.ts"),
  mesh: () => import("../mesh/plane.ts"),
  agent: () => import("../gateway/plane.ts"),
};
