import { ProtocolError } from "../../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../../contract/cipher.ts";
import { derive } from "./secrets.ts";

/**
 * Packets of link version 2 beside its records (docs/wire/link-v2.md, "Packets"), which may get lost,
 * come twice or in another order:
 *
 *     number (u64, big-endian) | ciphertext | tag (16)
 *
 * The nonce is `00 00 00 00 | number`.
 */
const NUMBER = 8;

/** Bytes of a packet beside its text. */
export const PACKET_OVERHEAD = NUMBER + TAG_SIZE;

/** Numbers below the highest one of which it is known whether they have come. */
export const PACKET_WINDOW = 1024;

/** Packets of one direction: its key is never changed. */
const MOST_PACKETS = 0xffff_ffff;

export interface PacketKeys extends Disposable {
  readonly sealer: PacketSealer;
  readonly opener: PacketOpener;
}

/** Returns the keys of one end. `secret`: that of this connection's packets, borrowed. */
export function packetKeys(
  secret: Uint8Array,
  end: "client" | "server",
  cipher: CipherName,
  makeCipher: CipherFactory,
): PacketKeys {
  const secrets = { client: derive(secret, "c"), server: derive(secret, "s") };
  const sealer = new PacketSealer(secrets[end], cipher, makeCipher);
  const other = end === "client" ? "server" : "client";
  const opener = new PacketOpener(secrets[other], cipher, makeCipher);
  secrets.client.fill(0);
  secrets.server.fill(0);
  return {
    sealer,
    opener,
    [Symbol.dispose]() {
      sealer[Symbol.dispose]();
      opener[Symbol.dispose]();
    },
  };
}

abstract class PacketDirection implements Disposable {
  protected readonly cipher: Cipher;
  protected readonly nonce: Uint8Array = new Uint8Array(NONCE_SIZE);

  /** `secret`: 32 bytes, borrowed. */
  constructor(secret: Uint8Array, name: CipherName, makeCipher: CipherFactory) {
    const key = derive(secret, "key");
    this.cipher = makeCipher(name, key);
    key.fill(0);
  }

  [Symbol.dispose](): void {
    this.cipher[Symbol.dispose]();
  }
}

export class PacketSealer extends PacketDirection {
  #next: number;

  /** `next`: the first number; other than 0 only in tests. */
  constructor(secret: Uint8Array, name: CipherName, makeCipher: CipherFactory, next = 0) {
    super(secret, name, makeCipher);
    this.#next = next;
  }

  /** No number is left. */
  get isUsedUp(): boolean {
    return this.#next > MOST_PACKETS;
  }

  /** Returns a packet with this text, in a new array. @throws {ProtocolError} if no number is left */
  seal(text: Uint8Array): Uint8Array {
    if (this.isUsedUp) throw new ProtocolError("Cannot send a packet: their numbers are used up");
    const packet = new Uint8Array(text.length + PACKET_OVERHEAD);
    new DataView(packet.buffer).setUint32(4, this.#next++);
    this.nonce.set(packet.subarray(0, NUMBER), NONCE_SIZE - NUMBER);
    packet.set(text, NUMBER);
    const end = NUMBER + text.length;
    this.cipher.seal(this.nonce, null, packet, NUMBER, end, end);
    return packet;
  }
}

export class PacketOpener extends PacketDirection {
  #highest = -1;
  /** Of each number modulo the window the one that came last. */
  readonly #came = new Float64Array(PACKET_WINDOW).fill(-1);

  /** Opens it in place and returns its text; null = it came before, or too late, or is none. */
  open(packet: Uint8Array): Uint8Array | null {
    if (packet.length < PACKET_OVERHEAD) return null;
    const view = new DataView(packet.buffer, packet.byteOffset);
    const number = view.getUint32(4);
    if (view.getUint32(0) !== 0 || number <= this.#highest - PACKET_WINDOW) return null;
    const place = number % PACKET_WINDOW;
    if (this.#came[place] === number) return null;
    this.nonce.set(packet.subarray(0, NUMBER), NONCE_SIZE - NUMBER);
    const end = packet.length - TAG_SIZE;
    if (!this.cipher.open(this.nonce, null, packet, NUMBER, end, end)) return null;
    this.#came[place] = number;
    this.#highest = Math.max(this.#highest, number);
    return packet.subarray(NUMBER, end);
  }
}
