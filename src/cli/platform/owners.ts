import { isGranted } from "./permissions.ts";

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

function ownerOf(path: string): number | null {
  if (!isGranted({ name: "read", path })) return null;
  return Deno.lstatSync(path).uid;
}

/** Reads the caller of sudo as root only, because anybody else could set the variable. */
function sudoCaller(): number | null {
  const variable = "SUDO_UID";
  const text = isGranted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null;
}
