/**
 * `latency.ts PORT TARGET_PORT SECONDS`: messages one after the other on a connection through a
 * forward from PORT to TARGET_PORT, where it is the target too and answers each. Prints the
 * milliseconds of the median and of the 99th percentile.
 */
import { quantile } from "../statistics.ts";

const [port, targetPort, seconds] = Deno.args.map(Number);
const hostname = "127.0.0.1";
const MESSAGE = new Uint8Array(64);
/** Milliseconds between messages, so that they do not load what they measure. */
const PAUSE_MS = 4;

async function readMessage(conn: Deno.Conn): Promise<boolean> {
  const into = new Uint8Array(MESSAGE.length);
  for (let at = 0; at < into.length;) {
    const size = await conn.read(into.subarray(at));
    if (size === null) return false;
    at += size;
  }
  return true;
}

async function answerAll(listener: Deno.Listener): Promise<void> {
  using conn = await listener.accept();
  while (await readMessage(conn)) await conn.write(MESSAGE);
}

using listener = Deno.listen({ hostname, port: targetPort! });
const answering = answerAll(listener);
const times: number[] = [];
{
  using conn = await Deno.connect({ hostname, port: port! });
  const until = performance.now() + seconds! * 1000;
  while (performance.now() < until) {
    const began = performance.now();
    await conn.write(MESSAGE);
    if (!await readMessage(conn)) throw new Error("The connection has ended");
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
await answering;
console.log(quantile(times, 0.5));
console.log(quantile(times, 0.99));
