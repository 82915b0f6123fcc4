import { check } from "../native.ts";
import type { Libc } from "./libc.ts";

/** Constants of linux/capability.h and linux/prctl.h. */
export const CAP_NET_ADMIN = 12;
const CAPABILITY_VERSION_3 = 0x2008_0522;
export const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_IS_SET = 1n;
const PR_CAP_AMBIENT_RAISE = 2n;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4n;

/** Returns true if this thread may use it. */
export function hasCapability(libc: Libc, capability: number): boolean {
  const words = new Uint32Array(6);
  const bytes = new Uint8Array(words.buffer);
  check("capget", libc.capget(capabilityHeader(), bytes));
  return (words[3 * (capability >>> 5) + 1]! & (1 << (capability & 31))) !== 0;
}

/** Drops all capabilities of this thread but one, which it has. @throws {NativeError} */
export function keepCapability(libc: Libc, one: number): void {
  check("capset", libc.capset(capabilityHeader(), capabilitySet(one)));
}

/**
 * Lets programs that this thread starts have a capability of its own, until dispose. A thread whose
 * programs have it anyway is left as it is: root's, and that of a unit of systemd, whose filter of
 * system calls lets nobody change capabilities. So is one without it.
 */
export function passToPrograms(libc: Libc, capability: number): Disposable {
  const isPassed = libc.geteuid() === 0 ||
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, BigInt(capability)) === 1;
  if (isPassed || !hasCapability(libc, capability)) {
    return { [Symbol.dispose]: () => {} };
  }
  const words = capabilitySet(capability, { isInheritable: true });
  check("capset", libc.capset(capabilityHeader(), words));
  check("prctl", libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, BigInt(capability)));
  return {
    [Symbol.dispose]: () => void libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL),
  };
}

/** Of linux/auxvec.h: the real user at the start of the program. */
const AT_UID = 11n;

/**
 * Returns true if this thread may do what the user that has started it may not: by capabilities of
 * the program's file, or its set-user-ID bit. Those that a service manager gives a unit are ambient.
 */
export function exceedsItsUser(libc: Libc): boolean {
  if (libc.getauxval(AT_UID) === 0n) return false;
  const words = new Uint32Array(6);
  check("capget", libc.capget(capabilityHeader(), new Uint8Array(words.buffer)));
  for (let one = 0; one < 64; one++) {
    const isEffective = (words[3 * (one >>> 5)]! & (1 << (one & 31))) !== 0;
    if (isEffective && libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, BigInt(one)) !== 1) {
      return true;
    }
  }
  return false;
}

/** struct __user_cap_header_struct: u32 version, i32 pid (0 = this thread). */
function capabilityHeader(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([CAPABILITY_VERSION_3, 0]).buffer);
}

/** Two __user_cap_data_struct: u32 effective, permitted, inheritable, 32 capabilities each. */
function capabilitySet(
  one: number,
  { isInheritable } = { isInheritable: false },
): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(6);
  const at = 3 * (one >>> 5);
  words[at] = words[at + 1] = 1 << (one & 31);
  if (isInheritable) words[at + 2] = words[at]!;
  return new Uint8Array(words.buffer);
}
