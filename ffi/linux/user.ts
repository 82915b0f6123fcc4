import { TtunError } from "../../src/base/errors.ts";
import { check } from "../native.ts";
import { hasCapability, keepCapability } from "./capabilities.ts";
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

/** Of linux/prctl.h. */
const PR_SET_KEEPCAPS = 8;

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
    keepCapability(libc, keep);
  } finally {
    libc.prctl(PR_SET_KEEPCAPS, 0n);
  }
  return true;
}
