import { formatAddr, type HostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { resolveHost } from "../platform/resolve.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { addressOf, type Endpoint, hopOf } from "../transport/endpoint.ts";
import { clockCheck } from "./clock_check.ts";
import { connectTo, readWithin, reasonOf } from "./connect.ts";
import type { DoctorKey } from "./doctor_key.ts";
import { pathMtuCheck } from "./path_checks.ts";
import { minutePortCheck, rangeCheck } from "./range_checks.ts";

/** Milliseconds for a greeting, which no ttun server sends, and its bytes that are shown. */
const GREETING_MS = 700;
const GREETING_BYTES = 64;

/** Milliseconds that a name may take. */
const SLOW_NAME_MS = 1_000;

/** A server with TLS would take what asks for its clock for a stranger's. */
const THROUGH_TLS: Finding = {
  check: "server-clock",
  level: "skip",
  says: "a server with TLS is not asked for its time, nor for its certificate",
  mend: "try both ends: ttun ping -s tls://HOST --key-file FILE",
};

/** A port of UDP answers nobody but a client of its protocol. */
const THROUGH_QUIC: Finding = {
  check: "server-port",
  level: "skip",
  says: "a server with QUIC is not asked for anything",
  mend: "try both ends: ttun ping -s quic://HOST --key-file FILE",
};

const THROUGH_UDP: Finding = {
  ...THROUGH_QUIC,
  says: "a server over UDP is not asked for anything",
  mend: "try both ends: ttun client -v --once -s udp://HOST --key-file FILE",
};

export interface ServerTools {
  readonly libc: Libc;
  readonly found: DoctorKey;
  readonly signal: AbortSignal;
}

/** Looks at the way to a server: its name, its ports, the path there, and its clock. */
export async function* serverChecks(
  server: Endpoint,
  tools: ServerTools,
): AsyncGenerator<Finding> {
  const hop = hopOf(server);
  const { host, port } = hop === null ? addressOf(server)! : { host: hop.host, port: null };
  const addresses = yield* nameCheck(host, tools.signal);
  if (server.scheme === "quic") return yield THROUGH_QUIC;
  if (server.scheme === "udp") return yield THROUGH_UDP;
  let isFirst = true;
  for (const address of addresses) {
    const open = hop === null
      ? yield* fixedPort({ host: address, port: port! }, tools)
      : yield* hoppingPorts(address, hop.range, tools);
    if (open === null || !isFirst) continue;
    isFirst = false;
    yield await pathMtuCheck(tools.libc, open, tools.signal);
    yield server.scheme === "tls" ? THROUGH_TLS : await clockOf(open, tools);
  }
}

/** Returns the addresses; none if there is no such name. */
async function* nameCheck(
  host: string,
  signal: AbortSignal,
): AsyncGenerator<Finding, readonly string[]> {
  const check = "server-name";
  const began = performance.now();
  try {
    const addresses = await abortable(resolveHost(host), signal);
    const ms = Math.round(performance.now() - began);
    yield {
      check,
      level: ms > SLOW_NAME_MS ? "warn" : "ok",
      says: `${host} is ${addresses.join(", ")} (${ms} ms)`,
      ...(ms > SLOW_NAME_MS && { mend: "a name server that is listed first may be dead" }),
    };
    return addresses;
  } catch (error) {
    signal.throwIfAborted();
    yield {
      check,
      level: "fail",
      says: toTtunError(error).message,
      mend: "check the name, and the name servers in /etc/resolv.conf; an address needs none",
    };
    return [];
  }
}

/** Connects, and listens if another program greets there. Returns the port if ttun may have it. */
async function* fixedPort(
  at: HostPort,
  { signal }: ServerTools,
): AsyncGenerator<Finding, HostPort | null> {
  const check = "server-port";
  const where = formatAddr(at);
  const began = performance.now();
  try {
    using connection = await connectTo(at, signal);
    const ms = (performance.now() - began).toFixed(1);
    const greeting = await greetingOf(connection);
    if (greeting === "") {
      yield { check, level: "ok", says: `${where} accepts connections (${ms} ms)` };
      return at;
    }
    yield {
      check,
      level: "fail",
      says: `another program listens on ${where}: it says ${JSON.stringify(greeting)}`,
      mend: "give the port where ttun server listens (20203 unless -l says another)",
    };
  } catch (error) {
    signal.throwIfAborted();
    yield {
      check,
      level: "fail",
      says: `${where} does not accept a connection: ${reasonOf(error)}`,
      mend: "is the server running, and does every firewall on the way let the port in?",
    };
  }
  return null;
}

/** Tries the range, and with a key the port of this minute. Returns that port if it is open. */
async function* hoppingPorts(
  host: string,
  range: Parameters<typeof rangeCheck>[1],
  { found, signal }: ServerTools,
): AsyncGenerator<Finding, HostPort | null> {
  const answered = await rangeCheck(host, range, signal);
  yield answered;
  if (answered.level === "fail" || "why" in found) return null;
  const { finding, port } = await minutePortCheck(host, range, found.key, signal);
  yield finding;
  return finding.level === "ok" ? { host, port } : null;
}

async function clockOf(at: HostPort, { found, signal }: ServerTools): Promise<Finding> {
  if ("why" in found) {
    const says = "the server tells its time to a client with its key alone";
    return { check: "server-clock", level: "skip", says, mend: "give --key-file FILE" };
  }
  return await clockCheck(at, await linkSecret(found.key), signal);
}

async function greetingOf(connection: Deno.TcpConn): Promise<string> {
  const bytes = await readWithin(connection, GREETING_BYTES, GREETING_MS);
  return new TextDecoder("latin1").decode(bytes).replace(/[^ -~]+/g, " ").trim();
}
