import { type ErrorKind, TtunError } from "../../base/errors.ts";

const REASONS: Record<string, string> = {
  EEXIST: "that is a file",
  EISDIR: "it is a directory",
  ENOENT: "there is no such folder",
  ENOTDIR: "what it is to be in is no directory",
  EACCES: "no privilege for it",
  EPERM: "no privilege for it",
  EROFS: "that file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the user's share of the disk is full",
};

/** Words for what helps, other than another place. */
const REMEDIES: Record<string, (path: string) => string> = {
  ENOENT: (path) => `make it: mkdir -p ${folderOf(path)}`,
  EACCES: () => "run ttun with sudo, or name another file",
  EPERM: () => "run ttun with sudo, or name another file",
  ENOSPC: () => "make room, or name another file",
};

const KINDS: Record<string, ErrorKind> = {
  EISDIR: "usage",
  ENOENT: "usage",
  ENOTDIR: "usage",
  EACCES: "privilege",
  EPERM: "privilege",
};

/** Returns the reason for which a file cannot be written. */
export function fileReason(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  const code = codeOf(error);
  return REASONS[code] ?? `the operating system refuses it (${code})`;
}

/** The error for a file that cannot be written. `doing`: as "write". */
export function fileFailure(doing: string, path: string, error: unknown): TtunError {
  const code = codeOf(error);
  const remedy = REMEDIES[code]?.(path) ?? "name another file";
  const message = `Cannot ${doing} ${path}: ${fileReason(error)}; ${remedy}`;
  return new TtunError(KINDS[code] ?? "system", message, { cause: error });
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? (error as Error).name;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : path.slice(0, slash) || "/";
}
