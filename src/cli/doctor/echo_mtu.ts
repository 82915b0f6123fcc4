import type { Libc } from "../../../ffi/linux/libc.ts";
import { checksumOf } from "../../core/ip/checksum.ts";
import { type PathMtu, PathMtuSearch } from "../../core/net/path_mtu_search.ts";
import { type EchoOptions, EchoPath } from "../../io/net/echo_path.ts";

/** Bytes of the first packets, which any path carries, and of the longest one. */
const LEAST = 128;
const MOST = 65_535;

/** Milliseconds for the first answer, and at least for one of the others. */
const FIRST_MS = 700;
const LEAST_MS = 200;

/** `silent`: the host does not answer. `forbidden`: this user may not send ICMP. */
export type EchoResult = PathMtu | "silent" | "forbidden";

/**
 * Finds the longest packet to `host`, an address, that is answered when it may not be fragmented.
 * `device`: what the packets go by; absent = as the routes say.
 * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, …; the reason of `signal`
 */
export async function findEchoMtu(
  libc: Libc,
  host: string,
  o: Pick<EchoOptions, "signal" | "device">,
): Promise<EchoResult> {
  using path = EchoPath.open(libc, host, { ...o, checksum: checksumOf });
  if (path === null) return "forbidden";
  const began = performance.now();
  if (await path.send(LEAST, FIRST_MS) !== "passed") return "silent";
  const patience = Math.max(LEAST_MS, 3 * (performance.now() - began));
  const search = new PathMtuSearch(LEAST, MOST);
  for (let bytes = search.next(); bytes !== null; bytes = search.next()) {
    const found = await path.send(bytes, patience);
    if (found === "passed") search.passed(bytes);
    else if (found === "lost") search.lost(bytes);
    else search.refused(bytes, found.mtu);
  }
  return search.result;
}
