import { toTtunError } from "../../base/errors.ts";
import { makeLogger } from "../../base/log.ts";
import { CIPHER_NAMES } from "../../contract/cipher.ts";
import { measureCipher } from "../../core/cipher/cost.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import {
  chooseCiphers,
  CIPHER_IMPLEMENTATIONS,
  type CipherImplementation,
} from "../platform/choose_cipher.ts";

const SEALED = 16 * 1024;

/** Tries each implementation of the ciphers, and measures it. */
export function* cipherChecks(): Generator<Finding> {
  for (const name of CIPHER_IMPLEMENTATIONS) yield cipherCheck(name);
}

function cipherCheck(name: CipherImplementation): Finding {
  const check = `aead-${name}`;
  const quiet = makeLogger(() => {}, Date.now, "error");
  try {
    using ciphers = chooseCiphers(name, quiet);
    const speeds = CIPHER_NAMES.map((cipher) => {
      const ns = measureCipher(ciphers.factory, cipher, () => performance.now());
      return `${cipher} ${Math.round(SEALED / ns * 1000)} MB/s`;
    });
    return { check, level: "ok", says: `${speeds.join(", ")} (${ciphers.detail})` };
  } catch (error) {
    return {
      check,
      level: name === "native" ? "warn" : "skip",
      says: toTtunError(error).message,
      ...(name === "native" && { mend: "sudo apt-get install libssl3" }),
    };
  }
}
