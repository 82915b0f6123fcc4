import type { HostPort } from "../../base/addr.ts";

/** Milliseconds for a connection. */
export const CONNECT_MS = 5_000;

/** @throws Deno.errors.*, a TimeoutError; the reason of `signal` */
export function connectTo({ host, port }: HostPort, signal: AbortSignal): Promise<Deno.TcpConn> {
  const life = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  return Deno.connect({ hostname: host, port, signal: life });
}

/** Reads up to `size` bytes; fewer if no more come in time. */
export async function readWithin(
  connection: Deno.TcpConn,
  size: number,
  ms: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ms);
  try {
    for (let have = 0; have < size;) {
      const reading = connection.read(bytes.subarray(have)).catch(() => null);
      const got = await Promise.race([reading, late]);
      if (got === null) return bytes.subarray(0, have);
      have += got;
    }
    return bytes;
  } finally {
    clearTimeout(timer);
  }
}

/** Returns why a connection failed, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "refused";
  if (isTimeout(error)) return `no answer in ${CONNECT_MS / 1000} s`;
  return error instanceof Error ? error.message : String(error);
}

export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}
