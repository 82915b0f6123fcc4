import type { Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { linkKind } from "../../../ffi/linux/link_kind.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import type { TunLink } from "../../../ffi/linux/netlink_tun.ts";
import { makePersistent, removePersistent } from "../../../ffi/linux/tun.ts";
import type { User } from "../../../ffi/linux/user.ts";
import { NativeError } from "../../../ffi/native.ts";
import { configure, type NetworkConfig } from "../netcfg/linux.ts";
import { openError } from "./linux_errors.ts";

/** The kernel keeps these words with the device; root alone can give them to one. */
const MARK = "made by ttun device add for ";

/** A device that ttun has made for a user, and that stays. */
export interface MadeDevice {
  readonly name: string;
  readonly user: string;
  readonly mtu: number;
  /** Without those that the kernel has given it (fe80::). */
  readonly addresses: readonly Cidr[];
  /** A program has it open. */
  readonly inUse: boolean;
}

/**
 * Makes a device for a user, or gives one that ttun has made for the same user what it lacks. What
 * fails half way leaves no new device behind. Returns warnings, about IPv6 where that is off.
 * @throws {TtunError} privilege, in_use, usage, system
 */
export function addDevice(
  libc: Libc,
  name: string,
  o: { readonly user: User; readonly config: NetworkConfig },
): readonly string[] {
  const { user, config } = o;
  const there = madeDevices(libc).find((device) => device.name === name);
  if (there?.user === user.name) return configure(libc, name, config).warnings;
  const kind = linkKind(libc, name);
  if (there !== undefined || kind !== null) {
    const whose = there === undefined
      ? "there is one of that name, which ttun has not made"
      : `ttun has made it for ${there.user}`;
    throw new TtunError("in_use", `Cannot make the device ${name}: ${whose}; choose another name`);
  }
  withOpenError(libc, name, () => makePersistent(libc, name, user.uid));
  try {
    using netlink = new Netlink(libc);
    netlink.setLink(netlink.link(name).index, { alias: `${MARK}${user.name}` });
    return configure(libc, name, config).warnings;
  } catch (error) {
    removePersistent(libc, name);
    throw error;
  }
}

/** @throws {TtunError} usage (it is not one that ttun has made), in_use, privilege */
export function removeDevice(libc: Libc, name: string): void {
  const isMade = madeDevices(libc).some((device) => device.name === name);
  if (!isMade) {
    const why = linkKind(libc, name) === null
      ? "there is none of that name"
      : "ttun device add has not made it, and ttun leaves it alone";
    throw new TtunError(
      "usage",
      `Cannot remove the device ${name}: ${why}; ttun device list tells those that it has made`,
    );
  }
  withOpenError(libc, name, () => removePersistent(libc, name));
}

export function madeDevices(libc: Libc): MadeDevice[] {
  using netlink = new Netlink(libc);
  return netlink.tunLinks().filter(isMarked).map(({ index, name, mtu, carrier, alias }) => ({
    name,
    user: alias.slice(MARK.length),
    mtu,
    addresses: netlink.addresses(index).map(({ local }) => local).filter((it) => !isLinkLocal(it)),
    inUse: carrier,
  }));
}

function isMarked({ alias, owner }: TunLink): boolean {
  return alias.startsWith(MARK) && owner !== null;
}

/** Those of fe80::/10. */
function isLinkLocal({ family, bytes }: Cidr): boolean {
  return family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}

function withOpenError(libc: Libc, name: string, run: () => void): void {
  try {
    run();
  } catch (thrown) {
    throw thrown instanceof NativeError ? openError(thrown, libc, { name }) : thrown;
  }
}
