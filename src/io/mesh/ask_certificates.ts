import { formatAddr, type HostPort } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { denoNetError } from "../net/deno_net_error.ts";

/** Finds certificates in what a server sends: returns null until all are there. */
export interface CertificateReader {
  /** @throws {ProtocolError} */
  feed(bytes: Uint8Array): Uint8Array[] | null;
}

/**
 * Asks a TLS server for its certificates, which nothing proves to be its own. Returns them in DER.
 * `question`: the message that asks for them. @throws {TtunError}
 */
export async function askCertificates(
  to: HostPort,
  question: Uint8Array,
  answer: CertificateReader,
  o: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Uint8Array[]> {
  const patience = AbortSignal.any([o.signal, AbortSignal.timeout(o.timeoutMs)]);
  let conn: Deno.Conn | null = null;
  const giveUp = () => close(conn);
  patience.addEventListener("abort", giveUp, { once: true });
  try {
    conn = await Deno.connect({ hostname: to.host, port: to.port, signal: patience });
    patience.throwIfAborted();
    for (let at = 0; at < question.length;) at += await conn.write(question.subarray(at));
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await conn.read(buffer);
      if (count === null) {
        throw new ProtocolError(`Cannot talk to ${formatAddr(to)}: it closed the connection`);
      }
      const found = answer.feed(buffer.subarray(0, count));
      if (found !== null) return found;
    }
  } catch (error) {
    o.signal.throwIfAborted();
    if (patience.aborted) {
      throw new TtunError("timeout", `Cannot talk to ${formatAddr(to)}: it did not answer in time`);
    }
    throw error instanceof TtunError ? error : denoNetError(error, "connect", to);
  } finally {
    patience.removeEventListener("abort", giveUp);
    close(conn);
  }
}

function close(conn: Deno.Conn | null): void {
  try {
    conn?.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // it is closed already
  }
}
