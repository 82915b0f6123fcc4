import { type Addr, formatAddr } from "../../base/addr.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import { type MuxAddress, type Open, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { discard } from "../net/discard.ts";
import type { StreamSession } from "./stream_session.ts";

type Session = Pick<StreamSession, "mux">;

/** Where the peer's address is not known. */
const UNKNOWN: Addr = { path: "" };

/** A listener at the server; sessions that come later have one of their own. */
export interface RemoteListen {
  readonly kind: typeof OpenKind.listen | typeof OpenKind.udpListen;
  readonly address: Addr;
  /** The server listens there. */
  opened(address: MuxAddress): void;
  /** The server does not listen; `code`: its SOCKS5 reply. */
  refused(code: number): void;
  /** The server has ended the listener, and goes on with the session. */
  ended(): void;
  /** The listener has accepted a connection from `from`; the stream is to be answered. */
  accepted(stream: MuxStream, from: Addr): void;
}

interface Asked {
  readonly listen: RemoteListen;
  readonly stream: MuxStream;
  /** The server has not answered. */
  isUnanswered: boolean;
}

/** Keeps listeners at the server: asks for them on every session, and knows whose streams come. */
export class RemoteListens {
  readonly #clock: Clock;
  readonly #wanted = new Set<RemoteListen>();
  #asked: Asked[] = [];
  #session: Session | null = null;
  #hasSettled = false;
  /** Called once, when there is a session and the server has answered for all listeners of it. */
  onSettled: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(listen: RemoteListen): void {
    this.#wanted.add(listen);
    if (this.#session !== null) this.#ask(this.#session, listen);
  }

  /** Ends the listener at the server; the streams of what it has accepted go on. */
  remove(listen: RemoteListen): void {
    this.#wanted.delete(listen);
    const asked = this.#asked.find((one) => one.listen === listen);
    if (asked === undefined) return;
    this.#forget(asked);
    startClose(asked.stream); // without an answer until now there will be none
    this.#answered(asked);
  }

  /** A session that goes on keeps its listeners. Null: there is none for now. */
  useSession(session: Session | null): void {
    if (session === this.#session) return;
    this.#session = session;
    this.#asked = [];
    if (session === null) return;
    for (const listen of this.#wanted) this.#ask(session, listen);
    this.#settle();
  }

  #answered(asked: Asked): void {
    asked.isUnanswered = false;
    this.#settle();
  }

  #settle(): void {
    if (this.#hasSettled || this.#session === null) return;
    if (this.#asked.some(({ isUnanswered }) => isUnanswered)) return;
    this.#hasSettled = true;
    this.onSettled?.();
  }

  #ask(session: Session, listen: RemoteListen): void {
    if (!session.mux.canOpen) return listen.refused(Refusal.generalFailure);
    const open: Open = { kind: listen.kind, address: listen.address };
    const stream = session.mux.open(open, formatAddr(listen.address), {
      opened: (address) => {
        listen.opened(address);
        this.#watch(asked);
        this.#answered(asked);
      },
      refused: (code) => {
        this.#over(asked, () => listen.refused(code ?? Refusal.generalFailure));
        this.#answered(asked);
      },
    });
    const asked: Asked = { listen, stream, isUnanswered: true };
    this.#asked.push(asked);
  }

  /** Nothing comes on such a stream but its end. */
  #watch(asked: Asked): void {
    const { listen, stream } = asked;
    const ended = () => this.#over(asked, () => listen.ended());
    discard(stream, this.#clock).then(ended, ended);
  }

  /** Tells of an end, unless this end has asked for it, or it is the session's, which ends all. */
  #over(asked: Asked, tell: () => void): void {
    startClose(asked.stream);
    if (!this.#asked.includes(asked)) return;
    this.#forget(asked);
    tell();
  }

  #forget(asked: Asked): void {
    this.#asked = this.#asked.filter((one) => one !== asked);
  }

  /** Answers a stream that the server has opened: only a listener's of this end are taken. */
  onOpened(stream: MuxStream, { kind, address, listener }: Open): void {
    const asked = kind === OpenKind.accepted
      ? this.#asked.find(({ stream: { id } }) => id === listener)
      : undefined;
    if (asked === undefined) return stream.answer(Refusal.notAllowed, null);
    asked.listen.accepted(stream, address ?? UNKNOWN);
  }
}
