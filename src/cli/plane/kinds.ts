import type { ProxyConfig } from "../proxy/plane_config.ts";
import type { TunConfig } from "../tun/plane_config.ts";
import type { PlaneHost } from "./messages.ts";

/** Config of each kind of data plane, by its `kind`. A config that is not here fits no Worker. */
export interface PlaneConfigs {
  tun: TunConfig;
  proxy: ProxyConfig;
}

/** Everything that a data plane must know to open what it needs. Crosses by structured clone. */
export type PlaneConfig = PlaneConfigs[keyof PlaneConfigs];

/** Module of one kind of data plane. */
export interface PlaneModule<Config extends PlaneConfig> {
  /** Runs until it is stopped. @throws the reason of `host.stop`, or the failure that ended it */
  run(config: Config, host: PlaneHost): Promise<void>;
}

/** Imports each kind of data plane, so that a Worker loads no other. */
export const PLANES: {
  readonly [K in keyof PlaneConfigs]: () => Promise<PlaneModule<PlaneConfigs[K]>>;
} = {
  tun: () => import("../tun/plane.ts"),
  proxy: () => import("../proxy/plane.ts"),
};
