import { TtunError } from "../../src/base/errors.ts";
import { check } from "../native.ts";
import type { Libc } from "./libc.ts";

/** struct passwd of glibc and musl, 64-bit: two pointers, then u32 uid, u32 gid */
const PW_UID = 16;
const PW_GID = 20;

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Returns null if there is none of that name. */
export function lookUpUser(libc: Pick<Libc, "getpwnam">, name: string): User | null {
  const entry = libc.getpwnam(name);
  if (entry === null) return null;
  const fields = new Deno.UnsafePointerView(entry);
  return { name, uid: fields.getUint32(PW_UID), gid: fields.getUint32(PW_GID) };
}

/** @throws {TtunError} `usage` if it does not exist, `privilege` if this process is not root */
export function findUser(libc: Pick<Libc, "getpwnam" | "geteuid">, name: string): User {
  const user = lookUpUser(libc, name);
  if (user === null) {
    throw new TtunError(
      "usage",
      `Cannot become the user ${JSON.stringify(name)}: there is none of that name`,
    );
  }
  if (libc.geteuid() !== 0) {
    throw new TtunError(
      "privilege",
      `Cannot become the user ${name}: only root can; run ttun with sudo`,
    );
  }
  return user;
}

/** Constants of linux/capability.h and linux/prctl.h. */
export const CAP_NET_ADMIN = 12;
const CAPABILITY_VERSION_3 = 0x2008_0522;
const PR_SET_KEEPCAPS = 8;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_IS_SET = 1n;
const PR_CAP_AMBIENT_RAISE = 2n;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;

/**
 * Switches for good: supplementary groups, and all group and user IDs, in every thread (by libc).
 * Capabilities are dropped; only this thread and threads that it starts retain `keep`, if it was
 * permitted, so this thread should start none. Returns true if `keep` was retained.
 * @throws {NativeError} EPERM if the process may not change its user
 */
export function becomeUser(
  libc: Libc,
  { name, uid, gid }: User,
  o: { keep?: number } = {},
): boolean {
  const keep = o.keep !== undefined && hasCapability(libc, o.keep) ? o.keep : null;
  check("initgroups", libc.initgroups(name, gid));
  check("setresgid", libc.setresgid(gid, gid, gid));
  if (keep === null) {
    check("setresuid", libc.setresuid(uid, uid, uid));
    return false;
  }
  check("prctl", libc.prctl(PR_SET_KEEPCAPS, 1n));
  try {
    check("setresuid", libc.setresuid(uid, uid, uid));
    check("capset", libc.capset(capabilityHeader(), capabilitySet(keep)));
  } finally {
    libc.prctl(PR_SET_KEEPCAPS, 0n);
  }
  return true;
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

/** Tells whether this thread may use it. */
export function hasCapability(libc: Libc, capability: number): boolean {
  const words = new Uint32Array(6);
  const bytes = new Uint8Array(words.buffer);
  check("capget", libc.capget(capabilityHeader(), bytes));
  return (words[3 * (capability >>> 5) + 1]! & (1 << (capability & 31))) !== 0;
}
