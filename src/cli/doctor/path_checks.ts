import { formatAddr, formatIp, type HostPort, networkOf, parseCidr } from "../../base/addr.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import type { PathMtu } from "../../core/net/path_mtu_search.ts";
import type { StatusReport } from "../../core/status/report.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { type TcpPath, tryTcpPath } from "../../io/net/tcp_path.ts";
import { rng } from "../platform/rng.ts";
import { ask, findSockets } from "../status/query.ts";
import { findEchoMtu } from "./echo_mtu.ts";

const MEND_BLACK_HOLE =
  'let ICMP\'s "too big" through on the way (type 3 of ICMP, type 2 of ICMPv6); ttun finds a size ' +
  "that passes by itself, and --segment-size sets one";

/**
 * Finds the path MTU outside of the tunnel: by ICMP echo, where the server answers that, else by
 * what TCP knows after some full segments. The finding says which of both.
 */
export async function pathMtuCheck(
  libc: Libc,
  server: HostPort,
  signal: AbortSignal,
): Promise<Finding> {
  const check = "path-mtu";
  try {
    const found = await findEchoMtu(libc, server.host, { signal });
    if (typeof found !== "string") return echoFinding(check, server.host, found);
    const why = found === "silent"
      ? "the server answers no ICMP echo"
      : "this user may not send ICMP echo";
    return tcpFinding(check, server, await tryTcpPath(libc, server, rng, signal), why);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    return { check, level: "skip", says: `it cannot be found: ${error.message}` };
  }
}

function echoFinding(check: string, host: string, { bytes, isBlackHole }: PathMtu): Finding {
  const says = `packets of ${bytes} bytes pass to ${host}`;
  const how = "found by ICMP echo that may not be fragmented";
  if (!isBlackHole) return { check, level: "ok", says: `${says} (${how})` };
  return {
    check,
    level: "warn",
    says: `${says}, longer ones vanish without a word (${how})`,
    mend: MEND_BLACK_HOLE,
  };
}

function tcpFinding(check: string, to: HostPort, path: TcpPath, why: string): Finding {
  const { mtu, segmentBytes, sentBytes, arrivedBytes, retransmitted } = path;
  const how = `found by TCP itself, as ${why}`;
  const known = mtu === null ? "" : `TCP takes ${mtu} bytes for the path's MTU: `;
  const says = `${known}of ${sentBytes} bytes in segments of up to ${segmentBytes} ` +
    `${arrivedBytes === sentBytes ? "all" : arrivedBytes} came to ${formatAddr(to)}, ` +
    `${retransmitted} segments were sent again (${how})`;
  if (arrivedBytes === sentBytes && retransmitted < 2) return { check, level: "ok", says };
  return { check, level: "warn", says, mend: MEND_BLACK_HOLE };
}

/** Finds the path MTU through each tunnel that is up and tells this user its status. */
export async function* tunnelMtuChecks(libc: Libc, signal: AbortSignal): AsyncGenerator<Finding> {
  const check = "tunnel-mtu";
  for (const path of findSockets()) {
    const report = await ask(path, { request: "status", streams: false }, signal).catch(() => {
      signal.throwIfAborted();
      return null; // it does not answer, which ttun status tells
    });
    if (report?.device === undefined) continue;
    const { name, mtu } = report.device;
    const far = farAddress(report);
    if (far === null) {
      yield { check, level: "skip", says: `nobody to ask behind ${name}: no session is there` };
      continue;
    }
    try {
      const found = await findEchoMtu(libc, far, { signal, device: name });
      yield typeof found === "string"
        ? {
          check,
          level: "skip",
          says: `${far} behind ${name}, of MTU ${mtu}, answers no ICMP echo`,
        }
        : tunnelFinding(check, name, mtu, far, found);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      if (error.is("ENODEV")) continue; // it runs in another network namespace
      yield { check, level: "skip", says: `it cannot be found on ${name}: ${error.message}` };
    }
  }
}

function tunnelFinding(
  check: string,
  device: string,
  mtu: number,
  far: string,
  { bytes }: PathMtu,
): Finding {
  const says = `packets of ${bytes} bytes pass to ${far} by ${device}, whose MTU is ${mtu} ` +
    "(found by ICMP echo that may not be fragmented)";
  if (bytes >= mtu) return { check, level: "ok", says };
  return {
    check,
    level: "warn",
    says,
    mend: `give both ends --mtu ${bytes}, or mend what drops longer packets behind the tunnel`,
  };
}

/** Returns an address of the tunnel's other end; null if none is known. */
function farAddress({ server, device, sessions = [] }: StatusReport): string | null {
  if (sessions.length === 0) return null;
  if (server === undefined) {
    const given = sessions.find(({ addresses = [] }) => addresses.length > 0);
    return given?.addresses?.[0]?.split("/")[0] ?? null;
  }
  for (const text of device?.addresses ?? []) {
    const first = firstHost(text);
    if (first !== null) return first;
  }
  return null;
}

/** Returns the first address of the network, which a server has; null if it is the device's own. */
function firstHost(text: string): string | null {
  const own = parseCidr(text);
  const { bytes } = networkOf(own);
  const first = bytes.slice();
  first[first.length - 1]! |= 1;
  const host = formatIp(first);
  return host === formatIp(own.bytes) || own.prefix >= 8 * bytes.length - 1 ? null : host;
}
