import { TtunError } from "../../base/errors.ts";

/** A permission and its purpose, as in "open the TUN device". */
export interface Need {
  readonly permission: Deno.PermissionDescriptor;
  readonly purpose: string;
}

/** Asks without a prompt, unlike an access. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/**
 * Checks before anything is opened, so that Deno does not prompt in the middle. `preset`: the
 * permission set of deno.json to recommend.
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

/** Needs of a data plane without a device. `purpose`: of the network, as "listen and connect". */
export function socketNeeds(io: "ffi" | "deno", purpose: string): Need[] {
  const native: Need = { permission: { name: "ffi" }, purpose: "use native sockets" };
  return [
    { permission: { name: "net" }, purpose },
    { permission: { name: "read" }, purpose: "start the data plane" },
    ...(io === "ffi" ? [native] : []),
  ];
}

/** Returns a flag such as `--allow-read=/etc/key`. */
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

/** Gives up all others for good: without `isGranted` before an access, Deno may prompt. */
export function revokePermissions(keep: readonly Revocable[]): void {
  for (const name of REVOCABLE) {
    if (!keep.includes(name)) Deno.permissions.revokeSync({ name });
  }
}
