/** Cost of link version 2 beside version 1: a handshake, and packets sealed and opened. */
import { makePackets } from "../../src/contract/batch.ts";
import type { CipherName } from "../../src/contract/cipher.ts";
import { ServerHandshake } from "../../src/core/link/v2/server_handshake.ts";
import { ClientHandshake } from "../../src/core/link/v2/client_handshake.ts";
import type { HandshakeConfig } from "../../src/core/link/v2/handshake.ts";
import { PACKET_HEADER, writePacketHeader } from "../../src/core/link/v2/frames.ts";
import {
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "../../src/core/link/v2/record.ts";
import { Capability } from "../../src/core/link/v2/setup.ts";
import { FrameOpener, FrameSealer } from "../../src/core/link/v1/frame.ts";
import { V1ClientHandshake, V1ServerHandshake } from "../../src/core/link/v1/handshake.ts";
import { openLibcrypto } from "../../ffi/openssl/libcrypto.ts";
import { layOutAs, v2Pair } from "../fake/v2_pair.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";

const { makeCipher } = openLibcrypto();
const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const key = rng(32);

const party: HandshakeConfig = {
  s: key,
  makeCipher,
  keyExchange: nodeKeyExchange,
  rng,
  binding: new Uint8Array(),
  offer: { capabilities: Capability.tun, windows: [0, 0, 0], deadTime: 15 },
  ciphers: ["aes-256-gcm", "chacha20-poly1305"],
};

Deno.bench("handshake, version 1, both ends", { group: "handshake", baseline: true }, () => {
  const common = { psk: key, cipher: "aes-256-gcm", makeCipher } as const;
  using client = new V1ClientHandshake({ ...common, nonce: rng(16) });
  using server = new V1ServerHandshake({ ...common, nonce: rng(16) });
  const [hello] = server.feed(client.hello());
  const [proof] = client.feed((hello as { bytes: Uint8Array }).bytes);
  server.feed((proof as { bytes: Uint8Array }).bytes);
  const accepted = server.accept();
  using _far = accepted.session;
  const [done] = client.feed(accepted.proof);
  if (done?.kind === "done") done.session[Symbol.dispose]();
});

Deno.bench("handshake, version 2, both ends", { group: "handshake" }, () => {
  const unixMs = Date.now();
  const sessionIdentity = { instance: rng(16), session: rng(16), carrier: 1 };
  using client = new ClientHandshake(party, { sessionIdentity, pads: false, unixMs: () => unixMs });
  using server = new ServerHandshake(party, { hello: client.hello(), padding: 0, unixMs });
  const [flight] = client.feed(server.answer());
  server.feed((flight as { bytes: Uint8Array }).bytes);
  const accepted = server.accept({});
  using _far = accepted.session;
  const [done] = client.feed(accepted.bytes);
  if (done?.kind === "done") done.session[Symbol.dispose]();
});

const PACKETS = 48; // of 1280 bytes: as many as a record of version 2 holds
const SIZE = 1280;

for (const name of ["aes-256-gcm", "chacha20-poly1305"] satisfies CipherName[]) {
  Deno.bench(`${PACKETS} packets sealed and opened, version 1, ${name}`, {
    group: name,
    baseline: true,
  }, () => {
    using near = makeCipher(name, key);
    using far = makeCipher(name, key);
    const sealer = new FrameSealer(near, 0);
    const opener = new FrameOpener(far, 0);
    const bytes = new Uint8Array(PACKETS * (SIZE + 18));
    for (let i = 0; i < PACKETS; i++) sealer.seal(bytes, 2 + i * (SIZE + 18), SIZE);
    opener.openAll(bytes, 0, bytes.length, makePackets(0));
  });

  Deno.bench(`${PACKETS} packets sealed and opened, version 2, ${name}`, { group: name }, () => {
    using sealer = new RecordSealer(key, name, makeCipher);
    using opener = new RecordOpener(key, name, makeCipher);
    const each = PACKET_HEADER + SIZE;
    const bytes = new Uint8Array(RECORD_HEADER + PACKETS * each + RECORD_TAG);
    for (let i = 0; i < PACKETS; i++) {
      writePacketHeader(
        bytes,
        RECORD_HEADER + PACKET_HEADER + i * each,
        SIZE,
        PACKET_HEADER,
      );
    }
    sealer.seal(bytes, RECORD_HEADER, PACKETS * each);
    opener.open(bytes, 0, opener.sizeAt(bytes, 0, bytes.length)!);
  });
}

for (const [count, size] of [[PACKETS, SIZE], [128, 52], [1, 100]] as const) {
  const { near, far, writes } = v2Pair({ makeCipher });
  const packet = new Uint8Array(size).fill(0x45);
  const batch = layOutAs(
    near.layout,
    Array.from({ length: count }, () => ({ packet, header: null })),
  );
  const into = makePackets(0);
  Deno.bench(`a batch of ${count} packets of ${size} bytes over a link, version 2`, {
    group: "link",
  }, () => {
    void near.send(batch); // never waits: the stream has room for it
    while (far.recvNow(into) !== undefined);
    writes.length = 0;
  });
}
