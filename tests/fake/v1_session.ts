import { concat, toHex, utf8 } from "../../src/base/bytes.ts";
import { makePackets } from "../../src/contract/batch.ts";
import { type CipherFactory, type CipherName, TAG_SIZE } from "../../src/contract/cipher.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";
import { type FrameOpener, type FrameSealer, HEADER } from "../../src/core/link/v1/frame.ts";
import {
  type HandshakeKeys,
  type Session,
  type Step,
  V1ClientHandshake,
  V1ServerHandshake,
} from "../../src/core/link/v1/handshake.ts";
import { seededRng } from "./rng.ts";

/** Keys of a handshake, with defaults for those that a test does not name. */
export function handshakeKeys(o: {
  psk?: string;
  cipher?: CipherName;
  makeCipher?: CipherFactory;
  seed?: number;
} = {}): HandshakeKeys {
  return {
    psk: pskKey(utf8(o.psk ?? "correct horse")),
    cipher: o.cipher ?? "chacha20-poly1305",
    makeCipher: o.makeCipher ?? makePureCipher,
    nonce: seededRng(o.seed ?? 1)(16),
  };
}

/** The bytes that the steps say to send. */
export function toSend(steps: Step[]): Uint8Array {
  return concat(...steps.map((step) => step.kind === "send" ? step.bytes : new Uint8Array()));
}

/** Both ends of a session, the handshake done. */
export function sessionPair(
  o: Parameters<typeof handshakeKeys>[0] = {},
): { client: Session; server: Session } {
  const client = new V1ClientHandshake(handshakeKeys({ ...o, seed: 2 * (o.seed ?? 1) }));
  const server = new V1ServerHandshake(handshakeKeys({ ...o, seed: 2 * (o.seed ?? 1) + 1 }));
  const hello = toSend(server.feed(client.hello()));
  server.feed(toSend(client.feed(hello)));
  const { proof, session } = server.accept();
  const [done] = client.feed(proof);
  if (done?.kind !== "done") throw new Error("The handshake did not end");
  return { client: done.session, server: session };
}

/** One frame with this text. */
export function frameOf(by: FrameSealer, text: Uint8Array): Uint8Array {
  const frame = concat(new Uint8Array(HEADER), text, new Uint8Array(TAG_SIZE));
  by.seal(frame, HEADER, text.length);
  return frame;
}

/** The texts, in hex, of all frames in `bytes`, which are left alone. */
export function textsIn(by: FrameOpener, bytes: Uint8Array): string[] {
  const buffer = bytes.slice();
  const into = makePackets(0);
  const texts: string[] = [];
  let at = 0;
  do {
    at = by.openAll(buffer, at, buffer.length, into);
    for (let i = 0; i < into.count; i++) {
      texts.push(toHex(buffer.subarray(into.offset[i]!, into.offset[i]! + into.length[i]!)));
    }
  } while (into.count > 0);
  return texts;
}
