/**
 * The parts of ttun for programs: its ciphers, both versions of its wire format that do
 * no I/O, and TCP in the shape that they are driven with. `jsr:@tt/cli` itself is the command.
 *
 * Nothing of the protocols reads a clock, a socket or a source of chance: bytes go in, and what to
 * send comes out. A tunnel is made of four things, and each can be replaced:
 *
 * - a {@linkcode Cipher}: {@linkcode makePureCipher} works everywhere, {@linkcode makeNodeCipher}
 *   is faster, {@linkcode openLibcrypto} the fastest and needs `--allow-ffi`;
 * - version 1 of the wire, which every ttun speaks: {@linkcode V1ClientHandshake},
 *   {@linkcode V1ServerHandshake}, {@linkcode FrameSealer}, {@linkcode FrameOpener};
 * - version 2, with forward secrecy: {@linkcode ClientHandshake}, {@linkcode ServerHandshake},
 *   {@linkcode RecordSealer}, {@linkcode RecordOpener}, {@linkcode readFrames};
 * - streams: {@linkcode DenoNet} on Deno's sockets, {@linkcode PosixNet} on system calls.
 *
 * @example Seal a packet in place, and open it
 * ```ts
 * import { KEY_SIZE, makePureCipher, NONCE_SIZE, TAG_SIZE } from "@tt/cli/mod";
 * import assert from "node:assert/strict";
 *
 * const key = crypto.getRandomValues(new Uint8Array(KEY_SIZE));
 * using cipher = makePureCipher("chacha20-poly1305", key);
 * const nonce = new Uint8Array(NONCE_SIZE); // never again with this key
 *
 * const packet = new TextEncoder().encode("a packet");
 * const bytes = new Uint8Array(packet.length + TAG_SIZE);
 * bytes.set(packet);
 * cipher.seal(nonce, null, bytes, 0, packet.length, packet.length);
 * assert.notDeepEqual(bytes.subarray(0, packet.length), packet);
 *
 * assert(cipher.open(nonce, null, bytes, 0, packet.length, packet.length));
 * assert.deepEqual(bytes.subarray(0, packet.length), packet);
 *
 * bytes[0]! ^= 1; // what is damaged does not open
 * assert(!cipher.open(nonce, null, bytes, 0, packet.length, packet.length));
 * ```
 *
 * @example Version 1: both ends of a handshake, and a packet through the session
 * ```ts
 * import {
 *   FRAME_HEADER,
 *   type HandshakeKeys,
 *   makePackets,
 *   makePureCipher,
 *   pskKey,
 *   TAG_SIZE,
 *   V1ClientHandshake,
 *   V1ServerHandshake,
 * } from "@tt/cli/mod";
 * import assert from "node:assert/strict";
 *
 * const keys = (): HandshakeKeys => ({
 *   psk: pskKey(new TextEncoder().encode("correct horse battery staple")),
 *   cipher: "chacha20-poly1305",
 *   makeCipher: makePureCipher,
 *   nonce: crypto.getRandomValues(new Uint8Array(16)),
 * });
 * using client = new V1ClientHandshake(keys());
 * using server = new V1ServerHandshake(keys());
 *
 * const [answer] = server.feed(client.hello());
 * assert(answer?.kind === "send");
 * const [proof] = client.feed(answer.bytes);
 * assert(proof?.kind === "send");
 * const [proved] = server.feed(proof.bytes);
 * assert(proved?.kind === "authenticated"); // now let it in, or hang up
 * const accepted = server.accept();
 * const [done] = client.feed(accepted.proof);
 * assert(done?.kind === "done");
 *
 * using near = done.session;
 * using far = accepted.session;
 * const packet = new TextEncoder().encode("a packet");
 * const frame = new Uint8Array(FRAME_HEADER + packet.length + TAG_SIZE);
 * frame.set(packet, FRAME_HEADER);
 * near.sealer.seal(frame, FRAME_HEADER, packet.length);
 *
 * const found = makePackets(0); // the packets are opened where the frames were read
 * far.opener.openAll(frame, 0, frame.length, found);
 * const at = found.offset[0]!;
 * assert.deepEqual(found.bytes.subarray(at, at + found.length[0]!), packet);
 * ```
 *
 * @example Version 2: both ends of a handshake in memory, and a record through the session
 * ```ts
 * import {
 *   Capability,
 *   ClientHandshake,
 *   HELLO_SIZE,
 *   type HandshakeConfig,
 *   linkSecret,
 *   makeNodeCipher,
 *   packEcho,
 *   readClientHello,
 *   readFrames,
 *   RECORD_HEADER,
 *   RECORD_TAG,
 *   sealText,
 *   ServerHandshake,
 *   x25519,
 * } from "@tt/cli/mod";
 * import assert from "node:assert/strict";
 *
 * const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
 * const s = await linkSecret(new TextEncoder().encode("correct horse battery staple"));
 * const party: HandshakeConfig = {
 *   s,
 *   makeCipher: makeNodeCipher,
 *   keyExchange: x25519,
 *   rng,
 *   binding: new Uint8Array(),
 *   offer: { capabilities: Capability.tun, windows: [0, 0, 0], deadTime: 15 },
 *   ciphers: ["aes-256-gcm", "chacha20-poly1305"],
 * };
 * using client = new ClientHandshake(party, {
 *   sessionIdentity: { instance: rng(16), session: rng(16), carrier: 1 },
 *   pads: true,
 *   unixMs: Date.now,
 * });
 * const flight1 = client.hello();
 *
 * const hello = flight1.slice(0, HELLO_SIZE);
 * const found = readClientHello(s, hello, Date.now());
 * assert(found !== null && !found.isStale); // else: a stranger, or version 1
 * using server = new ServerHandshake(party, { hello, padding: found.padding, unixMs: Date.now() });
 * server.feed(flight1.subarray(HELLO_SIZE));
 *
 * const [flight3] = client.feed(server.answer());
 * assert(flight3?.kind === "send");
 * assert(server.feed(flight3.bytes) !== null); // the client has proved the key
 * const accepted = server.accept({});
 * const [done] = client.feed(accepted.bytes);
 * assert(done?.kind === "done");
 *
 * using near = done.session;
 * using far = accepted.session;
 * const record = sealText(near.sealer, packEcho("ping", rng(8)));
 * const size = far.opener.sizeAt(record, 0, record.length);
 * assert.equal(size, record.length);
 * far.opener.open(record, 0, record.length);
 * const [frame] = readFrames(record, RECORD_HEADER, record.length - RECORD_TAG);
 * assert.equal(frame?.kind, "ping");
 * ```
 *
 * @example Dial and listen on Deno's own sockets
 * ```ts
 * import { accept, DenoNet, dial, read, write } from "@tt/cli/mod";
 * import assert from "node:assert/strict";
 *
 * const life = new AbortController();
 * const { signal } = life; // its abort ends whatever was opened under it
 * const net = new DenoNet(null);
 * await using listener = net.listen({ host: "127.0.0.1", port: 0 }, { signal });
 * const accepting = accept(listener, { signal });
 * await using near = await dial(net, listener.addr, { signal });
 * await using far = await accepting;
 *
 * await write(near, new TextEncoder().encode("hello"));
 * await near.closeWrite();
 * const bytes = new Uint8Array(16);
 * assert.equal(await read(far, bytes), 5);
 * assert.equal(new TextDecoder().decode(bytes.subarray(0, 5)), "hello");
 * assert.equal(await read(far, bytes), null);
 * ```
 *
 * @example The same on system calls (Linux, `--allow-ffi`)
 * ```ts
 * import { accept, dial, openLibc, PosixNet, Reactor, read, write } from "@tt/cli/mod";
 * import assert from "node:assert/strict";
 *
 * if (Deno.build.os === "linux") {
 *   const { signal } = new AbortController();
 *   using libc = openLibc();
 *   await using reactor = new Reactor(libc, "async");
 *   const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
 *   await using listener = net.listen({ host: "127.0.0.1", port: 0 }, { signal });
 *   const accepting = accept(listener, { signal });
 *   await using near = await dial(net, listener.addr, { signal });
 *   await using far = await accepting;
 *   await write(near, new Uint8Array([1, 2, 3]));
 *   assert.equal(await read(far, new Uint8Array(16)), 3);
 * }
 * ```
 *
 * @module
 */

