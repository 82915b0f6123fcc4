/**
 * Traffic whose every byte is looked at.
 *
 *     bulk.ts answer                      says "ready", then answers whoever asks
 *     bulk.ts ask BYTES BURSTS ADDRESS..  says "done", or fails
 *
 * TCP: random bytes and their hash, then as many back. UDP: bursts that the kernel gets as one
 * super-packet each, and back the same way.
 */
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { GsoSocket } from "./gso_socket.ts";

/** tcpdump knows no protocol there that it would try to read. */
const TCP_PORT = 20_300;
const UDP_PORT = 20_301;
const CHUNK = 65_536;
const HASH_SIZE = 32;

/** An odd size, and odd rests: a checksum then ends in half a word. */
const DATAGRAM = 1199;
/** By turns; the other is as much as the largest packet holds in IPv6 and so in IPv4. */
const BURSTS = [40 * DATAGRAM + 501, 65_535 - 40 - 8];
const PATIENCE_MS = 5000;

async function sendRandom(conn: Deno.TcpConn, size: number): Promise<void> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK);
  for (let left = size; left > 0; left -= Math.min(left, CHUNK)) {
    const part = chunk.subarray(0, Math.min(left, CHUNK));
    crypto.getRandomValues(part);
    hash.update(part);
    await writeAll(conn, part);
  }
  await writeAll(conn, new Uint8Array(hash.digest()));
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads so many bytes and the hash behind them. @throws when they are not what was sent */
async function receiveRandom(conn: Deno.TcpConn, size: number): Promise<void> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK);
  for (let left = size; left > 0;) {
    const part = await readSome(conn, chunk.subarray(0, Math.min(left, CHUNK)));
    hash.update(part);
    left -= part.length;
  }
  let told = "";
  while (told.length < 2 * HASH_SIZE) {
    const rest = chunk.subarray(0, HASH_SIZE - told.length / 2);
    told += (await readSome(conn, rest)).toHex();
  }
  if (hash.digest("hex") !== told) throw new Error(`${size} bytes of TCP came changed`);
}

async function readSome(conn: Deno.TcpConn, into: Uint8Array): Promise<Uint8Array> {
  const got = await conn.read(into);
  if (got === null) throw new Error("The connection has ended early");
  return into.subarray(0, got);
}

/** Burst n: its length, then bytes that are the same nowhere else. */
function burstOf(n: number): Uint8Array<ArrayBuffer> {
  const burst = new Uint8Array(BURSTS[n % BURSTS.length]!);
  for (let i = 0; i < burst.length; i++) burst[i] = i * 31 + (i >>> 8) * 17 + n * 7;
  new DataView(burst.buffer).setUint32(0, burst.length);
  return burst;
}

/** Datagrams as they come, each of the right size; gives `take` a burst when it is complete. */
async function collect(
  type: "udp4" | "udp6",
  take: (burst: Uint8Array<ArrayBuffer>, from: string) => void,
): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: true });
  let burst = new Uint8Array();
  let at = 0;
  socket.on("message", (message, { address }) => {
    if (at === burst.length) {
      burst = new Uint8Array(message.readUInt32BE(0));
      at = 0;
    }
    if (message.length !== Math.min(DATAGRAM, burst.length - at)) {
      console.log(`A datagram of ${message.length} bytes at ${at} of ${burst.length}`);
      Deno.exit(1);
    }
    burst.set(message, at);
    at += message.length;
    if (at === burst.length) take(burst, address);
  });
  await new Promise<void>((resolve) => void socket.bind(UDP_PORT, () => resolve()));
  return socket;
}

async function answer(): Promise<void> {
  for (const type of ["udp4", "udp6"] as const) {
    await collect(type, (burst, from) => {
      using back = new GsoSocket(from, UDP_PORT, DATAGRAM);
      back.send(burst);
    });
  }
  const listener = Deno.listen({ hostname: "::", port: TCP_PORT });
  console.log("ready");
  for await (const conn of listener) {
    void serve(conn).catch((error) => console.log(`failed: ${error.message}`));
  }
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  using _conn = conn;
  const order = new Uint8Array(4);
  if (await conn.read(order) !== 4) throw new Error("The order was cut");
  const size = new DataView(order.buffer).getUint32(0);
  await receiveRandom(conn, size);
  await sendRandom(conn, size);
}

async function askTcp(host: string, size: number): Promise<void> {
  using conn = await Deno.connect({ hostname: host, port: TCP_PORT });
  const order = new Uint8Array(4);
  new DataView(order.buffer).setUint32(0, size);
  await writeAll(conn, order);
  await sendRandom(conn, size);
  await receiveRandom(conn, size);
}

async function askUdp(host: string, bursts: number): Promise<void> {
  let wake = (_: Uint8Array) => {};
  const socket = await collect(host.includes(":") ? "udp6" : "udp4", (burst) => wake(burst));
  using out = new GsoSocket(host, UDP_PORT, DATAGRAM);
  try {
    for (let n = 0; n < bursts; n++) {
      const sent = burstOf(n);
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      wake = resolve;
      const timer = setTimeout(
        () => reject(new Error(`Burst ${n} to ${host} is lost`)),
        PATIENCE_MS,
      );
      if (!out.send(sent)) throw new Error(`The kernel did not take burst ${n}`);
      const back = await promise.finally(() => clearTimeout(timer));
      if (back.toHex() !== sent.toHex()) throw new Error(`Burst ${n} to ${host} came changed`);
    }
  } finally {
    await new Promise<void>((resolve) => void socket.close(() => resolve()));
  }
}

const [role, size, bursts, ...hosts] = Deno.args;
if (role === "answer") await answer();
else {
  for (const host of hosts) {
    await askTcp(host, Number(size));
    await askUdp(host, Number(bursts));
  }
  console.log("done");
  Deno.exit(0);
}
