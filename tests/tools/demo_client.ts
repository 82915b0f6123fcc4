/**
 * The demo's part on the client's host: pings the server inside the tunnel in each family, then
 * sends to it and receives from it. Prints one line of JSON (`DemoReport`).
 *
 *     demo_client.ts SECONDS PORT ADDRESS...
 */
import { openLibc } from "../../ffi/linux/libc.ts";
import { ping } from "./ping.ts";

const PINGS = 20;

export interface DemoReport {
  pings: { address: string; sent: number; answered: number; medianMs: number }[];
  upMbit: number;
  downMbit: number;
}

if (import.meta.main) {
  const [seconds, port, ...addresses] = Deno.args;
  const report: DemoReport = {
    pings: addresses.map(pingMany),
    upMbit: await transfer("up", addresses[0]!, Number(port), Number(seconds)),
    downMbit: await transfer("down", addresses[0]!, Number(port), Number(seconds)),
  };
  console.log(JSON.stringify(report));
}

function pingMany(address: string): DemoReport["pings"][number] {
  using libc = openLibc();
  const times: number[] = [];
  for (let sequence = 1; sequence <= PINGS; sequence++) {
    const time = ping(libc, address, sequence);
    if (time !== null) times.push(time);
  }
  times.sort((a, b) => a - b);
  return {
    address,
    sent: PINGS,
    answered: times.length,
    medianMs: times[times.length >> 1] ?? NaN,
  };
}

/** One TCP connection for so many seconds; the first byte tells the server which way. */
async function transfer(way: "up" | "down", hostname: string, port: number, seconds: number) {
  using conn = await Deno.connect({ hostname, port });
  const buffer = new Uint8Array(128 * 1024);
  await conn.write(new Uint8Array([way === "up" ? 1 : 2]));
  const began = performance.now();
  let bytes = 0;
  while (performance.now() - began < seconds * 1000) {
    bytes += way === "up" ? await conn.write(buffer) : await conn.read(buffer) ?? 0;
  }
  return bytes * 8 / 1000 / (performance.now() - began);
}
