import { readAddress } from "./host_name.ts";

/** Most addresses of one name: a list of a whole net's machines is of no use to anybody. */
const MOST_ADDRESSES = 64;

/** Addresses by name in lower case; all lines of a name count. */
export type Hosts = ReadonlyMap<string, readonly string[]>;

/** Reads /etc/hosts; null = there is none. Lines that cannot be read are skipped. */
export function parseHosts(text: string | null): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of lines(text ?? "")) {
    const comment = line.indexOf("#");
    const words = (comment < 0 ? line : line.slice(0, comment)).split(/[ \t\r]+/);
    const first = words[0] === "" ? 1 : 0;
    const address = readAddress(words[first] ?? "");
    if (address === null) continue;
    for (let i = first + 1; i < words.length; i++) {
      const name = words[i]!.toLowerCase().replace(/\.$/, "");
      if (name === "") continue;
      const known = hosts.get(name);
      if (known === undefined) hosts.set(name, [address]);
      else if (known.length < MOST_ADDRESSES && !known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** Yields line by line: an array of all of a large file's lines would hold it twice. */
function* lines(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    yield text.slice(at, end < 0 ? text.length : end);
    if (end < 0) return;
    at = end + 1;
  }
}
