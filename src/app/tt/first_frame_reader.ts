import type { Connection } from "../../contract/connection.ts";
import { TtunError } from "../../base/errors.ts";
import { FirstFrameFinder, MAX_FIRST_FRAME } from "../../core/tt/first_frame.ts";
import { minuteOf } from "../../core/hop/minute.ts";
import type { PeerKind } from "../../core/tt/mark.ts";
import { Stranger } from "../net/stranger.ts";
import type { Account, KeyCandidates } from "./key_candidates.ts";
import type { MinuteKeysLease } from "./minute_keys.ts";
import type { FrameBuffers } from "./frame_buffers.ts";
import { readable } from "../loop/stream_io.ts";

export interface Admitted {
  readonly account: Account;
  /** Disposed of by the caller. */
  readonly minute: MinuteKeysLease;
  readonly text: Uint8Array;
  /** Ciphertext that came behind the first frame. */
  readonly rest: Uint8Array;
  readonly peer: PeerKind;
}

export interface FirstFrameOptions {
  readonly candidates: KeyCandidates;
  readonly buffers: FrameBuffers;
  readonly wallClock: () => number;
  /** Returns true if the server offers what the first text asks for. */
  readonly isWanted: (text: Uint8Array) => boolean;
}

const EMPTY = new Uint8Array();

/**
 * Reads a connection's first frame, holding no more bytes than have come.
 * @throws {Stranger} if no key opens it, or it is not new or not wanted; {TtunError} lost
 */
export async function readFirstFrame(
  stream: Connection,
  port: number,
  o: FirstFrameOptions,
): Promise<Admitted> {
  const candidates = o.candidates.take(o.wallClock());
  try {
    const finder = new FirstFrameFinder(candidates.of(port));
    const { sealed } = o.buffers;
    for (let kept = EMPTY;;) {
      sealed.set(kept);
      const got = stream.readNow(sealed.subarray(kept.length, MAX_FIRST_FRAME));
      if (got === null) throw new TtunError("lost", "The connection ended before its first frame");
      if (got === undefined) {
        await readable(stream);
        continue;
      }
      const have = kept.length + got;
      const found = finder.find(sealed, 0, have);
      if (found.kind === "none") throw new Stranger("another key, or a stranger");
      if (found.kind === "frame") {
        const { account, minute, borrowed } = found.candidate;
        const now = minuteOf(o.wallClock());
        const verdict = account.nonces.noteReceived(borrowed.keys, found.random, now);
        if (verdict !== "new") throw new Stranger(`its first frame is not new (${verdict})`);
        if (!o.isWanted(found.text)) {
          throw new Stranger("it wants no proxy (TUN mode over tt is not there yet)");
        }
        return {
          account,
          minute: account.secrets.borrow(minute),
          text: found.text,
          rest: found.size < have ? sealed.slice(found.size, have) : EMPTY,
          peer: borrowed.secrets.marker.peerOf(found.random),
        };
      }
      if (have >= MAX_FIRST_FRAME) throw new Stranger("no frame");
      kept = sealed.slice(0, have);
    }
  } finally {
    candidates.release();
  }
}
