import { LONGEST_PACKET } from "../../app/link/accept.ts";
import { TunWarmUp } from "../../app/system/tun_warm_up.ts";
import { PeerRouter } from "../../app/tun/peer_router.ts";
import { PoolRouter } from "../../app/tun/pool_router.ts";
import { makeLogger } from "../../base/log.ts";
import type { Device } from "../../contract/device.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { openStreamPair } from "../../io/net/stream_pair.ts";
import { openSocketDevice } from "../../io/tun/socket_device.ts";
import { rng } from "../platform/rng.ts";
import type { TunConfig } from "./plane_config.ts";
import { type RunningWarmUp, type Tools, wireSecrets } from "./tunnel.ts";

/** Bytes of the keys of either version. */
const KEY_SIZE = 32;

/**
 * Runs the data path on packets of its own until V8 has optimized it: a user's first packets would
 * be interpreted otherwise. Nothing of it reaches a network, a counter or the log. Returns null
 * where it has no use: without the reactor, and with --no-warm-up. `like` is the real device.
 */
export function startWarmUp(
  config: TunConfig,
  tools: Tools,
  like: Device,
): RunningWarmUp | null {
  const { platform: { reactor, clock }, ciphers, signal, log } = tools;
  if (!config.warmUp || reactor === null || reactor.mode !== "blocking") return null;
  const { mssClamp } = config;
  const packets = { mssClamp, longest: LONGEST_PACKET };
  const quiet = makeLogger(() => {}, Date.now, "error");
  const peer = (device: Device) => new PeerRouter(device, clock, packets);
  const { role } = config.end;
  const isPool = config.end.role === "server" && config.end.many !== undefined;
  let passed = () => 0;
  const warmUp = new TunWarmUp({
    clock,
    secrets: wireSecrets({ ...config, psk: rng(KEY_SIZE) }, ciphers, rng(KEY_SIZE)),
    instance: rng(ID_SIZE),
    openDevice: (signal) => openSocketDevice(reactor, like, signal),
    openStreams: (signal) => openStreamPair(reactor, signal),
    clientRouter: peer,
    serverRouter: isPool
      ? (device) => new PoolRouter(device, clock, { ...packets, log: quiet })
      : peer,
    activity: () => passed(),
  });
  if (navigator.hardwareConcurrency < 2) warmUp.calm(); // the main thread needs the only core
  const stop = new AbortController();
  const running = warmUp.run(AbortSignal.any([signal, stop.signal])).then(
    () => log.debug("warmed up", { role }),
    (error) => {
      if (!stop.signal.aborted && !signal.aborted) log.debug(`No warm-up: ${error}`);
    },
  );
  return {
    watch: (count) => passed = count,
    calm: () => warmUp.calm(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}
