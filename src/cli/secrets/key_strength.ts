import type { Logger } from "../../base/log.ts";

/** 16 characters chosen by chance have more than 80 bits; chosen by a person they may have 30. */
const SHORT = 16;

/** Keys that every guesser tries first, and those that repeat one character. */
const COMMON =
  /^(.)\1*$|^(psk|password|passw0rd|secret|test|ttun|key|changeme|letmein|qwerty\w*|1?2345\d*)\d*$/i;

/** Says once when a tunnel's key can be guessed, by which attack, and what makes a better one. */
export function warnOfWeakKey(key: Uint8Array, log: Logger): void {
  const why = weakness(key);
  if (why === null) return;
  log.warn(
    `The key is ${why}: whoever records one handshake can try keys at leisure; ` +
      "ttun genkey makes one that cannot be guessed",
  );
}

/** The same of a proxy's key. `name`: whose it is; "" where there is only one. */
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
