import { polledPaths } from "../../io/netcfg/polled_paths.ts";
import type { Platform } from "./platform.ts";
import { openDenoSockets } from "./sockets_deno.ts";

/** `device` opens and configures the TUN device in the system's own way. */
export function openOnDeno(
  device: Pick<Platform, "openDevice" | "configure" | "changeAddresses">,
): Platform {
  const sockets = openDenoSockets();
  return {
    ...device,
    ...sockets,
    // Changes by others show only when the tunnel stops carrying packets.
    keep: (name) => ({
      paths: polledPaths(sockets.clock, name),
      sessionBegins: () => {},
      warnOfDuplicates: () => {},
      conflictOf: () => null,
      changeAddresses: device.changeAddresses,
      [Symbol.dispose]: () => {},
    }),
  };
}
