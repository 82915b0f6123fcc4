/**
 * Sends a right first flight of version 2 twice, as who has recorded it would: replay_filter.ts HOST PORT
 * KEY. Prints how many bytes each connection heard, and how it ended.
 */
import { linkSecret } from "../../src/cli/secrets/link_secret.ts";
import { clientHello } from "../../src/core/link/v2/hello.ts";

const [hostname, port, key] = [Deno.args[0]!, Number(Deno.args[1]), Deno.args[2]!];
const s = await linkSecret(new TextEncoder().encode(key));
const flight = clientHello(s, crypto.getRandomValues(new Uint8Array(8)), 0, Date.now());

async function send(): Promise<{ heard: number; end: string }> {
  using conn = await Deno.connect({ hostname, port });
  await conn.write(flight);
  const buffer = new Uint8Array(8192);
  let heard = 0;
  try {
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      heard += got;
    }
    return { heard, end: "fin" };
  } catch (error) {
    return { heard, end: String(error) };
  }
}

const first = send();
await new Promise((resolve) => setTimeout(resolve, 500));
console.log(JSON.stringify(await Promise.all([first, send(), send()])));
