import { TtunError } from "../../base/errors.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { parseDeviceName } from "../tun/option_values.ts";
import { ADDRESS_OPTION, DEVICE_OPTIONS } from "../tun/options.ts";

const name = {
  names: ["name"],
  variable: null,
  group: "basic",
  kind: "string",
  metavar: "NAME",
  parse: parsePlainName,
  required: true,
  positional: true,
  help: "the device's name, as ttun0; --name may be left out right behind the command",
} as const;

/** Options of `ttun device remove`. */
export const DEVICE_REMOVE_OPTIONS = { name } as const satisfies OptionTable;

/** Options of `ttun device add`. */
export const DEVICE_ADD_OPTIONS = {
  name,
  user: {
    names: ["user"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "USER",
    required: true,
    help: "the user that may run ttun on it, and needs no other right for that",
  },
  address: { ...ADDRESS_OPTION, defaultText: "10.1.1.2/30 and fc11::2/126, as of a client" },
  peerAddress: DEVICE_OPTIONS.peerAddress,
  route: DEVICE_OPTIONS.route,
  mtu: DEVICE_OPTIONS.mtu,
} as const satisfies OptionTable;

export type DeviceRemoveFlags = Values<typeof DEVICE_REMOVE_OPTIONS>;
export type DeviceAddFlags = Values<typeof DEVICE_ADD_OPTIONS>;

/** The kernel would replace a pattern by a number. @throws {TtunError} usage */
function parsePlainName(text: string): string {
  const parsed = parseDeviceName(text);
  if (!parsed.includes("%")) return parsed;
  throw new TtunError("usage", `Cannot name a device ${JSON.stringify(text)}: leave out the %`);
}
