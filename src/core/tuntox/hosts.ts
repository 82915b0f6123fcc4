import { TtunError } from "../../base/errors.ts";

/** Hosts of a file: more are a mistake. */
const MOST_HOSTS = 10_000;

/** A server that has a name at this machine. */
export interface ToxHost {
  readonly name: string;
  /** The Tox ID as it stands there: whoever uses it checks it. */
  readonly id: string;
  /** Null = none. */
  readonly secret: string | null;
}

/**
 * Reads a file of hosts: each line has a name, a Tox ID, and the secret if there is one, with white
 * space between; a secret may have spaces in it. Lines that are empty or begin with `#` are passed
 * over. Of a name that stands twice the first counts. @throws {TtunError} usage; it tells no secret
 */
export function parseToxHosts(text: string): Map<string, ToxHost> {
  const hosts = new Map<string, ToxHost>();
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const line = whole.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, name, id, secret = null] = /^(\S+)\s+([0-9a-f]{76})(?:\s+(\S.*))?$/i.exec(line) ?? [];
    if (name === undefined || id === undefined) {
      throw new TtunError(
        "usage",
        `Cannot use line ${index + 1} of the file of Tox hosts: write a name, the Tox ID of 76 ` +
          "hexadecimal digits, and the secret if there is one",
      );
    }
    if (!hosts.has(name)) hosts.set(name, { name, id, secret });
    if (hosts.size > MOST_HOSTS) {
      throw new TtunError("usage", `Cannot use the file of Tox hosts: it has over ${MOST_HOSTS}`);
    }
  }
  return hosts;
}
