import { TtunError } from "../src/base/errors.ts";
import { cString, type Libc } from "./libc.ts";

/** struct passwd of glibc and musl on 64-bit Linux: two pointers, then u32 uid, u32 gid. */
const PW_UID = 16;
const PW_GID = 20;

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** @throws {TtunError} usage when there is no such user; privilege when we cannot become it */
export function findUser(libc: Libc, name: string): User {
  const entry = libc.call.getpwnam(cString(name));
  if (entry === null) {
    throw new TtunError(
      "usage",
      `Cannot become the user ${JSON.stringify(name)}: there is none of that name`,
    );
  }
  const fields = new Deno.UnsafePointerView(entry);
  const user = { name, uid: fields.getUint32(PW_UID), gid: fields.getUint32(PW_GID) };
  if (libc.call.geteuid() !== 0) {
    throw new TtunError(
      "privilege",
      `Cannot become the user ${name}: only root can; run ttun with sudo`,
    );
  }
  return user;
}

/**
 * Becomes that user for good: groups, group and user, real, effective and saved, in every thread
 * (libc tells them all). Capabilities go with root.
 * @throws {NativeError} EPERM when the process may not change its user
 */
export function becomeUser(libc: Libc, { name, uid, gid }: User): void {
  libc.check("initgroups", libc.call.initgroups(cString(name), gid));
  libc.check("setresgid", libc.call.setresgid(gid, gid, gid));
  libc.check("setresuid", libc.call.setresuid(uid, uid, uid));
}
