/** A sender that has the key, and sends the receiver the bytes that a test wants. */
import { write } from "../../src/app/loop/stream_io.ts";
import { runTransferClient, type TransferStream } from "../../src/app/system/transfer_session.ts";
import { parseHostPort } from "../../src/base/addr.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { makeLogger } from "../../src/base/log.ts";
import { linkSecret } from "../../src/cli/secrets/link_secret.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";
import { ID_SIZE } from "../../src/core/link/v2/setup.ts";
import type { Entry } from "../../src/core/transfer/entry.ts";
import { packManifest } from "../../src/core/transfer/manifest.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { DenoNet } from "../../src/io/net/deno_net.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";

const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));

/** Opens a transfer with the receiver at HOST:PORT, and runs the attack on it. */
export async function attack(
  address: string,
  key: string,
  run: (on: TransferStream) => Promise<void>,
): Promise<void> {
  const psk = utf8(key);
  const stop = new AbortController();
  await runTransferClient({
    server: parseHostPort(address),
    dialer: new DenoNet(null),
    resolver: { resolve: (host) => Promise.resolve([host]) },
    secrets: {
      mode: "v2",
      v1: { psk: pskKey(psk), cipher: "aes-256-gcm", makeCipher: makePureCipher },
      s: await linkSecret(psk),
      keyExchange: nodeKeyExchange,
      rng,
      wallClock: Date.now,
    },
    keepMs: 1000,
    retries: 0,
    instance: rng(ID_SIZE),
    clock: new DenoClock(),
    log: makeLogger(() => {}, Date.now, "error"),
    signal: stop.signal,
    role: "sends",
    peer: address,
    transfer: run,
  });
}

export async function announce(
  { stream }: TransferStream,
  ...entries: Partial<Entry>[]
): Promise<void> {
  const whole = entries.map((entry): Entry => ({
    kind: "file",
    name: "file",
    size: 5,
    mode: 0o644,
    modified: { seconds: 1_700_000_000, nanoseconds: 0 },
    ...entry,
  }));
  const bytes = whole.reduce((sum, { size }) => sum + size, 0);
  for (const packed of packManifest({ entries: whole, bytes, files: whole.length })) {
    await write(stream, packed);
  }
}
