import { TtunError } from "../../base/errors.ts";

/** One permission of Deno, and what ttun does with it, as in "open the TUN device". */
export interface Need {
  readonly permission: Deno.PermissionDescriptor;
  readonly purpose: string;
}

/** Whether Deno allows this now. Unlike its use, this question never makes Deno ask the user. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/**
 * Checks permissions before anything is opened, so that the first missing one ends ttun with a
 * sentence and not with Deno's question in the middle of a set-up.
 *
 * @param preset the permission set of deno.json that the message recommends, where one fits
 * @throws {TtunError} privilege, naming the flag for the first need that is not granted
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

/** The command line flag that grants a permission: `--allow-read=/etc/key`. */
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
 * Gives up whole permissions for the rest of the process, all but those in `keep`. What was given
 * up is "prompt" from then on: code must ask `isGranted` before it uses one, or Deno asks the user
 * on a terminal.
 */
export function revokePermissions(keep: readonly Revocable[]): void {
  for (const name of REVOCABLE) {
    if (!keep.includes(name)) Deno.permissions.revokeSync({ name });
  }
}
