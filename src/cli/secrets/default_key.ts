import { TtunError } from "../../base/errors.ts";
import type { KeyEnvironment, KeyFile } from "./key_environment.ts";
import { KEY, readOpenFile } from "./secret_file.ts";

const UNDER_CONFIG = "ttun/key";

const OF_THE_MACHINE = "/etc/ttun/key";

/** Returns it in a shell's notation, for messages. */
export function usualKeyFile(host: Pick<KeyEnvironment, "env">): string {
  const [first] = defaultKeyFiles({ env: host.env, homeOf: () => undefined });
  if (first === OF_THE_MACHINE) return first;
  return isAbsolute(host.env.get("XDG_CONFIG_HOME"))
    ? `"$XDG_CONFIG_HOME"/${UNDER_CONFIG}`
    : `~/.config/${UNDER_CONFIG}`;
}

export type DefaultKey =
  | { readonly key: Uint8Array; readonly path: string }
  | {
    readonly key: null; /** Files that are there but may not be read. */
    readonly closed: string[];
  };

/** Lists the user's (XDG Base Directory), under sudo the caller's, and that of /etc. */
export function defaultKeyFiles(host: Pick<KeyEnvironment, "env" | "homeOf">): string[] {
  const { env } = host;
  const found: string[] = [];
  const config = env.get("XDG_CONFIG_HOME");
  const home = env.get("HOME");
  // The specification wants relative paths to be ignored.
  if (isAbsolute(config)) found.push(`${config}/${UNDER_CONFIG}`);
  else if (home !== undefined && home !== "") found.push(`${home}/.config/${UNDER_CONFIG}`);
  const caller = env.get("SUDO_USER");
  const theirs = caller === undefined || caller === "" ? undefined : host.homeOf(caller);
  if (theirs !== undefined) found.push(`${theirs}/.config/${UNDER_CONFIG}`);
  return [...new Set([...found, OF_THE_MACHINE])];
}

/** Skips files of other users; an unusable one is an error. @throws {TtunError} usage */
export async function readDefaultKey(host: KeyEnvironment): Promise<DefaultKey> {
  const closed: string[] = [];
  for (const path of defaultKeyFiles(host)) {
    if (!host.mayRead(path)) continue;
    const found = await openOrClosed(path, host);
    if (found === "closed") {
      closed.push(path);
      continue;
    }
    using file = found;
    if (file !== undefined) return { key: await readOpenFile(file, path, KEY, host), path };
  }
  return { key: null, closed };
}

async function openOrClosed(
  path: string,
  host: KeyEnvironment,
): Promise<KeyFile | "closed" | undefined> {
  try {
    return await host.open(path, KEY.file);
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "privilege") throw error;
    return "closed";
  }
}

function isAbsolute(path: string | undefined): boolean {
  return path?.startsWith("/") === true;
}
