/** A program that speaks SOCKS5 by itself: what it then has is the bare connection to its target. */
import assert from "node:assert/strict";
import { LOOPBACK } from "./proxy_pair.ts";

/** How the proxy refused, by its code. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(readonly code: number) {
    super(`The proxy refused: code ${code}`);
  }
}

/** Connects to a port of loopback through the proxy. @throws {Refused} */
export async function openThrough(proxy: number, port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: LOOPBACK, port: proxy });
  try {
    await conn.write(new Uint8Array([5, 1, 0]));
    await readExactly(conn, new Uint8Array(2));
    const address = LOOPBACK.split(".").map(Number);
    await conn.write(new Uint8Array([5, 1, 0, 1, ...address, port >>> 8, port & 0xff]));
    const reply = await readExactly(conn, new Uint8Array(10));
    if (reply[1] !== 0) throw new Refused(reply[1]!);
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Longer than anything that is waited for: what hangs shall fail its own test, and no more. */
const PATIENCE_MS = 45_000;

/** Closes the connection, so that what is under way with it fails, when that takes too long. */
async function inTime<T>(conn: Deno.Conn, work: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => conn.close(), PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/** Fills `into`, and returns it. @throws when the connection ends before */
export function readExactly(conn: Deno.Conn, into: Uint8Array): Promise<Uint8Array> {
  return inTime(conn, async () => {
    for (let have = 0; have < into.length;) {
      const got = await conn.read(into.subarray(have));
      if (got === null) throw new Error(`The connection ended after ${have} bytes`);
      have += got;
    }
    return into;
  });
}

export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  await inTime(conn, async () => {
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  });
}

/** Sends a text, which has to come back. */
export async function expectEcho(conn: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await writeAll(conn, bytes);
  assert.deepEqual(await readExactly(conn, new Uint8Array(bytes.length)), bytes);
}

export interface Ended {
  /** How many bytes came before. */
  readonly bytes: number;
  readonly end: "fin" | "reset";
}

/** Reads to the end. */
export function readToEnd(conn: Deno.Conn): Promise<Ended> {
  return inTime(conn, async () => {
    const buffer = new Uint8Array(64 * 1024);
    let bytes = 0;
    try {
      for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
        bytes += got;
      }
      return { bytes, end: "fin" };
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return { bytes, end: "reset" };
      throw error;
    }
  });
}
