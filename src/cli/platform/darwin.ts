import { changeDarwinAddresses, configureDarwin } from "../../io/netcfg/darwin.ts";
import { openDarwinDevice } from "../../io/tun/darwin.ts";
import type { Machine } from "./platform.ts";
import { openOnDeno } from "./deno.ts";

/** macOS: a utun device, set up by ifconfig and route. */
export function openDarwin(): Machine {
  return openOnDeno({
    openDevice: ({ device, mtu }, signal) => openDarwinDevice({ name: device, mtu, signal }),
    configure: (device, config) => configureDarwin(device, config),
    changeAddresses: (device, o) => changeDarwinAddresses(device, o),
  });
}
