/**
 * `load.ts down|up PORT TARGET_PORT BYTES TIMES`: transfers right behind each other on one connection
 * through a forward from PORT to TARGET_PORT, both on loopback; it is the target too. Prints the
 * seconds of each: from the request until all bytes are there, or until the target says so.
 */
const [way, port, targetPort, bytesText, timesText] = Deno.args;
const bytes = Number(bytesText);
const times = Number(timesText);
const CHUNK = new Uint8Array(64 * 1024);
const into = new Uint8Array(256 * 1024);
const hostname = "127.0.0.1";
/** Asks for a download, and tells that an upload is there. */
const SIGN = Uint8Array.of(33);

async function sendAll(conn: Deno.Conn): Promise<void> {
  for (let left = bytes; left > 0;) {
    left -= await conn.write(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
  }
}

async function readBytes(conn: Deno.Conn, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const size = await conn.read(into.subarray(0, left));
    if (size === null) throw new Error(`The connection has ended; ${left} bytes are missing`);
    left -= size;
  }
}

/** Sends what was asked for by a sign. */
async function give(conn: Deno.Conn): Promise<void> {
  await readBytes(conn, SIGN.length);
  await sendAll(conn);
}

async function take(conn: Deno.Conn): Promise<void> {
  await readBytes(conn, bytes);
  await conn.write(SIGN);
}

async function serve(listener: Deno.Listener): Promise<void> {
  using conn = await listener.accept();
  for (let i = 0; i < times; i++) await (way === "down" ? give(conn) : take(conn));
  await conn.read(into); // the other end closes
}

using listener = Deno.listen({ hostname, port: Number(targetPort) });
const serving = serve(listener);
{
  using conn = await Deno.connect({ hostname, port: Number(port) });
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    if (way === "up") {
      await sendAll(conn);
      await readBytes(conn, SIGN.length);
    } else {
      await conn.write(SIGN);
      await readBytes(conn, bytes);
    }
    console.log((performance.now() - began) / 1000);
  }
}
await serving;
