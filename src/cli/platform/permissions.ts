import { TtunError } from "../../base/errors.ts";

/** A permission of Deno and its purpose, as in "open the TUN device". */
export interface Need {
  readonly permission: Deno.PermissionDescriptor;
  readonly purpose: string;
}

/** Returns true if Deno allows this now. Unlike an access, the query never prompts the user. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/**
 * Checks permissions before anything is opened, so that a missing one ends ttun with a sentence,
 * not with a prompt of Deno in the middle of the set-up. `preset`: the permission set of deno.json
 * that the message recommends.
 * @throws {TtunError} privilege, with the flag for the first one that is not granted
 */
export function requirePermissions(needs: readonly Need[], preset?: string): void {
  for (const { permission, purpose } of needs) {
    if (isGranted(permission)) continue;
    throw new TtunError(
      "privilege",
      `Cannot ${purpose}: Deno was started without ${flagOf(permission)}; ` +
        `run with -A or ${preset === undefined ? "add that flag" : `-P=${preset}`}`,
    );
  }
}

/** Returns the command line flag for a permission, such as `--allow-read=/etc/key`. */
export function flagOf(permission: Deno.PermissionDescriptor): string {
  const scope = scopeOf(permission);
  return `--allow-${permission.name}${scope === undefined ? "" : `=${scope}`}`;
}

function scopeOf(permission: Deno.PermissionDescriptor): string | URL | undefined {
  switch (permission.name) {
    case "env":
      return permission.variable;
    case "net":
      return permission.host;
    case "run":
      return permission.command;
    case "sys":
      return permission.kind;
    case "read":
    case "write":
    case "ffi":
      return permission.path;
    default:
      return undefined;
  }
}

const REVOCABLE = ["ffi", "net", "read", "write", "run", "env", "sys"] as const;

export type Revocable = typeof REVOCABLE[number];

/**
 * Gives up all permissions except those in `keep` for the rest of the process. They become
 * "prompt": code must check `isGranted` before an access, or Deno prompts on a terminal.
 */
export function revokePermissions(keep: readonly Revocable[]): void {
  for (const name of REVOCABLE) {
    if (!keep.includes(name)) Deno.permissions.revokeSync({ name });
  }
}
