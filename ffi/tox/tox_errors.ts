import { TtunError } from "../../src/base/errors.ts";
import type { ToxSettings } from "./tox_types.ts";

/** Tox_Err_New. */
export function newFailure(code: number, { udpPorts, proxy, relayPort }: ToxSettings): TtunError {
  const own = "Cannot start a Tox node";
  switch (code) {
    case 2:
      return new TtunError("exhausted", `${own}: there is not enough memory`);
    case 3: {
      const ports = [
        ...udpPorts === undefined ? [] : [`UDP ${udpPorts.first} to ${udpPorts.last}`],
        ...relayPort === undefined ? [] : [`TCP ${relayPort}`],
      ];
      const which = ports.length === 0 ? "" : ` (${ports.join(", ")})`;
      return new TtunError("in_use", `${own}: no port of those that it may have is free${which}`);
    }
    case 4:
    case 5:
    case 6:
      return new TtunError(
        "usage",
        `${own}: the proxy ${proxy?.host}:${proxy?.port} is not usable`,
      );
    case 7:
      return new TtunError("name", `${own}: the proxy's name ${proxy?.host} does not resolve`);
    case 8:
      return new TtunError("usage", `${own}: the identity is encrypted, which ttun cannot read`);
    case 9:
      return new TtunError("usage", `${own}: the identity is damaged, or no file of Tox`);
    default:
      return new TtunError("system", `${own}: libtoxcore reports error ${code}`);
  }
}

/** Tox_Err_Friend_Add. */
export function friendFailure(code: number): TtunError {
  const words = "Cannot add the Tox friend";
  switch (code) {
    case 2:
      return new TtunError("usage", `${words}: the secret is too long for a friend request`);
    case 1: // empty memory has no address
    case 3:
      return new TtunError("usage", `${words}: a friend request has to have a message`);
    case 4:
      return new TtunError("usage", `${words}: the Tox ID is this end's own`);
    case 6:
      return new TtunError(
        "usage",
        `${words}: the Tox ID has a mistake in it, as its checksum says`,
      );
    case 8:
      return new TtunError("exhausted", `${words}: there is not enough memory`);
    default:
      return new TtunError("system", `${words}: libtoxcore reports error ${code}`);
  }
}
