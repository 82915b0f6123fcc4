import { formatAddr, type HostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { resolveHost } from "../platform/resolve.ts";

/** Milliseconds for a connection, and for a greeting that no ttun server sends. */
const CONNECT_MS = 5_000;
const GREETING_MS = 700;

/** Milliseconds that a name may take. */
const SLOW_NAME_MS = 1_000;

/** Asks for the server's name, connects to it, and listens if another program greets there. */
export async function* serverChecks(
  { host, port }: HostPort,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const began = performance.now();
  let addresses: readonly string[];
  try {
    addresses = await abortable(resolveHost(host), signal);
  } catch (error) {
    signal.throwIfAborted();
    yield {
      check: "server-name",
      level: "fail",
      says: toTtunError(error).message,
      mend: "check the name, and the name servers in /etc/resolv.conf; an address needs none",
    };
    return;
  }
  const ms = Math.round(performance.now() - began);
  yield {
    check: "server-name",
    level: ms > SLOW_NAME_MS ? "warn" : "ok",
    says: `${host} is ${addresses.join(", ")} (${ms} ms)`,
    ...(ms > SLOW_NAME_MS && { mend: "a name server that is listed first may be dead" }),
  };
  const reached = addresses.map((address) => reach({ host: address, port }));
  for (const one of reached) yield await one;
}

async function reach(at: HostPort): Promise<Finding> {
  const check = "server-port";
  const where = formatAddr(at);
  const began = performance.now();
  try {
    using connection = await connect(at);
    const ms = (performance.now() - began).toFixed(1);
    const greeting = await greetingOf(connection);
    if (greeting === "") {
      return { check, level: "ok", says: `${where} accepts connections (${ms} ms)` };
    }
    return {
      check,
      level: "fail",
      says: `another program listens on ${where}: it says ${JSON.stringify(greeting)}`,
      mend: "give the port where ttun server listens (20203 unless -l says another)",
    };
  } catch (error) {
    return {
      check,
      level: "fail",
      says: `${where} does not accept a connection: ${reasonOf(error)}`,
      mend: "is the server running, and does every firewall on the way let the port in?",
    };
  }
}

function connect({ host, port }: HostPort): Promise<Deno.TcpConn> {
  return Deno.connect(
    { hostname: host, port, signal: AbortSignal.timeout(CONNECT_MS) } as Deno.ConnectOptions,
  );
}

async function greetingOf(connection: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(64);
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), GREETING_MS);
  const got = await Promise.race([connection.read(buffer).catch(() => null), late]);
  clearTimeout(timer);
  const text = new TextDecoder("latin1").decode(buffer.subarray(0, got ?? 0));
  return text.replace(/[^ -~]+/g, " ").trim();
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "refused";
  if (error instanceof Error && error.name === "TimeoutError") {
    return `no answer in ${CONNECT_MS / 1000} s`;
  }
  return error instanceof Error ? error.message : String(error);
}
