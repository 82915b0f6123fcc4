/**
 * Many sessions of version 2 one after the other, from one process without a device:
 * sessions.ts HOST PORT KEY COUNT. Says "done" when the last has ended.
 */
import { connectLink } from "../../src/app/link/connect.ts";
import { linkSecret } from "../../src/cli/secrets/link_secret.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";
import { openLibc } from "../../ffi/linux/libc.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { PosixNet } from "../../src/io/net/posix_net.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { dial } from "../../src/app/net/dial_events.ts";

const [host, port, psk, count] = [
  Deno.args[0]!,
  Number(Deno.args[1]),
  Deno.args[2]!,
  Number(Deno.args[3]),
];
const key = new TextEncoder().encode(psk);
const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
using libc = openLibc();
await using reactor = new Reactor(libc, "async");
const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
const options = {
  secrets: {
    mode: "v2",
    v1: { psk: pskKey(key), cipher: "aes-256-gcm", makeCipher: makePureCipher },
    s: await linkSecret(key),
    keyExchange: nodeKeyExchange,
    rng,
    wallClock: Date.now,
  },
  clock: reactor,
  instance: rng(16),
  memory: { seenV2: true, reportV2: () => {} },
  device: { headroom: 10, takes: 0 },
} as const;
for (let i = 0; i < count; i++) {
  const stream = await dial(net, { host, port }, { signal: new AbortController().signal });
  const { link } = await connectLink(stream, options);
  await link[Symbol.asyncDispose]();
}
console.log("done");