import type { KeyExchange } from "./src/core/link/v2/secrets.ts";
import { nodeKeyExchange } from "./src/io/crypto/x25519.ts";

// Errors, in words for a user.
export { EXIT_CODES, ProtocolError, TtunError } from "./src/base/errors.ts";
export type { ErrorKind } from "./src/base/errors.ts";

// Ciphers.
export { CIPHER_NAMES, KEY_SIZE, NONCE_SIZE, TAG_SIZE } from "./src/contract/cipher.ts";
export type { Cipher, CipherFactory, CipherName, Nonce } from "./src/contract/cipher.ts";
export { makePureCipher } from "./src/core/cipher/pure_cipher.ts";
export { makeNodeCipher } from "./src/io/crypto/node_cipher.ts";
export { openLibcrypto } from "./ffi/openssl/libcrypto.ts";
export type { Libcrypto } from "./ffi/openssl/libcrypto.ts";

// Packets.
export { makePackets } from "./src/contract/batch.ts";
export type { Packets } from "./src/contract/batch.ts";

// Version 1 of the wire.
export { pskKey } from "./src/core/link/v1/kdf.ts";
export {
  CLIENT_TO_SERVER,
  FrameOpener,
  FrameSealer,
  HEADER as FRAME_HEADER,
  SERVER_TO_CLIENT,
} from "./src/core/link/v1/frame.ts";
export type { Direction } from "./src/core/link/v1/frame.ts";
export { V1ClientHandshake, V1ServerHandshake } from "./src/core/link/v1/handshake.ts";
export type { HandshakeKeys, Session, Step } from "./src/core/link/v1/handshake.ts";

