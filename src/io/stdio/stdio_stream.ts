import { TtunError } from "../../base/errors.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { replaceByNull } from "../../../ffi/linux/inherited.ts";
import { STDIN, STDOUT } from "../../../ffi/linux/inherited.ts";
import { shutdownWrite } from "../../../ffi/linux/socket.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { openStdioEnd, type StdioEnd } from "./stdio_end.ts";

/** A shared result, as closing is synchronous here. */
const CLOSED = Promise.resolve();

export interface StdioStreamOptions {
  readonly reactor: Reactor;
  /** The stream lives under it. */
  readonly signal: AbortSignal;
  /** Default: standard input. */
  readonly input?: number;
  /** Default: standard output. */
  readonly output?: number;
}

/**
 * Standard input and output as a stream, whatever they are: pipes, a socket, a terminal, files or
 * /dev/null. Their flags stay as they are, as other processes share them. `closeWrite` and the
 * stream's end leave /dev/null in their place, so that the other end sees them closed. There is no
 * reset: the process's exit code tells.
 */
export class StdioStream implements Stream {
  readonly peer = "stdio";
  readonly #reactor: Reactor;
  readonly #input: StdioEnd;
  readonly #output: StdioEnd;
  readonly #inputFd: number;
  readonly #outputFd: number;

  /** @throws {TtunError} system; the signal's reason */
  constructor({ reactor, signal, input = STDIN, output = STDOUT }: StdioStreamOptions) {
    this.#reactor = reactor;
    reactor.libc.openRare();
    this.#inputFd = input;
    this.#outputFd = output;
    try {
      this.#input = openStdioEnd({ reactor, signal, fd: input, access: "read" });
      try {
        this.#output = openStdioEnd({ reactor, signal, fd: output, access: "write" });
      } catch (error) {
        this.#input.close(() => error);
        throw error;
      }
    } catch (thrown) {
      throw stdioError(thrown, "open standard input and output");
    }
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#input.check();
    const got = this.#input.move(into);
    if (got > 0) return got;
    if (got === 0) return null;
    if (got === -Errno.EAGAIN) return undefined;
    throw stdioError(new NativeError("read", -got), "read standard input");
  }

  onReadable(run: OnReady): void {
    this.#input.onReady(run);
  }

  writeNow(all: Uint8Array): number {
    let done = 0;
    while (done < all.length) {
      this.#output.check();
      const took = this.#output.move(done === 0 ? all : all.subarray(done));
      if (took === -Errno.EAGAIN) break;
      if (took < 0) throw stdioError(new NativeError("write", -took), "write standard output");
      done += took;
    }
    return done;
  }

  onWritable(run: OnReady): void {
    this.#output.onReady(run);
  }

  closeWrite(): void {
    this.#output.check();
    const { libc } = this.#reactor;
    try {
      if (this.#output.isSocket) return shutdownWrite(libc, this.#output.fd);
      this.#output.close(ended);
      replaceByNull(libc, this.#outputFd);
    } catch (thrown) {
      throw stdioError(thrown, "end standard output");
    }
  }

  /** Closes both. */
  reset(): void {
    const { libc } = this.#reactor;
    const ends = [[this.#input, this.#inputFd], [this.#output, this.#outputFd]] as const;
    for (const [end, fd] of ends) {
      if (end.isClosed) continue;
      end.close(closedHere);
      replaceByNull(libc, fd);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    return CLOSED;
  }
}

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: standard input and output were closed here");
}

function ended(): TtunError {
  return new TtunError("lost", "Cannot write standard output: it has been ended");
}

function stdioError(thrown: unknown, doing: string): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  const isGone = thrown.is("EPIPE", "ECONNRESET", "EIO");
  const why = isGone ? "the other end has closed it" : thrown.message;
  return new TtunError(isGone ? "lost" : "system", `Cannot ${doing}: ${why}`, { cause: thrown });
}
