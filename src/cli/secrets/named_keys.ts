import { type Cidr, networkOf, parseCidr, parseIp } from "../../base/addr.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { KeySource, ResolvedKey } from "./key_source.ts";

/** Each key has its own ports, up to a dozen at times. */
const MOST_KEYS = 256;

const NAME = /^[\p{L}\p{N}_.@-]{1,64}$/u;

export function isKeyName(text: string): boolean {
  return NAME.test(text);
}

const LINE_FEED = 0x0a;

const FILES: readonly KeySource[] = ["--key-file", "TTUN_KEY_FILE", "credential", "default file"];

/** Takes several lines of a file as named keys, all else as one key. @throws {TtunError} usage */
export function serverKeys(found: ResolvedKey): NamedKey[] {
  if (hasLines(found)) return parseNamedKeys(new TextDecoder().decode(found.key));
  return [{ name: "", password: found.key }];
}

/** Finds a line that remains of a file of named keys and would be another key than before. */
export function looksNamed({ key, source }: ResolvedKey): boolean {
  const text = new TextDecoder().decode(key);
  const colon = text.indexOf(":");
  const isPair = colon > 0 && colon < text.length - 1 && NAME.test(text.slice(0, colon));
  return isPair && FILES.includes(source) && !text.includes("\n");
}

/** @throws {TtunError} usage, for a file that only a server can use */
export function clientKey(found: ResolvedKey): Uint8Array {
  if (!hasLines(found)) return found.key;
  throw new TtunError(
    "usage",
    "Cannot use the key file at a client: it has more than one line, as a server's with named " +
      "keys; put the client's key alone into a file",
  );
}

function hasLines({ key, source }: ResolvedKey): boolean {
  return FILES.includes(source) && key.includes(LINE_FEED);
}

/**
 * Reads lines of `NAME:KEY [address=ADDRESS]… [network=CIDR]…`; the key may have blanks in it.
 * @throws {TtunError} usage, which repeats nothing of a key */
export function parseNamedKeys(text: string): NamedKey[] {
  const found: (KeySettings & { name: string; key: string; line: number })[] = [];
  text.split(/\r?\n/).forEach((marked, i) => {
    const line = marked.replace(/^\ufeff+/, ""); // joined files may each have a mark
    if (line.trim() === "" || line.trimStart().startsWith("#")) return;
    const refuse: (why: string) => never = (why) => {
      throw new TtunError("usage", `Cannot use line ${i + 1} of the key file: ${why}`);
    };
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const { key, ...settings } = readSettings(line.slice(colon + 1), refuse);
    if (colon < 0 || !NAME.test(name)) {
      refuse(
        "write NAME:KEY, the name of up to 64 letters, digits and _.@-; a key alone, without a " +
          "name, must be the file's only line",
      );
    }
    if (key === "") refuse("there is no key behind the name; ttun genkey makes one");
    if (key.trim() !== key) refuse("the key begins or ends with a blank");
    for (const other of found) {
      if (other.name === name) refuse(`line ${other.line} has the same name`);
      if (other.key === key) refuse(`line ${other.line} has the same key`);
    }
    if (found.length === MOST_KEYS) {
      refuse(`there are ${MOST_KEYS} keys before it, and no more can be`);
    }
    found.push({ name, key, ...settings, line: i + 1 });
  });
  if (found.length === 0) {
    throw new TtunError("usage", "Cannot use the key file: there is no key in it");
  }
  return found.map(({ name, key, addresses, networks }) => ({
    name,
    password: utf8(key),
    ...(addresses.length > 0 && { addresses }),
    ...(networks.length > 0 && { networks }),
  }));
}

interface KeySettings {
  readonly addresses: readonly Cidr[];
  readonly networks: readonly Cidr[];
}

/** A word behind a key that sets something; another word with an address in it is a slip. */
const SETTING = /^(.*?)[ \t]+([a-z-]+)=([0-9A-Fa-f:.]+(?:\/\d+)?)$/s;

/** Takes the settings behind a key away, from the last one on. */
function readSettings(text: string, refuse: (why: string) => never): KeySettings & { key: string } {
  const addresses: Cidr[] = [];
  const networks: Cidr[] = [];
  for (let rest = text;;) {
    const [, before, name, value] = SETTING.exec(rest.trimEnd()) ?? [];
    const cidr = value === undefined ? null : cidrOf(value);
    if (before === undefined || cidr === null) return { key: rest, addresses, networks };
    if (name === "address") addresses.unshift(cidr);
    else if (name === "network") networks.unshift(networkOf(cidr));
    else refuse(`there is no setting ${name}=, only address= and network=`);
    rest = before;
  }
}

/** Returns an address with all its bits where there is no prefix length; null if it is neither. */
function cidrOf(text: string): Cidr | null {
  const bytes = parseIp(text);
  if (bytes !== null) {
    return { family: bytes.length === 4 ? 4 : 6, bytes, prefix: 8 * bytes.length };
  }
  try {
    return parseCidr(text);
  } catch {
    return null; // then it is a part of the key
  }
}

/** Returns the keys of a file of named ones; undefined = there is one key, without a name. */
export function namedKeys(found: ResolvedKey): readonly NamedKey[] | undefined {
  const keys = serverKeys(found);
  return keys.length === 1 && keys[0]!.name === "" ? undefined : keys;
}
