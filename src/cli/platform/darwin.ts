import { changeDarwinAddresses, configureDarwin } from "../../io/netcfg/darwin.ts";
import { openDarwinDevice } from "../../io/tun/darwin.ts";
import type { Platform } from "./platform.ts";
import { openOnDeno } from "./deno.ts";

export function openDarwin(): Platform {
  return openOnDeno({
    openDevice: ({ device, mtu }, signal) => openDarwinDevice({ name: device, mtu, signal }),
    configure: (device, config) => configureDarwin(device, config),
    changeAddresses: (device, o) => changeDarwinAddresses(device, o),
  });
}
