import { formatAddr, type HostPort } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { denoNetError } from "../net/deno_net_error.ts";
import { TlsMessages } from "./tls_messages.ts";

export interface JoinDialOptions {
  /** In PEM: the authorities whose nodes are trusted. */
  readonly authorities: readonly string[];
  /** The name that the node's certificate must have. */
  readonly name: string;
  /** Name in ALPN. */
  readonly protocol: string;
  readonly mostBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Runs `talk` with a node of the cluster, by TLS. @throws {TtunError}, and errors of `talk` */
export async function dialJoin<T>(
  to: HostPort,
  o: JoinDialOptions,
  talk: (messages: TlsMessages) => Promise<T>,
): Promise<T> {
  const patience = AbortSignal.any([o.signal, AbortSignal.timeout(o.timeoutMs)]);
  let conn: Deno.Conn | null = null;
  const giveUp = () => {
    try {
      conn?.close();
    } catch {
      // TLS has taken it over, or it is closed already.
    }
  };
  patience.addEventListener("abort", giveUp, { once: true });
  try {
    conn = await Deno.connect({ hostname: to.host, port: to.port, signal: patience });
    const tls = await Deno.startTls(conn as Deno.TcpConn, {
      hostname: o.name,
      caCerts: [...o.authorities],
      alpnProtocols: [o.protocol],
    });
    conn = tls;
    patience.throwIfAborted();
    await tls.handshake();
    using messages = new TlsMessages(tls, o.mostBytes);
    return await talk(messages);
  } catch (error) {
    giveUp();
    o.signal.throwIfAborted();
    if (patience.aborted) {
      throw new TtunError("timeout", `Cannot talk to ${formatAddr(to)}: it did not answer in time`);
    }
    if (error instanceof TtunError) throw error;
    if (error instanceof Deno.errors.InvalidData) throw untrusted(to, error);
    if (error instanceof Deno.errors.UnexpectedEof) throw cutOff(to, error);
    throw denoNetError(error, "connect", to);
  } finally {
    patience.removeEventListener("abort", giveUp);
  }
}

function untrusted(to: HostPort, error: Error): TtunError {
  return /invalid peer certificate/.test(error.message)
    ? new TtunError(
      "auth",
      `Cannot trust ${formatAddr(to)}: it is no node of the cluster that is meant`,
      { cause: error },
    )
    : new ProtocolError(`Cannot talk to ${formatAddr(to)}: ${error.message}`, { cause: error });
}

/** A node closes its port for a moment while its certificate changes. */
function cutOff(to: HostPort, error: Error): TtunError {
  return new TtunError("lost", `Cannot talk to ${formatAddr(to)}: it closed the connection`, {
    cause: error,
  });
}
