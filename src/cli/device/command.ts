import { formatCidr, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { TUN_PATH } from "../../../ffi/linux/tun.ts";
import { lookUpUser } from "../../../ffi/linux/user.ts";
import { addDevice, madeDevices, removeDevice } from "../../io/tun/made_devices.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { TUNING } from "../platform/linux.ts";
import { DEFAULT_ADDRESSES } from "../tun/default_addresses.ts";
import type { DeviceAddFlags, DeviceRemoveFlags } from "./options.ts";

/** Bits of a file's mode by which all may read and write it. */
const FOR_ALL = 0o006;

/** Makes a device that a user may run ttun on. @throws {TtunError} privilege, usage, in_use, system */
export async function runDeviceAdd(
  { name, user: userName, address = [], peerAddress = [], route = [], mtu }: DeviceAddFlags,
  { signal }: RunContext,
): Promise<number> {
  using libc = openHere();
  const user = lookUpUser(libc, userName);
  if (user === null) {
    throw new TtunError(
      "usage",
      `Cannot make a device for the user ${JSON.stringify(userName)}: there is none of that name`,
    );
  }
  const isAsked = address.length > 0;
  const addresses = isAsked ? [...address] : DEFAULT_ADDRESSES.client.map(parseCidr);
  const warnings = addDevice(libc, name, {
    user,
    config: {
      mtu,
      addresses,
      addressesExplicit: isAsked,
      peers: [...peerAddress],
      routes: [...route],
      tuning: TUNING,
    },
  });
  const said = `${name} is there for ${user.name}, until it is removed or this machine boots; ` +
    `as ${user.name} run: ttun client --device ${name} ...\n`;
  await print(
    [said, ...warnings.map((words) => `${words}\n`), hintFor(user.name)].join(""),
    signal,
  );
  return 0;
}

/** Removes a device that `ttun device add` has made. @throws {TtunError} usage, privilege, in_use */
export async function runDeviceRemove(
  { name }: DeviceRemoveFlags,
  { signal }: RunContext,
): Promise<number> {
  using libc = openHere();
  removeDevice(libc, name);
  await print(`${name} is gone\n`, signal);
  return 0;
}

/** Prints the devices that `ttun device add` has made, one a line, with tabs. */
export async function runDeviceList(_: object, { signal }: RunContext): Promise<number> {
  using libc = openHere();
  const lines = madeDevices(libc).map(({ name, user, mtu, addresses, inUse }) =>
    [name, user, inUse ? "in use" : "free", mtu, addresses.map(formatCidr).join(",")].join("\t")
  );
  await print(lines.map((line) => `${line}\n`).join(""), signal);
  return 0;
}

/** @throws {TtunError} system */
function openHere(): Libc {
  if (Deno.build.os === "linux") return openLibc();
  throw new TtunError(
    "system",
    "Cannot look after devices that stay: this system has none; ttun device is for Linux",
  );
}

/** Says what else an administrator has to do where the driver's file is for root alone. */
function hintFor(user: string): string {
  const { mode } = Deno.statSync(TUN_PATH);
  return mode === null || (mode & FOR_ALL) === FOR_ALL
    ? ""
    : `${TUN_PATH} may be closed to ${user} by its mode; to open it, run: sudo chmod 666 ${TUN_PATH}\n`;
}
