import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** Bytes of a unix socket's path: `sun_path` without its NUL (unix(7)); macOS has 4 less. */
const MOST_PATH = 107;

/**
 * Returns the one text of a unix socket's path, without empty segments and `.`, which lead nowhere
 * else. null = not absolute, too long, or with `..`, a NUL or a slash at the end. Links in it are
 * not followed: the path is what is compared, not the file.
 */
export function normalPath(path: string): string | null {
  if (!path.startsWith("/") || /\0|\/\.?$/.test(path)) return null;
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) return null;
  const normal = `/${segments.join("/")}`;
  return utf8(normal).length > MOST_PATH ? null : normal;
}

/** The rule's text begins with this. */
export const UNIX = "unix:";

/** Reads `unix:/PATH`. @throws {TtunError} usage */
export function parseSocketPath(rule: string): string {
  const path = normalPath(rule.slice(UNIX.length));
  if (path !== null) return path;
  throw new TtunError(
    "usage",
    `Cannot read ${JSON.stringify(rule)}: write a unix socket's path from the root on, without ` +
      `"..", at most ${MOST_PATH} bytes, as unix:/run/app/app.sock`,
  );
}
