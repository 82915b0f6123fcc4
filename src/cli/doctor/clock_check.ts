import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { clientHello, HELLO_SIZE, readServerHello } from "../../core/link/v2/hello.ts";
import { rng } from "../platform/rng.ts";
import { connectTo, readWithin } from "./connect.ts";

/** Milliseconds for the answer to a hello, which a server gives at once. */
const ANSWER_MS = 3000;

/** Seconds that the clocks may differ by, and those from which on it is worth a word. */
const MOST_SECONDS = 120;
const NOTABLE_SECONDS = 30;

/**
 * Sends the first 16 bytes of a connection of version 2, whose answer proves the key and tells the
 * server's time (docs/wire/link-v2.md, "Hello"). `s`: the secret from the key.
 */
export async function clockCheck(
  at: HostPort,
  s: Uint8Array,
  signal: AbortSignal,
): Promise<Finding> {
  const hello = clientHello(s, rng(8), 0, Date.now());
  let answer: Uint8Array;
  try {
    using connection = await connectTo(at, signal);
    await connection.write(hello);
    answer = await readWithin(connection, HELLO_SIZE, ANSWER_MS);
  } catch (error) {
    signal.throwIfAborted();
    return { check: "server-clock", level: "skip", says: `it did not answer: ${error}` };
  }
  const where = formatAddr(at);
  if (answer.length < HELLO_SIZE) {
    return {
      check: "server-key",
      level: "fail",
      says: `${where} does not answer a client with this key`,
      mend: "is it a ttun server with this key? One with --wire v2, and a proxy's, is silent too " +
        `if the clocks differ by more than ${MOST_SECONDS} s: compare date -u at both ends`,
    };
  }
  const found = readServerHello(s, hello, answer, Date.now());
  if (found === null) {
    return {
      check: "server-key",
      level: "fail",
      says: `${where} answers, but does not prove this key`,
      mend: "give both ends the same key; an old server, or one with --wire v1, proves none here",
    };
  }
  return skewFinding(found.skewSeconds);
}

function skewFinding(seconds: number): Finding {
  const check = "server-clock";
  const off = Math.abs(seconds);
  const how = "as the server's answer to our hello says, to 4 s";
  if (off <= 4) {
    return { check, level: "ok", says: `the server has this key, and its clock is ours (${how})` };
  }
  const says = `the server has this key, and its clock is ${off} s ` +
    `${seconds > 0 ? "ahead of" : "behind"} ours (${how})`;
  if (off < NOTABLE_SECONDS) return { check, level: "ok", says };
  return {
    check,
    level: off > MOST_SECONDS ? "fail" : "warn",
    says,
    mend:
      `set both clocks: sudo timedatectl set-ntp true (more than ${MOST_SECONDS} s are refused)`,
  };
}
