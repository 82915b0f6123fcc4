import type { Logger } from "../base/log.ts";

/** 16 characters chosen by chance have more than 80 bits; chosen by a person they may have 30. */
const SHORT = 16;

/** Keys that every guesser tries first, and those that repeat one character. */
const COMMON =
  /^(.)\1*$|^(psk|password|passw0rd|secret|test|ttun|key|changeme|letmein|qwerty\w*|1?2345\d*)\d*$/i;

/** Says once when a key can be guessed, by which attack, and what makes a better one. */
export function warnOfWeakKey(key: Uint8Array, log: Logger): void {
  const text = new TextDecoder().decode(key);
  const why = COMMON.test(text)
    ? "one of the first that are tried"
    : [...text].length < SHORT
    ? "short"
    : null;
  if (why === null) return;
  log.warn(
    `The key is ${why}: whoever records one handshake can try keys at leisure; ` +
      "ttun genkey makes one that cannot be guessed",
  );
}
