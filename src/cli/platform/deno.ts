import { TtunError } from "../../base/errors.ts";
import { polledPaths } from "../../io/netcfg/polled_paths.ts";
import type { Platform } from "./platform.ts";
import { openDenoSockets } from "./sockets_deno.ts";

/** `device` opens and configures the TUN device in the system's own way. */
export function openOnDeno(
  device: Pick<Platform, "openDevice" | "configure" | "changeAddresses">,
): Platform {
  const refuse = (option: string) => {
    throw new TtunError("usage", `Cannot use ${option}: it is for Linux only`);
  };
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
    check: ({ congestion, io }) => {
      if (congestion !== undefined) refuse("--congestion");
      if (io === "ffi") refuse("--io ffi");
    },
  };
}
