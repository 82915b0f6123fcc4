import { changeWindowsAddresses, configureWindows } from "../../io/netcfg/windows.ts";
import { openWindowsDevice } from "../../io/tun/windows.ts";
import type { Platform } from "./platform.ts";
import { openOnDeno } from "./deno.ts";

/** `wintun` is the path of the DLL. */
export function openWindows(wintun: string | undefined): Platform {
  return openOnDeno({
    openDevice: ({ device, mtu }, signal) =>
      openWindowsDevice({ name: device, mtu, signal, wintun }),
    configure: (device, config) => configureWindows(device, config),
    changeAddresses: (device, o) => changeWindowsAddresses(device, o),
  });
}
