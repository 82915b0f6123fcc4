import { isGranted } from "./permissions.ts";
import { readVariable } from "./variables.ts";

/**
 * Returns this user, the system, and under sudo the caller, who may run ttun as root anyway. Null
 * if files have no such owners (Windows) or without Deno's permission (--allow-sys=uid).
 */
export function trustedOwners(): ReadonlySet<number> | null {
  if (Deno.build.os === "windows" || !isGranted({ name: "sys", kind: "uid" })) return null;
  const own = Deno.uid();
  if (own === null) return null;
  const trusted = new Set([own, 0]);
  const system = ownerOf("/");
  if (system !== null) trusted.add(system); // root has another number in a user namespace
  const caller = own === 0 ? sudoCaller() : null;
  if (caller !== null) trusted.add(caller);
  return trusted;
}

/** True for root, of a user namespace too. False where Deno does not tell (--allow-sys=uid). */
export function isRoot(): boolean {
  return isGranted({ name: "sys", kind: "uid" }) && Deno.uid() === 0;
}

function ownerOf(path: string): number | null {
  if (!isGranted({ name: "read", path })) return null;
  return Deno.lstatSync(path).uid;
}

/** Reads the caller of sudo as root only, because anybody else could set the variable. */
function sudoCaller(): number | null {
  const text = readVariable("SUDO_UID");
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null;
}
