import { isGranted } from "./permissions.ts";

/**
 * Users whose files this process may rely on: its own, the system's, and under sudo the user who
 * called it, who may run ttun as root anyway. Null where files have no such owners (Windows), or
 * Deno does not tell who we are (--allow-sys=uid).
 */
export function trustedOwners(): ReadonlySet<number> | null {
  if (Deno.build.os === "windows" || !isGranted({ name: "sys", kind: "uid" })) return null;
  const own = Deno.uid();
  if (own === null) return null;
  const trusted = new Set([own, 0]);
  const system = ownerOf("/");
  if (system !== null) trusted.add(system); // in a user namespace root's files have another number
  const caller = own === 0 ? sudoCaller() : null;
  if (caller !== null) trusted.add(caller);
  return trusted;
}

function ownerOf(path: string): number | null {
  if (!isGranted({ name: "read", path })) return null;
  return Deno.lstatSync(path).uid;
}

/** Only root's processes are told it by sudo; of others the variable may be anybody's invention. */
function sudoCaller(): number | null {
  const variable = "SUDO_UID";
  const text = isGranted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null;
}
