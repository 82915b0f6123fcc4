/** Payload on the minutes' ports of a server, as tcpdump sees it. */
import assert from "node:assert/strict";
import type { PortRange } from "../../src/base/port_range.ts";
import { MINUTE_MS, minuteOf } from "../../src/core/hop/minute.ts";
import type { MinutePorts } from "../../src/core/hop/minute_ports.ts";
import { type Process, type Spawn, spawnHere } from "./proxy_pair.ts";

/** After a change a port may have payload for so long; before one the next port may. */
const AFTER_MS = 10_000;
const BEFORE_MS = 6_000;

/**
 * Bytes for handshakes on other ports: a client that gets no answer for 300 ms tries them too, and
 * stays if one of them is quicker, on the next minute's to the end of that.
 */
const HANDSHAKES = 20_000;

interface Payload {
  readonly unixMs: number;
  /** Port of the server. */
  readonly port: number;
  readonly size: number;
}

export interface HopCapture extends AsyncDisposable {
  /**
   * Checks that from 10 s after each change of the port no payload is on the old one. `clock` says
   * what time it is for the server. Returns how often the port changed within it.
   */
  check(ports: MinutePorts, o: { clock: (unixMs: number) => number; atLeast: number }): number;
}

/** Captures on loopback, unless another host's interface is given. */
export async function captureHops(
  { first, last }: PortRange,
  { spawn = spawnHere, ifname = "lo" }: { spawn?: Spawn; ifname?: string } = {},
): Promise<HopCapture> {
  const tcpdump = spawn("tcpdump", [
    ...["-i", ifname, "-n", "-p", "-tt", "-q", "-l", "-s", "96", "-B", "16384"],
    `tcp portrange ${first}-${last} and greater 100`,
  ]);
  await tcpdump.waitFor(/listening on/);
  return {
    check: (ports, { clock, atLeast }) => {
      const minutes = new Set<number>();
      let [bytes, strays] = [0, 0];
      for (const { unixMs, port, size } of payloads(tcpdump, ports.range)) {
        const at = clock(unixMs);
        const minute = minuteOf(at);
        const into = at % MINUTE_MS;
        minutes.add(minute);
        if (into < AFTER_MS || into > MINUTE_MS - BEFORE_MS) continue;
        if ([minute, minute + 1].some((one) => ports.at(one).port === port)) bytes += size;
        else strays += size;
      }
      assert.ok(strays < HANDSHAKES, `${strays} bytes on ports that had been left`);
      assert.ok(bytes > atLeast, `${bytes} bytes`);
      return [...minutes].slice(1).filter((m) => changesAt(ports, m)).length;
    },
    [Symbol.asyncDispose]: () => tcpdump[Symbol.asyncDispose](),
  };
}

/** True if a minute has another port than the one before. */
export function changesAt(ports: MinutePorts, minute: number): boolean {
  return ports.at(minute).port !== ports.at(minute - 1).port;
}

/** Packets to and from the server that carry something, in the words of `tcpdump -q`. */
function payloads(tcpdump: Process, { first, last }: PortRange): Payload[] {
  const line = /^(\d+\.\d+) IP \S+?\.(\d+) > \S+?\.(\d+): tcp (\d+)$/gm;
  return [...tcpdump.output.matchAll(line)].flatMap(([, time, from, to, size]) => {
    const port = [Number(from), Number(to)].find((port) => port >= first && port <= last)!;
    return Number(size) === 0 ? [] : [{ unixMs: Number(time) * 1000, port, size: Number(size) }];
  });
}
