import { parseIp } from "../../../base/addr.ts";
import { toHex } from "../../../base/bytes.ts";
import { withoutZone } from "../../../base/zone.ts";

/** Milliseconds in which answers are counted, and how many a network gets in them. */
const WINDOW_MS = 1_000;
const MOST_ANSWERS = 100;

/** Networks that are counted at once; any other is taken for one that had its answers. */
const MOST_NETWORKS = 10_000;

/**
 * Limits answers over UDP by network (an IPv4 /24, an IPv6 /56), whose address anybody may have forged
 * to flood it. Above, every second question is told to come again over TCP, so that a resolver there
 * gets through, and the others get nothing.
 */
export class ResponseRate {
  readonly #counts = new Map<string, number>();
  #since = -Infinity;
  #over = 0;

  /** `nowMs`: of a monotonic clock. */
  allow(host: string, nowMs: number): "answer" | "truncate" | "drop" {
    if (nowMs - this.#since >= WINDOW_MS) {
      this.#counts.clear();
      this.#since = nowMs;
    }
    const network = networkOf(host);
    const count = this.#counts.get(network) ?? (this.#counts.size < MOST_NETWORKS ? 0 : Infinity);
    if (count < MOST_ANSWERS) {
      this.#counts.set(network, count + 1);
      return "answer";
    }
    return this.#over++ % 2 === 0 ? "truncate" : "drop";
  }
}

function networkOf(host: string): string {
  const ip = parseIp(withoutZone(host));
  if (ip === null) return host;
  return toHex(ip.subarray(0, ip.length === 4 ? 3 : 7));
}
