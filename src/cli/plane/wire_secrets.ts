import type { KeyRing } from "../../app/link/key_ring.ts";
import type { WireMode, WireSecrets } from "../../app/link/config.ts";
import { DEFAULT_REKEY } from "../../app/link/record_writer.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import { type CipherChoice, namedCipher } from "../command/cipher_choice.ts";
import type { ChosenCiphers } from "../platform/choose_cipher.ts";
import type { KnownCosts } from "../platform/cipher_costs.ts";
import { rng } from "../platform/rng.ts";

export type PlaneCiphers = ChosenCiphers & Pick<KnownCosts, "costs">;

export interface WireChoice {
  readonly wire: WireMode;
  readonly psk: Uint8Array;
  readonly cipher: CipherChoice;
  /** Seconds of use of a key, at most. */
  readonly rekeySeconds: number;
}

/** `s` is the secret of version 2 (core/link/v2/secrets.ts), unless a server has several `keys`. */
export function wireSecrets(
  { wire, psk, cipher, rekeySeconds }: WireChoice,
  ciphers: PlaneCiphers,
  s: Uint8Array,
  keys?: KeyRing,
): WireSecrets {
  return {
    mode: wire,
    v1: { psk, cipher: namedCipher(cipher), makeCipher: ciphers.factory },
    costs: () => cipher === "auto" ? ciphers.costs() : null,
    s,
    keys,
    keyExchange: nodeKeyExchange,
    rng,
    wallClock: Date.now,
    rekey: { ...DEFAULT_REKEY, ms: rekeySeconds * 1000 },
  };
}