// Version 2 of the wire.
export type { Clock, Rng } from "./src/contract/host.ts";
export type { KeyExchange } from "./src/core/link/v2/secrets.ts";
export { linkSecret } from "./src/cli/secrets/link_secret.ts";
export { HELLO_SIZE, readClientHello } from "./src/core/link/v2/hello.ts";
export type { Hello } from "./src/core/link/v2/hello.ts";
export { ReplayMemory } from "./src/core/link/v2/replay_filter.ts";
export { Capability } from "./src/core/link/v2/setup.ts";
export { ClientHandshake } from "./src/core/link/v2/client_handshake.ts";
export type { ClientStep } from "./src/core/link/v2/client_handshake.ts";
export { ServerHandshake } from "./src/core/link/v2/server_handshake.ts";
export type { HandshakeConfig, LinkSession } from "./src/core/link/v2/handshake.ts";
export type { ClientSetup, Offer, ServerSetup, SessionIdentity } from "./src/core/link/v2/setup.ts";
export {
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "./src/core/link/v2/record.ts";
export { sealText } from "./src/core/link/v2/key_schedule.ts";
export { CloseCode, packClose, packEcho, readFrames } from "./src/core/link/v2/frames.ts";
export type { Frame } from "./src/core/link/v2/frames.ts";

/** X25519 by node:crypto, for {@linkcode HandshakeConfig}. */
export const x25519: KeyExchange = nodeKeyExchange;

// Streams.
export type { Addr, HostPort } from "./src/base/addr.ts";
export type { MaybePromise, OnReady, Stream } from "./src/contract/stream.ts";
export type { Connection, SocketOptions } from "./src/contract/connection.ts";
export type { ConnectionStats } from "./src/contract/stats.ts";
export type { Dialer, DialEvents, DialOptions, Listener } from "./src/contract/dial.ts";
export { accept, read, readable, writable, write } from "./src/app/loop/stream_io.ts";
export { dial } from "./src/app/net/dial_events.ts";
export { DenoNet } from "./src/io/net/deno_net.ts";
export { PosixNet } from "./src/io/net/posix_net.ts";
export { Reactor } from "./src/io/reactor/reactor.ts";
export type { ReactorMode } from "./src/io/reactor/reactor.ts";
export { openLibc } from "./ffi/linux/libc.ts";
export type { Libc } from "./ffi/linux/libc.ts";
