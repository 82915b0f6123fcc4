import { formatAddr } from "../../base/addr.ts";
import type { PortRange } from "../../base/port_range.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { minuteOf } from "../../core/hop/minute.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import { formatPortRange } from "../../core/hop/port_range.ts";
import { rng } from "../platform/rng.ts";
import { connectTo, isTimeout, reasonOf } from "./connect.ts";

/** Ports of the range that are tried. */
const SAMPLE = 8;

/**
 * Tries some ports of a range. Of a machine that no firewall shields each answers, as almost all of
 * them refuse: where none answers, a firewall drops the range.
 */
export async function rangeCheck(
  host: string,
  range: PortRange,
  signal: AbortSignal,
): Promise<Finding> {
  const check = "server-range";
  const ports = samplePorts(range);
  const silent = (await Promise.all(ports.map((port) => isSilent(host, port, signal))))
    .filter((one) => one).length;
  signal.throwIfAborted();
  const says = `${ports.length - silent} of ${ports.length} ports of ${formatPortRange(range)} ` +
    `answered at ${host}`;
  if (silent === 0) return { check, level: "ok", says: `${says}: no firewall drops them` };
  return {
    check,
    level: silent === ports.length ? "fail" : "warn",
    says: `${says}: a firewall drops ${silent === ports.length ? "the range" : "the others"}`,
    mend: `let TCP in on all ports of ${formatPortRange(range)}, at the server and at every ` +
      "firewall on the way",
  };
}

/** Connects to the port of this minute, which follows from the key. */
export async function minutePortCheck(
  host: string,
  range: PortRange,
  key: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly finding: Finding; readonly port: number }> {
  using minutes = new MinutePorts(key, range);
  const { port } = minutes.at(minuteOf(Date.now()));
  const check = "server-port";
  const where = formatAddr({ host, port });
  try {
    using _connection = await connectTo({ host, port }, signal);
    const says = `${where}, the port of this minute, accepts connections`;
    return { port, finding: { check, level: "ok", says } };
  } catch (error) {
    signal.throwIfAborted();
    return {
      port,
      finding: {
        check,
        level: "fail",
        says: `${where}, the port of this minute, does not accept a connection: ${reasonOf(error)}`,
        mend:
          "is the server running, with the same key and --range? Its clock may differ by a minute",
      },
    };
  }
}

async function isSilent(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  try {
    using _connection = await connectTo({ host, port }, signal);
    return false;
  } catch (error) {
    return isTimeout(error);
  }
}

/** Returns different ports, one of each equal part of the range. */
function samplePorts({ first, last }: PortRange): number[] {
  const size = last - first + 1;
  const count = Math.min(SAMPLE, size);
  return Array.from(rng(count), (byte, i) => {
    const [from, end] = [i, i + 1].map((part) => first + Math.floor(part * size / count));
    return from! + Math.floor(byte * (end! - from!) / 256);
  });
}
