import { concat } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { CipherFactory, CipherName } from "../../../contract/cipher.ts";
import { PROOF_SIZE } from "./setup.ts";
import {
  MAX_RECORD_TEXT,
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "./record.ts";
import { derive } from "./secrets.ts";

/** Cipher of the handshake's own records, before any is agreed on. */
const HANDSHAKE_CIPHER: CipherName = "chacha20-poly1305";

/** Largest Rs, Rc or setup: limits the memory that a stranger can take. */
export const MAX_HANDSHAKE_BODY = 4096;

/** Most zero bytes that hide a message's length. */
export const MAX_HANDSHAKE_PADDING = 1024;

/** `HK`, and the secret of each end's record (docs/wire/link-v2.md, "Handshake"). */
export interface HandshakeSecrets {
  readonly hk: Uint8Array;
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

export function handshakeSecrets(s: Uint8Array, nc: Uint8Array, ns: Uint8Array): HandshakeSecrets {
  const hk = derive(s, "hs", nc, ns);
  return { hk, client: derive(hk, "c"), server: derive(hk, "s") };
}

export interface TrafficSecrets {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  readonly resume: Uint8Array;
  /** For proofs of other keys that are for this connection alone. */
  readonly meshBinding: Uint8Array;
  /** Of packets beside the records. */
  readonly packets: Uint8Array;
  readonly transcript: Uint8Array;
}

/**
 * @param z X25519's result; overwritten, as is HK
 * @param helloAndPadding Nc and the p bytes behind it
 * @throws {TtunError} auth if z is all zero: the peer sent a point of low order
 */
export function trafficSecrets(
  { hk }: HandshakeSecrets,
  z: Uint8Array,
  binding: Uint8Array,
  helloAndPadding: Uint8Array,
  ns: Uint8Array,
  rs: Uint8Array,
  rc: Uint8Array,
): TrafficSecrets {
  if (z.every((byte) => byte === 0)) {
    throw new TtunError("auth", "Cannot authenticate the peer: its public key is not one");
  }
  const transcript = derive(hk, "th", binding, helloAndPadding, ns, rs, rc);
  const master = derive(hk, "master", z, transcript);
  const secrets = {
    client: derive(master, "c"),
    server: derive(master, "s"),
    resume: derive(master, "resume"),
    meshBinding: derive(master, "mesh bind"),
    packets: derive(master, "packets"),
    transcript,
  };
  for (const spent of [hk, z, master]) spent.fill(0);
  return secrets;
}

/** Returns the proof that an end knows the secret of the session that it resumes. */
export function resumeProof(
  resume: Uint8Array,
  side: "c" | "s",
  transcript: Uint8Array,
): Uint8Array {
  return derive(resume, `proof ${side}`, transcript).slice(0, PROOF_SIZE);
}

/** Makes Rs or Rc: one record of `text` and `padding` zero bytes. */
export function sealHandshake(
  secret: Uint8Array,
  text: Uint8Array,
  padding: number,
  makeCipher: CipherFactory,
): Uint8Array {
  using sealer = new RecordSealer(secret, HANDSHAKE_CIPHER, makeCipher);
  return sealText(sealer, concat(text, new Uint8Array(padding)));
}

/** Opens Rs or Rc at the front of `bytes`; null while incomplete. @throws {ProtocolError} */
export function openHandshake(
  secret: Uint8Array,
  bytes: Uint8Array,
  makeCipher: CipherFactory,
): { size: number; text: Uint8Array } | null {
  using opener = new RecordOpener(secret, HANDSHAKE_CIPHER, makeCipher);
  const size = opener.sizeAt(bytes, 0, bytes.length, MAX_HANDSHAKE_BODY);
  if (size === null || size > bytes.length) return null;
  const record = bytes.slice(0, size);
  opener.open(record, 0, size);
  return { size, text: record.subarray(RECORD_HEADER, size - RECORD_TAG) };
}

/** Returns one record with this text, in a new array. */
export function sealText(sealer: RecordSealer, text: Uint8Array): Uint8Array {
  const record = new Uint8Array(
    RECORD_HEADER + Math.min(text.length, MAX_RECORD_TEXT) + RECORD_TAG,
  );
  record.set(text.subarray(0, MAX_RECORD_TEXT), RECORD_HEADER);
  sealer.seal(record, RECORD_HEADER, text.length);
  return record;
}
