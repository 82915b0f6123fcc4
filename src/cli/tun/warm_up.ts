import { LONGEST_PACKET } from "../../app/link/accept.ts";
import { tunWarmUp } from "../../app/system/tun_warm_up.ts";
import { PeerRouter } from "../../app/tun/peer_router.ts";
import { PoolRouter } from "../../app/tun/pool_router.ts";
import { makeLogger } from "../../base/log.ts";
import type { Device } from "../../contract/device.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { openStreamPair } from "../../io/net/stream_pair.ts";
import { openSocketDevice } from "../../io/tun/socket_device.ts";
import { reactorToWarm, runWarmUp } from "../plane/warm_up.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import type { TunConfig } from "./plane_config.ts";
import type { Tools, TunnelWarmUp } from "./tunnel.ts";

/** Bytes of the keys of either version. */
const KEY_SIZE = 32;

/**
 * Runs the data path on packets of its own until V8 has optimized it: a user's first packets would
 * be interpreted otherwise. Nothing of it reaches a network, a counter or the log. Returns null
 * where it has no use. `like` is the real device.
 */
export function startWarmUp(config: TunConfig, tools: Tools, like: Device): TunnelWarmUp | null {
  const reactor = reactorToWarm(config.warmUp, tools.platform);
  if (reactor === null) return null;
  const { end, mssClamp } = config;
  const packets = { mssClamp, longest: LONGEST_PACKET };
  const quiet = makeLogger(() => {}, Date.now, "error");
  const peer = (device: Device) => new PeerRouter(device, reactor, packets);
  const pool = (device: Device) => new PoolRouter(device, reactor, { ...packets, log: quiet });
  let passed = () => 0;
  let seen = 0;
  const warmUp = tunWarmUp({
    clock: reactor,
    secrets: wireSecrets({ ...config, psk: rng(KEY_SIZE) }, tools.ciphers, rng(KEY_SIZE)),
    instance: rng(ID_SIZE),
    openDevice: (signal) => openSocketDevice(reactor, like, signal),
    openStreams: (signal) => openStreamPair(reactor, signal),
    clientRouter: peer,
    serverRouter: end.role === "server" && end.many !== undefined ? pool : peer,
    isBusy: () => seen !== (seen = passed()),
  });
  return { ...runWarmUp(warmUp, tools), watch: (count) => passed = count };
}
