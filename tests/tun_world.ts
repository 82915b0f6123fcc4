import { createSocket } from "node:dgram";
import { concat, writeU16 } from "../src/base/bytes.ts";
import { parseCidr, parseIp } from "../src/base/addr.ts";
import { type Libc, openLibc } from "../ffi/linux/libc.ts";
import { configure } from "../src/io/netcfg/linux.ts";
import { Reactor } from "../src/io/reactor/reactor.ts";
import { openDevice, type TunDevice } from "../src/io/tun/linux.ts";
import { requireOwnNamespace } from "./own_namespace.ts";
import type { DeviceWorld } from "./suite/device_suite.ts";

const NEAR = "10.1.1.1";
export const FAR = "10.1.1.2";
const PORT = 20203;

/**
 * A real TUN device with IPv4 alone (IPv6 speaks by itself), and a UDP socket of the machine's. Its
 * time stands still unless `now` moves it: what is queued then comes in one batch.
 */
export async function openTunWorld(
  { now = () => 0, watch }: { now?: () => number; watch?: (libc: Libc) => void } = {},
): Promise<DeviceWorld & { readonly device: TunDevice }> {
  requireOwnNamespace();
  await using opened = new AsyncDisposableStack();
  const libc = opened.use(openLibc());
  watch?.(libc);
  const reactor = opened.use(new Reactor(libc, "async"));
  const stop = new AbortController();
  const device = opened.use(
    openDevice(reactor, { name: undefined, mtu: 1400, signal: stop.signal, clock: { now } }),
  );
  Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${device.name}/disable_ipv6`, "1");
  configure(libc, device.name, {
    mtu: 1400,
    addresses: [parseCidr(`${NEAR}/30`)],
    peers: [],
    routes: [],
    addressesExplicit: true,
  });
  const socket = createSocket("udp4");
  opened.defer(() => new Promise((resolve) => void socket.close(() => resolve())));
  await new Promise<void>((resolve) => void socket.bind(PORT, NEAR, () => resolve()));
  const received: Uint8Array[] = [];
  let wake = () => {};
  socket.on("message", (message) => {
    received.push(new Uint8Array(message));
    wake();
  });
  const kept = opened.move();
  return {
    device,
    stop,
    send: (payload) =>
      new Promise((resolve, reject) =>
        socket.send(payload, PORT, FAR, (error) => error === null ? resolve() : reject(error))
      ),
    packet: udpPacket,
    async receive() {
      while (received.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return received.shift()!;
    },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** UDP in IPv4 (RFC 768, RFC 791) from the far side to the machine's socket. */
export function udpPacket(payload: Uint8Array): Uint8Array {
  const ip = new Uint8Array(20);
  ip[0] = 0x45;
  writeU16(ip, 2, 28 + payload.length);
  ip[8] = 64;
  ip[9] = 17;
  ip.set(parseIp(FAR)!, 12);
  ip.set(parseIp(NEAR)!, 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += (ip[at]! << 8) | ip[at + 1]!;
  writeU16(ip, 10, ~((sum & 0xffff) + (sum >>> 16)));
  const udp = new Uint8Array(8); // its checksum may be zero
  writeU16(udp, 0, PORT);
  writeU16(udp, 2, PORT);
  writeU16(udp, 4, 8 + payload.length);
  return concat(ip, udp, payload);
}
