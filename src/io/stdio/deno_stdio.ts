import { TtunError } from "../../base/errors.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { systemError } from "../deno_errors.ts";
import { Lifetime, Waiter } from "../net/lifetime.ts";
import { LEAST_AHEAD, ReadAhead } from "../net/read_ahead.ts";
import { WriteBehind } from "../net/write_behind.ts";

/** Deno's standard input and output, or others for tests. */
export interface DenoStdioEnds {
  readonly input: Pick<typeof Deno.stdin, "read">;
  readonly output: Pick<typeof Deno.stdout, "write">;
}

/**
 * Standard input and output on systems without the reactor, by Deno's own calls. These have copies
 * of the descriptors, so that whoever reads the output sees its end when the process ends; and a
 * read that waits cannot be ended, so that the process must be.
 */
export class DenoStdioStream implements Stream {
  readonly peer = "stdio";
  readonly #input: DenoStdioEnds["input"];
  readonly #output: DenoStdioEnds["output"];
  readonly #life: Lifetime;
  readonly #reader = new Waiter();
  readonly #writer = new Waiter();
  readonly #behind = new WriteBehind((bytes) => this.#write(bytes), this.#writer.wake);
  #ahead: ReadAhead | null = null;
  #aheadSize = LEAST_AHEAD;
  #hasEnded = false;

  /** It lives under `signal`. */
  constructor(
    signal: AbortSignal,
    { input, output }: DenoStdioEnds = { input: Deno.stdin, output: Deno.stdout },
  ) {
    this.#input = input;
    this.#output = output;
    this.#life = new Lifetime(signal, () => {
      this.#reader.wakeSoon();
      this.#writer.wakeSoon();
    });
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#life.check();
    const ahead = this.#ahead;
    if (ahead === null || !ahead.isOver) return undefined;
    const got = ahead.take(into);
    if (ahead.isEmpty) this.#ahead = null;
    return got;
  }

  /** Starts a read, whose bytes are kept for `readNow`. */
  onReadable(run: OnReady): void {
    this.#life.check();
    this.#reader.set(run);
    if (this.#ahead !== null) {
      if (this.#ahead.isOver) this.#reader.wakeSoon();
      return;
    }
    const ahead: ReadAhead = new ReadAhead(this.#aheadSize, (bytes) => this.#read(bytes), () => {
      this.#aheadSize = ahead.nextSize;
      this.#reader.wake(); // `run` must not throw
    });
    this.#ahead = ahead;
  }

  async #read(into: Uint8Array): Promise<number | null> {
    try {
      return await this.#input.read(into);
    } catch (thrown) {
      throw stdioError(thrown, "read standard input");
    }
  }

  writeNow(bytes: Uint8Array): number {
    this.#life.check();
    if (this.#hasEnded) {
      throw new TtunError("lost", "Cannot write standard output: it has been ended");
    }
    return this.#behind.take(bytes);
  }

  onWritable(run: OnReady): void {
    this.#life.check();
    this.#writer.set(run);
    if (this.#behind.writing === null) this.#writer.wakeSoon();
  }

  async #write(bytes: Uint8Array): Promise<number> {
    try {
      return await this.#output.write(bytes);
    } catch (thrown) {
      throw stdioError(thrown, "write standard output");
    }
  }

  /** Resolves when all is written. */
  async closeWrite(): Promise<void> {
    this.#life.check();
    this.#hasEnded = true;
    await this.#behind.writing;
    this.#behind.check();
  }

  reset(): void {
    this.#life.end(new TtunError("lost", "Cannot go on: standard input and output were closed"));
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
  }
}

function stdioError(thrown: unknown, doing: string): unknown {
  const error = systemError(thrown, doing);
  const isGone = thrown instanceof Deno.errors.BrokenPipe ||
    error?.is("EPIPE", "ECONNRESET", "EIO") === true;
  if (!isGone && error === null) return thrown;
  const why = isGone ? "the other end has closed it" : error!.message;
  return new TtunError(isGone ? "lost" : "system", `Cannot ${doing}: ${why}`, { cause: thrown });
}
