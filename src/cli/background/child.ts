import { duplicate, isSocket, letGo, STDERR, STDIN, STDOUT } from "../../../ffi/linux/inherited.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { SIGTERM } from "../../../ffi/linux/signal.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../../../ffi/linux/socket.ts";
import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { standardError } from "../output/log_output.ts";
import {
  type Handover,
  HANDOVER_MARK,
  isHandover,
  parseHandover,
  READY,
  type Secrets,
} from "./handover.ts";

const MSG_PEEK = 0x02;

/** Of linux/prctl.h. */
const PR_SET_PDEATHSIG = 1;
const NO_SIGNAL = 0n;

const PIECE = 64 * 1024;

/** Milliseconds to write the last lines that the user sees. */
const FLUSH_MS = 300;

/** This process, when another one has started it in the background and waits for it. */
export class BackgroundChild implements Disposable {
  /** Read or asked for by the other process. */
  readonly secrets: Secrets;
  readonly #libc: Libc;
  readonly #keepsOutput: boolean;
  #channel: number | null;

  constructor(libc: Libc, channel: number, { secrets, keepsOutput }: Handover) {
    this.#libc = libc;
    this.#channel = channel;
    this.secrets = secrets;
    this.#keepsOutput = keepsOutput;
  }

  /**
   * Lets the other process end, and lets go of the terminal; standard output and error stay only if
   * they are files, or handed over. Later calls do nothing. Needs no permissions.
   * @throws {TtunError} lost, if the other process has been ended before
   */
  async ready(): Promise<void> {
    if (this.#channel === null) return;
    await standardError.flush(FLUSH_MS);
    this.#libc.prctl(PR_SET_PDEATHSIG, NO_SIGNAL);
    if (!this.#keepsOutput) { for (const fd of [STDOUT, STDERR]) letGo(this.#libc, fd); }
    const sent = this.#libc.send(this.#channel, READY, MSG_NOSIGNAL | MSG_DONTWAIT);
    this.#close();
    if (sent !== READY.length) {
      throw new TtunError("lost", "The process that has started this one is there no more");
    }
  }

  #close(): void {
    if (this.#channel !== null) this.#libc.close(this.#channel);
    this.#channel = null;
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#libc[Symbol.dispose]();
  }
}

/**
 * Takes over from the process that has started this one in the background; null if none has. From
 * then on standard input is empty, and until this process is ready it ends with the other one.
 */
export function takeOver(): BackgroundChild | null {
  using opened = new DisposableStack();
  const libc = opened.use(openLibc());
  const begin = new Uint8Array(HANDOVER_MARK.length);
  if (!isSocket(libc, STDIN)) return null;
  if (libc.recv(STDIN, begin, MSG_PEEK | MSG_DONTWAIT) !== begin.length) return null;
  if (!isHandover(begin)) return null;
  const handover = parseHandover(readAll(libc));
  const channel = duplicate(libc, STDIN);
  libc.prctl(PR_SET_PDEATHSIG, BigInt(SIGTERM));
  opened.move();
  letGo(libc, STDIN, channel);
  return new BackgroundChild(libc, channel, handover);
}

/** All has been sent before this process began. */
function readAll(libc: Libc): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const piece = new Uint8Array(PIECE);
    const got = libc.recv(STDIN, piece, MSG_DONTWAIT);
    if (got <= 0) return concat(...parts);
    parts.push(piece.subarray(0, got));
  }
}
