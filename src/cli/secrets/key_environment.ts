import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted, requirePermissions } from "../platform/permissions.ts";
import { trustedOwners } from "../platform/owners.ts";
import { readVariable } from "../platform/variables.ts";
import type { Terminal } from "./prompt.ts";
import { standardError } from "../output/log_output.ts";

export interface KeyEnvironment {
  readonly env: {
    /** Returns undefined also if Deno does not permit a look. */
    get(name: string): string | undefined;
    /** Hides a variable from programs that ttun starts. */
    forget(name: string): void;
  };
  /** Opens a file that messages call `kind`; undefined if there is none. @throws {TtunError} */
  open(path: string, kind: string): Promise<KeyFile | undefined>;
  /**
   * Returns users that may own a file; null if files have no such owners. `name` is for the
   * message.
   * @throws {TtunError} privilege, if Deno does not permit to ask for this user
   */
  owners(name: string): ReadonlySet<number> | null;
  /** Asks for Deno's permission; the system's permissions show at `open`. */
  mayRead(path: string): boolean;
  /** Returns false also if it cannot be checked. */
  isFile(path: string): boolean;
  homeOf(user: string): string | undefined;
  readonly stdin: Pick<KeyFile, "read">;
  readonly terminal: Terminal;
}

export interface KeyFile extends Disposable {
  /** Describes the open file, which cannot be replaced between check and read. */
  info(): Promise<{ isDirectory: boolean; mode: number | null; owner: number | null }>;
  read(into: Uint8Array): Promise<number | null>;
}

/** Checks each permission first, so that Deno never prompts. */
export const denoKeyEnvironment: KeyEnvironment = {
  env: {
    get: readVariable,
    forget: (name) => Deno.env.delete(name),
  },
  open: openKeyFile,
  owners: ownersOf,
  mayRead: (path) => isGranted({ name: "read", path }),
  isFile,
  homeOf: (user) => homeIn(readPasswd(), user),
  stdin: Deno.stdin,
  terminal: {
    isTerminal: () => Deno.stdin.isTerminal() && Deno.stderr.isTerminal(),
    setRaw: (on) => Deno.stdin.setRaw(on),
    read: (into) => Deno.stdin.read(into),
    write: (text) => standardError.write(utf8(text)),
  },
};

function isFile(path: string): boolean {
  if (path === "" || path.includes("\0") || !isGranted({ name: "read", path })) return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // it is missing or cannot be inspected
  }
}

const PASSWD = "/etc/passwd";

function readPasswd(): string {
  if (Deno.build.os === "windows" || !isGranted({ name: "read", path: PASSWD })) return "";
  try {
    return Deno.readTextFileSync(PASSWD);
  } catch {
    return ""; // the user's own files are skipped then
  }
}

export function homeIn(passwd: string, user: string): string | undefined {
  const fields = passwd.split("\n").map((line) => line.split(":"))
    .find(([name]) => name === user);
  return fields?.[5]?.startsWith("/") === true ? fields[5] : undefined;
}

async function openKeyFile(path: string, kind: string): Promise<KeyFile | undefined> {
  const name = `${kind} ${JSON.stringify(path)}`;
  requirePermissions([{ permission: { name: "read", path }, purpose: `read ${name}` }]);
  try {
    const file = await Deno.open(path, { read: true });
    return {
      info: async () => {
        const { isDirectory, mode, uid } = await file.stat();
        // Windows protects files by access lists, and the mode says nothing about others.
        const isWindows = Deno.build.os === "windows";
        return { isDirectory, mode: isWindows ? null : mode, owner: isWindows ? null : uid };
      },
      read: (into) => file.read(into),
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw cannotOpen(name, error);
  }
}

function ownersOf(name: string): ReadonlySet<number> | null {
  if (Deno.build.os === "windows") return null;
  const permission = { name: "sys", kind: "uid" } as const;
  requirePermissions([{ permission, purpose: `tell whose ${name} is` }]);
  return trustedOwners();
}

function cannotOpen(name: string, error: unknown): TtunError {
  if (error instanceof Deno.errors.PermissionDenied) {
    return new TtunError("privilege", `Cannot read ${name}: the system does not allow it`, {
      cause: error,
    });
  }
  if (error instanceof Deno.errors.NotCapable) {
    // Deno wants all permissions for files under /proc and /dev.
    return new TtunError("privilege", `Cannot read ${name}: Deno allows it only with -A`, {
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new TtunError("usage", `Cannot read ${name}: ${reason}`, { cause: error });
}
