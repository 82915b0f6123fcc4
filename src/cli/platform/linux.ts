import { DEVICE_QUEUE } from "../../contract/device.ts";
import { changeAddresses, configure } from "../../io/netcfg/linux.ts";
import { openDevice } from "../../io/tun/linux.ts";
import { LinuxKeeper } from "../tun/device_keeper.ts";
import type { Platform } from "./platform.ts";
import { openLinuxSockets } from "./sockets_linux.ts";

/**
 * Bytes that, with frame and tag, fit a GSO packet of the carrier's TCP with 45 segments: 64 260
 * bytes over IPv6, 65 160 over IPv4 with timestamps. A longer one would leave a few bytes for a
 * packet of their own and double the work.
 */
const GSO_MAX_SIZE = 64_000;

/** Settings of a device for speed alone. */
export const TUNING = { gsoMaxSize: GSO_MAX_SIZE, queueLength: DEVICE_QUEUE };

export function openLinux(io: "auto" | "ffi" | "deno"): Platform {
  const sockets = openLinuxSockets(io);
  const { libc, reactor } = sockets;
  return {
    ...sockets,
    openDevice: (config, signal) =>
      openDevice(reactor, {
        name: config.device,
        mtu: config.mtu,
        signal,
        offload: config.offload,
      }),
    configure: (device, config) => configure(libc, device, { ...config, tuning: TUNING }),
    keep: (device, config, log) => new LinuxKeeper(sockets, device, config, log),
    changeAddresses: (device, o) => changeAddresses(libc, device, o),
  };
}
