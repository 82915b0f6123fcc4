import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { concat, fromHex, readU16, toHex, writeU16, writeU32 } from "../../src/base/bytes.ts";
import type { CipherFactory, CipherName } from "../../src/contract/cipher.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { ServerHandshake } from "../../src/core/link/v2/server_handshake.ts";
import { ClientHandshake, type ClientStep } from "../../src/core/link/v2/client_handshake.ts";
import type { HandshakeConfig, LinkSession } from "../../src/core/link/v2/handshake.ts";
import { HELLO_SIZE, readClientHello } from "../../src/core/link/v2/hello.ts";
import {
  handshakeSecrets,
  sealText,
  type TrafficSecrets,
  trafficSecrets,
} from "../../src/core/link/v2/key_schedule.ts";
import {
  MAX_RECORD_BODY,
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "../../src/core/link/v2/record.ts";
import type { KeyExchange } from "../../src/core/link/v2/secrets.ts";
import type { Offer, ServerSetup, SessionIdentity } from "../../src/core/link/v2/setup.ts";
import { seededRng } from "./rng.ts";

/** Some moment, and a secret that both ends have unless a test says otherwise. */
export const NOW = 1_800_000_000_000;
export const SECRET = seededRng(77)(32);
export const OFFER: Offer = { capabilities: 1, windows: [0, 0, 0], deadTime: 15 };

/** One end of a handshake; what is left out has a value that a test need not name. */
export interface EndOptions {
  seed?: number;
  s?: Uint8Array;
  makeCipher?: CipherFactory;
  keyExchange?: KeyExchange;
  binding?: Uint8Array;
  offer?: Offer;
  ciphers?: readonly CipherName[];
  costs?: HandshakeConfig["costs"];
  /** Bytes of padding in the handshake record, and p where the client pads (not 4 then). */
  padding?: number;
  unixMs?: number;
  pads?: boolean;
  sessionIdentity?: Omit<SessionIdentity, "resume">;
  resume?: { secret: Uint8Array; expected: number };
}

/** X25519 with private keys from a seed. A point of low order gives zeros, as RFC 7748 says. */
export function seededKeyExchange(seed: number): KeyExchange {
  const rng = seededRng(seed);
  const pkcs8 = fromHex("302e020100300506032b656e04220420");
  const spki = fromHex("302a300506032b656e032100");
  return {
    newKeyPair: () => {
      const key = Buffer.from(concat(pkcs8, rng(32)));
      const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
      const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
      return {
        publicKey: new Uint8Array(der.subarray(spki.length)),
        shared: (theirs) => {
          const key = Buffer.from(concat(spki, theirs));
          const publicKey = createPublicKey({ key, format: "der", type: "spki" });
          try {
            return new Uint8Array(diffieHellman({ privateKey, publicKey }));
          } catch {
            return new Uint8Array(32);
          }
        },
      };
    },
  };
}

export function linkParty(o: EndOptions, seed: number): HandshakeConfig {
  const rng = seededRng(o.seed ?? seed);
  const drawn = new Uint8Array(4);
  writeU32(drawn, 0, o.padding ?? 0);
  return {
    s: o.s ?? SECRET,
    makeCipher: o.makeCipher ?? makePureCipher,
    keyExchange: o.keyExchange ?? seededKeyExchange(100 + (o.seed ?? seed)),
    rng: (length) => length === 4 ? drawn.slice() : rng(length),
    binding: o.binding ?? new Uint8Array(),
    offer: o.offer ?? OFFER,
    ciphers: o.ciphers ?? ["chacha20-poly1305", "aes-256-gcm"],
    costs: o.costs,
  };
}

export const SESSION_IDENTITY = {
  instance: seededRng(3)(16),
  session: seededRng(4)(16),
  carrier: 1,
};

export function clientLink(o: EndOptions = {}): ClientHandshake {
  return new ClientHandshake(linkParty(o, 1), {
    sessionIdentity: o.sessionIdentity ?? SESSION_IDENTITY,
    ...(o.resume === undefined ? {} : { resume: o.resume }),
    pads: o.pads ?? false,
    unixMs: () => o.unixMs ?? NOW,
  });
}

/** The server's end for a client whose flight 1 is given. */
export function serverLink(flight1: Uint8Array, o: EndOptions = {}): ServerHandshake {
  const party = linkParty(o, 2);
  const hello = flight1.slice(0, HELLO_SIZE);
  const unixMs = o.unixMs ?? NOW;
  const padding = readClientHello(party.s, hello, unixMs)?.padding;
  if (padding === undefined) throw new Error("The hello is not right");
  return new ServerHandshake(party, { hello, padding, unixMs });
}

export function bytesToSend(steps: ClientStep[]): Uint8Array {
  return concat(...steps.map((step) => step.kind === "send" ? step.bytes : new Uint8Array()));
}

export function sessionOf(steps: ClientStep[]): LinkSession {
  const done = steps.find((step) => step.kind === "done");
  if (done === undefined) throw new Error("The handshake did not end");
  return done.session;
}

/** Every flight of an undisturbed handshake, and the two ends of its session. */
export interface Conversation {
  nc: Uint8Array;
  padding: Uint8Array;
  ns: Uint8Array;
  rs: Uint8Array;
  rc: Uint8Array;
  setup: Uint8Array;
  serverSetup: Uint8Array;
  near: LinkSession;
  far: LinkSession;
  [Symbol.dispose](): void;
}

export function converse(
  c: EndOptions = {},
  s: EndOptions = {},
  answer: (server: ServerHandshake) => ServerSetup = () => ({}),
): Conversation {
  using client = clientLink(c);
  using server = serverLink(client.hello(), s);
  const flight1 = client.hello().slice();
  const flight2 = server.answer();
  const ns = flight2.slice(0, HELLO_SIZE);
  const flight3 = bytesToSend(client.feed(flight2));
  server.feed(flight1.subarray(HELLO_SIZE));
  server.feed(flight3);
  const { bytes: serverSetup, session: far } = server.accept(answer(server));
  const near = sessionOf(client.feed(serverSetup));
  const secrets = handshakeSecrets(c.s ?? SECRET, flight1.subarray(0, HELLO_SIZE), ns);
  using opener = new RecordOpener(secrets.client, "chacha20-poly1305", makePureCipher);
  const cut = opener.sizeAt(flight3, 0, flight3.length)!;
  return {
    nc: flight1.subarray(0, HELLO_SIZE),
    padding: flight1.subarray(HELLO_SIZE),
    ns,
    rs: flight2.subarray(HELLO_SIZE),
    rc: flight3.subarray(0, cut),
    setup: flight3.subarray(cut),
    serverSetup,
    near,
    far,
    [Symbol.dispose]: () => {
      near[Symbol.dispose]();
      far[Symbol.dispose]();
    },
  };
}

/** The secrets that the two ends of such a conversation come to; their seeds are the usual ones. */
export function trafficOf(all: Omit<Conversation, "near" | "far">): TrafficSecrets {
  const client = seededKeyExchange(101).newKeyPair();
  const server = seededKeyExchange(102).newKeyPair();
  return trafficSecrets(
    handshakeSecrets(SECRET, all.nc, all.ns),
    client.shared(server.publicKey),
    new Uint8Array(),
    concat(all.nc, all.padding),
    all.ns,
    all.rs,
    all.rc,
  );
}

/** The first record under `secret`, by somebody who says in it what he likes. */
export function firstRecord(secret: Uint8Array, text: Uint8Array): Uint8Array {
  using sealer = new RecordSealer(secret, "chacha20-poly1305", makePureCipher);
  return sealText(sealer, text);
}

/** The texts, in hex, of the whole records in `bytes`, which are left alone. */
export function recordsIn(opener: RecordOpener, bytes: Uint8Array): string[] {
  const buffer = bytes.slice();
  const texts: string[] = [];
  for (let at = 0;;) {
    const size = opener.sizeAt(buffer, at, buffer.length);
    if (size === null || at + size > buffer.length) return texts;
    opener.open(buffer, at, size);
    texts.push(toHex(buffer.subarray(at + RECORD_HEADER, at + size - RECORD_TAG)));
    at += size;
  }
}

/** Two bytes that say n to whoever reads the first record under `secret`. */
export function lengthOf(secret: Uint8Array, n: number): Uint8Array {
  const mask = readU16(firstRecord(secret, new Uint8Array(1)), 0) ^ (1 + RECORD_TAG);
  const header = new Uint8Array(RECORD_HEADER);
  writeU16(header, 0, (n & MAX_RECORD_BODY) ^ mask);
  return header;
}

/** Every way to flip one bit. */
export function* flips(bytes: Uint8Array): Generator<{ bytes: Uint8Array; bit: number }> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    yield { bytes: flipped, bit };
  }
}
