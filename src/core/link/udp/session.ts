import type { CipherName } from "../../../contract/cipher.ts";
import type { CipherReason } from "../v2/cipher_choice.ts";
import type { Offer } from "../v2/setup.ts";
import type { DatagramKeys } from "./keys.ts";

/** A connection after its handshake. Whoever has it disposes of it, which overwrites its keys. */
export interface UdpSession extends Disposable {
  readonly keys: DatagramKeys;
  /** Of the datagrams that come here. */
  readonly id: number;
  readonly cipher: CipherName;
  /** How a client has chosen it; null at a server. */
  readonly cipherReason: CipherReason | null;
  readonly peer: Offer;
  /** Secret for the proofs of later connections of the same session. */
  readonly resume: Uint8Array;
}
