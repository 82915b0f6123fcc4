import { cString, type Libc } from "./libc.ts";

/** struct passwd of glibc and musl on 64-bit Linux: two pointers, then u32 uid, u32 gid. */
const PW_UID = 16;
const PW_GID = 20;

/**
 * Becomes `name` for good: groups, group and user, real, effective and saved, in every thread
 * (libc tells them all). Capabilities go with root. Returns false when there is no such user.
 * @throws {NativeError} EPERM when the process may not change its user
 */
export function becomeUser(libc: Libc, name: string): boolean {
  const entry = libc.call.getpwnam(cString(name));
  if (entry === null) return false;
  const fields = new Deno.UnsafePointerView(entry);
  const uid = fields.getUint32(PW_UID);
  const gid = fields.getUint32(PW_GID);
  libc.check("initgroups", libc.call.initgroups(cString(name), gid));
  libc.check("setresgid", libc.call.setresgid(gid, gid, gid));
  libc.check("setresuid", libc.call.setresuid(uid, uid, uid));
  return true;
}
