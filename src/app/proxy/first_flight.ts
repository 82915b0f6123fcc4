import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Stream } from "../../contract/stream.ts";
import { TtunError } from "../../base/errors.ts";
import { type Candidate, FirstFrameFinder, MAX_FIRST_FRAME } from "../../core/tt/first_frame.ts";
import { minuteOf, minutesToTry } from "../../core/tt/keys.ts";
import { hasMark } from "../../core/tt/mark.ts";
import type { NonceMemory } from "../../core/tt/nonces.ts";
import { portOf, type PortRange } from "../../core/tt/port_range.ts";
import { Stranger } from "../stranger.ts";
import type { Borrowed, MinuteSecrets } from "./minute_secrets.ts";

/** What a connection costs before anything was right: thousands may be waiting. */
const LITTLE = 128;

/** Somebody with a password, and what is remembered of theirs. */
export interface Account {
  /** For the log; "" where there is only one. */
  readonly name: string;
  readonly secrets: MinuteSecrets;
  readonly nonces: NonceMemory;
}

/** A client that has shown the password. */
export interface Admitted {
  readonly account: Account;
  /** The caller's to dispose of. */
  readonly minute: Borrowed;
  /** Its first text. */
  readonly text: Uint8Array;
  /** What came behind the first frame. */
  readonly rest: Uint8Array;
  readonly isMarked: boolean;
}

interface Guess extends Candidate {
  readonly account: Account;
  readonly borrowed: Borrowed;
}

/**
 * Reads a connection's first frame, under whatever account's and minute's key it is.
 * @throws {Stranger} where it is nobody's; {TtunError} lost
 */
export async function readFirstFrame(
  stream: Stream,
  port: number,
  o: { accounts: readonly Account[]; range: PortRange; wallClock: () => number },
): Promise<Admitted> {
  const guesses = guess(port, o);
  let chosen: Guess | null = null;
  try {
    const finder = new FirstFrameFinder(guesses);
    let bytes = new Uint8Array(LITTLE);
    for (let have = 0;;) {
      const got = await stream.read(bytes.subarray(have));
      if (got === null) throw new TtunError("lost", "The connection ended before its first frame");
      have += got;
      const found = finder.find(bytes, 0, have);
      if (found.kind === "none") throw new Stranger("another key, or a stranger");
      if (found.kind === "frame") {
        chosen = found.candidate;
        const { account, borrowed } = chosen;
        const nonce = found.random.subarray(0, NONCE_SIZE);
        const now = minuteOf(o.wallClock());
        const verdict = account.nonces.noteReceived(borrowed.keys, nonce, now);
        if (verdict !== "new") throw new Stranger(`its first frame is not new (${verdict})`);
        return {
          account,
          minute: borrowed,
          text: found.text,
          rest: bytes.slice(found.size, have),
          isMarked: hasMark(borrowed.keys.aeadKey, found.random),
        };
      }
      if (have >= MAX_FIRST_FRAME) throw new Stranger("no frame");
      if (have === bytes.length) bytes = grown(bytes);
    }
  } catch (error) {
    chosen?.borrowed[Symbol.dispose]();
    throw error;
  } finally {
    for (const { borrowed } of guesses) {
      if (borrowed !== chosen?.borrowed) borrowed[Symbol.dispose]();
    }
  }
}

/** Whose key it may be, the likeliest first: a client takes port and key of the same minute. */
function guess(
  port: number,
  o: { accounts: readonly Account[]; range: PortRange; wallClock: () => number },
): Guess[] {
  const all = minutesToTry(minuteOf(o.wallClock())).flatMap((minute) =>
    o.accounts.map((account) => {
      const borrowed = account.secrets.borrow(minute);
      return { account, borrowed, minute, secrets: borrowed.secrets };
    })
  );
  const fits = ({ borrowed }: Guess) => portOf(borrowed.keys.otp, o.range) === port;
  return [...all.filter(fits), ...all.filter((one) => !fits(one))];
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const more = new Uint8Array(Math.min(4 * bytes.length, MAX_FIRST_FRAME));
  more.set(bytes);
  return more;
}
