import type { Logger } from "../../base/log.ts";

/** Random, 16 characters have more than 80 bits; chosen by a person, perhaps 30. */
const SHORT = 16;

/** Keys that are guessed first, and repetitions of one character. */
const COMMON =
  /^(.)\1*$|^(psk|password|passw0rd|secret|test|ttun|key|changeme|letmein|qwerty\w*|1?2345\d*)\d*$/i;

/** Warns once if a key of the tunnel can be guessed. `name`: the key's; "" if it is the only one. */
export function warnOfWeakKey(key: Uint8Array, log: Logger, name = ""): void {
  const why = weakness(key);
  if (why === null) return;
  log.warn(
    `The key${
      name === "" ? "" : ` of ${name}`
    } is ${why}: whoever records one handshake can try keys at leisure; ` +
      "ttun genkey makes one that cannot be guessed",
  );
}

/** Warns once. `name`: the key's; "" if it is the only one. */
export function warnOfWeakPassword(key: Uint8Array, name: string, log: Logger): void {
  const why = weakness(key);
  if (why === null) return;
  log.warn(
    `The key${
      name === "" ? "" : ` of ${name}`
    } is ${why}: whoever records one connection can try ` +
      "keys at leisure, and the ports and keys of every minute, past ones too, follow from it; " +
      "ttun genkey makes one that cannot be guessed",
  );
}

function weakness(key: Uint8Array): string | null {
  const text = new TextDecoder().decode(key);
  if (COMMON.test(text)) return "one of the first that are tried";
  return [...text].length < SHORT ? "short" : null;
}
