import type { Connection } from "../../contract/connection.ts";
import { TtunError } from "../../base/errors.ts";
import { type FirstFrame, MAX_FIRST_FRAME } from "../../core/tt/first_frame.ts";
import { minuteOf } from "../../core/hop/minute.ts";
import type { PeerKind } from "../../core/tt/mark.ts";
import { addressGroup } from "../net/address_group.ts";
import { Stranger } from "../net/stranger.ts";
import type { StrangerBudget } from "../link/stranger_budget.ts";
import { FrameSearch } from "./frame_search.ts";
import type { Account, KeyCandidate, KeyCandidates, PortCandidates } from "./key_candidates.ts";
import type { MinuteKeysLease } from "./minute_keys.ts";
import type { FrameBuffers } from "./frame_buffers.ts";
import type { OtherFound, OtherJudge, OtherWire } from "./other_wire.ts";
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
  readonly budget: StrangerBudget;
  readonly candidates: KeyCandidates;
  readonly buffers: FrameBuffers;
  readonly wallClock: () => number;
  /** Returns true if the server offers what the first text asks for. */
  readonly isWanted: (text: Uint8Array) => boolean;
  /** Spoken on the same ports; null = none. */
  readonly other: OtherWire | null;
  /** False: nothing but the other wire is spoken. */
  readonly takesTt: boolean;
}

const NOBODY: PortCandidates = { first: [], others: [] };

const EMPTY = new Uint8Array();

/**
 * Reads a connection's first frame, or the first bytes of the other wire, holding no more bytes than
 * have come.
 * @throws {Stranger} if no key opens it, or it is not new or not wanted; {TtunError} lost
 */
export async function readFirstFrame(
  stream: Connection,
  port: number,
  o: FirstFrameOptions,
): Promise<Admitted | OtherFound> {
  const candidates = o.candidates.take(o.wallClock());
  let judge: OtherJudge | null = null;
  try {
    const group = addressGroup(stream.remote);
    using search = new FrameSearch(o.takesTt ? candidates.of(port) : NOBODY, o.budget, group);
    const { other, buffers: { sealed } } = o;
    let found: unknown = other === null ? null : undefined;
    for (let kept = EMPTY;;) {
      sealed.set(kept);
      const got = stream.readNow(sealed.subarray(kept.length, MAX_FIRST_FRAME));
      if (got === null) throw new TtunError("lost", "The connection ended before its first frame");
      const have = kept.length + (got ?? 0);
      if (found === undefined && have >= other!.size) {
        judge ??= other!.recognise(sealed.slice(0, other!.size), group);
        found = judge.find();
        if (found !== null && found !== undefined) return { found, bytes: sealed.slice(0, have) };
      }
      const first = have === 0 ? MORE : search.find(sealed, have);
      if (first.kind === "frame") {
        const admitted = admit(first, sealed.subarray(0, have), o);
        search.turn.giveBack();
        return admitted;
      }
      if (found === null && first.kind === "none") throw new Stranger("another key, or a stranger");
      // Also of a key whose port is another and whose turn has not come, as no room is left for more.
      if (have >= MAX_FIRST_FRAME) throw new Stranger("no frame");
      kept = sealed.slice(0, have);
      if (got !== undefined) continue;
      const waits = [readable(stream)];
      if (found === undefined && judge !== null) waits.push(judge.changed());
      if (search.turn.coming !== null) waits.push(search.turn.coming);
      await Promise.race(waits);
    }
  } finally {
    judge?.[Symbol.dispose]();
    candidates.release();
  }
}

const MORE: ReturnType<FrameSearch["find"]> = { kind: "more" };

/** Judges a first frame that a key opens; `all` are the connection's bytes so far, borrowed. */
function admit(
  { candidate, random, text, size }: FirstFrame<KeyCandidate>,
  all: Uint8Array,
  { wallClock, isWanted }: FirstFrameOptions,
): Admitted {
  const { account, minute, borrowed } = candidate;
  if (account.revoked.aborted) throw new Stranger("its key has been taken back");
  const verdict = account.nonces.noteReceived(borrowed.keys, random, minuteOf(wallClock()));
  if (verdict !== "new") throw new Stranger(`its first frame is not new (${verdict})`);
  if (!isWanted(text)) {
    throw new Stranger("it wants no proxy (TUN mode over tt is not there yet)");
  }
  return {
    account,
    minute: account.secrets.borrow(minute),
    text,
    rest: size < all.length ? all.slice(size) : EMPTY,
    peer: borrowed.secrets.marker.peerOf(random),
  };
}
