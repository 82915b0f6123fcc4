/**
 * `bare.ts receive` and `bare.ts send ADDRESS PORT KEY BYTES...`: a bare loop over libtoxcore with
 * ttun's binding, for what the library itself moves. The sender finds the receiver at 127.0.0.1:PORT,
 * becomes its friend, and sends so many bytes again and again, as packets as large as there are and as
 * fast as the library takes them. Prints for each time the seconds until the receiver had them all.
 */
import { fromHex, toHex } from "../../../src/base/bytes.ts";
import type { Tox } from "../../../ffi/tox/tox.ts";
import { openToxcore } from "../../../ffi/tox/toxcore.ts";
import type { ToxEvent } from "../../../ffi/tox/tox_types.ts";

/** Pause between iterations, as ttun makes it: by shorter ones the library moves less. */
const PAUSE_MS = 5;
/** Pause before the first packet, as a forward needs one to be opened. */
const IDLE_MS = 500;
const PACKET_ID = 162;
const [role, address, port, key, ...amounts] = Deno.args;
const pausing = new Int32Array(new SharedArrayBuffer(4));

const toxcore = openToxcore(Deno.build.os, Deno.execPath());
const tox = toxcore.open({ udp: true, ipv6: false, localDiscovery: false });
const bytesOf = (hex: string) => new Uint8Array(fromHex(hex));

function pause(): void {
  Atomics.wait(pausing, 0, 0, PAUSE_MS);
}

/** Iterates until an event, or none at all in an iteration, is what is looked for. */
function iterateUntil(isFound: (event: ToxEvent | null) => boolean): void {
  for (;;) {
    const events = tox.iterate();
    if (events.some(isFound) || (events.length === 0 && isFound(null))) return;
    pause();
  }
}

/** Answers each packet that ends an amount: its second byte is 1. */
function receive(tox: Tox): never {
  console.log(`${toHex(tox.address)} ${tox.udpPort} ${toHex(tox.dhtKey)}`);
  for (;;) {
    for (const event of tox.iterate()) {
      if (event.kind === "request") tox.acceptFriend(event.publicKey);
      if (event.kind === "packet" && event.bytes[1] === 1) {
        tox.send(event.friend, Uint8Array.of(PACKET_ID));
      }
    }
    pause();
  }
}

function send(tox: Tox): void {
  const began = performance.now();
  tox.bootstrap({ host: "127.0.0.1", port: Number(port), publicKey: bytesOf(key!) });
  iterateUntil((event) => event?.kind === "self");
  const friend = tox.addFriend(bytesOf(address!), Uint8Array.of(1));
  iterateUntil((event) => event?.kind === "friend" && event.connection !== "none");
  console.log(`connected ${(performance.now() - began) / 1000}`);
  const until = performance.now() + IDLE_MS;
  iterateUntil(() => performance.now() >= until);
  for (const amount of amounts) console.log(sendAll(tox, friend, Number(amount)));
}

/** Returns the seconds that it took. */
function sendAll(tox: Tox, friend: number, bytes: number): number {
  const began = performance.now();
  const packet = new Uint8Array(tox.sizes.packet);
  packet[0] = PACKET_ID;
  for (let left = bytes; left > 0;) {
    packet[1] = left <= packet.length ? 1 : 0;
    if (tox.send(friend, packet) === "sent") {
      left -= packet.length;
      continue;
    }
    tox.iterate();
    pause();
  }
  iterateUntil((event) => event?.kind === "packet");
  return (performance.now() - began) / 1000;
}

if (role === "receive") receive(tox);
else send(tox);
tox[Symbol.dispose]();
toxcore[Symbol.dispose]();
