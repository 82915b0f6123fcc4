import { TtunError } from "../../base/errors.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { linkKind } from "../../../ffi/linux/link_kind.ts";
import { TUN_PATH } from "../../../ffi/linux/tun.ts";
import { CAP_NET_ADMIN, hasCapability } from "../../../ffi/linux/capabilities.ts";
import type { NativeError } from "../../../ffi/native.ts";

/** Tells the commands that fix the failure of opening the device `name`. */
export function openError(
  error: NativeError,
  libc: Libc,
  { name }: { name: string | undefined },
): TtunError {
  const cause = { cause: error };
  const isOtherFile = error.is("ENOTTY", "EISDIR", "ENOTDIR", "ELOOP") ||
    (error.is("EINVAL") && name === undefined);
  if (isOtherFile) {
    return new TtunError(
      "system",
      `Cannot open a TUN device: ${TUN_PATH} is another file than the kernel's TUN driver (a ` +
        `character device with the numbers 10, 200); make it anew: sudo rm -r ${TUN_PATH} && ` +
        `sudo mknod -m 666 ${TUN_PATH} c 10 200`,
      cause,
    );
  }
  if (error.call === "open" && error.is("EPERM", "EACCES") && libc.geteuid() === 0) {
    return new TtunError(
      "privilege",
      `Cannot open ${TUN_PATH}, though this is root: the container or the file system does not ` +
        `allow devices; a container needs: --device ${TUN_PATH} --cap-add NET_ADMIN, ` +
        "a file system to be mounted without nodev",
      cause,
    );
  }
  if (error.call === "open" && error.is("ENOENT", "ENODEV", "ENXIO")) {
    return new TtunError(
      "system",
      `Cannot open ${TUN_PATH}: the kernel's TUN driver is not there; ` +
        `load it: sudo modprobe tun && sudo mkdir -p /dev/net && ` +
        `{ test -e ${TUN_PATH} || { sudo rm -f ${TUN_PATH} && sudo mknod ${TUN_PATH} c 10 200; }; } ` +
        `(a container needs: --device ${TUN_PATH} --cap-add NET_ADMIN)`,
      cause,
    );
  }
  if (error.is("EPERM", "EACCES")) {
    return new TtunError("privilege", notAllowed(error, libc, name), cause);
  }
  if (error.is("EBUSY", "E2BIG")) {
    return new TtunError(
      "in_use",
      `Cannot open the TUN device ${name}: another program has it; end that or choose another with --device`,
      cause,
    );
  }
  if (error.is("EINVAL")) {
    const kind = name === undefined ? undefined : linkKind(libc, name)?.kind;
    const what = kind === "tap"
      ? " (mode tap, which carries Ethernet frames; ttun needs mode tun)"
      : kind === undefined || kind === "tun"
      ? ""
      : ` (${kind})`;
    return new TtunError(
      "usage",
      `Cannot open ${name} as a TUN device: it is another kind of device${what}; ` +
        "choose another name with --device",
      cause,
    );
  }
  return new TtunError("system", `Cannot open a TUN device: ${error.message}`, cause);
}

/** Tells one cause and one fix; docs/install.md has the complete set-up without root. */
function notAllowed(error: NativeError, libc: Libc, name: string | undefined): string {
  if (libc.geteuid() === 0) {
    return "Cannot open a TUN device, though this is root: CAP_NET_ADMIN is missing; " +
      "a container needs --cap-add NET_ADMIN";
  }
  // A user without root may use a device that an administrator made; one with the capability, as a
  // unit of a service manager has it, lacks the file alone.
  const isThere = name !== undefined && linkKind(libc, name) !== null;
  if (error.call === "open" && (isThere || hasCapability(libc, CAP_NET_ADMIN))) {
    return `Cannot open ${TUN_PATH}: this user has no access to it; give it: ` +
      `sudo chmod 666 ${TUN_PATH}`;
  }
  const what = name === undefined
    ? "open a TUN device"
    : isThere
    ? `open ${name}, which is another user's device`
    : `make the device ${name}`;
  return `Cannot ${what}: it takes root or CAP_NET_ADMIN; run ttun with sudo`;
}
