import { onAbort } from "../../base/scope.ts";
import { LocalStream } from "../net/local_stream.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import type { RunningCommand } from "./running_command.ts";

/** The connection with a command, which ends with it. */
export class ExecStream extends LocalStream {
  readonly #command: RunningCommand;
  readonly #registration: Disposable;

  constructor(
    reactor: Reactor,
    descriptor: Descriptor,
    name: string,
    { command, signal }: { readonly command: RunningCommand; readonly signal: AbortSignal },
  ) {
    super(reactor, descriptor, name);
    this.#command = command;
    this.#registration = onAbort(signal, () => void command.end()); // never rejects
  }

  override reset(): void {
    super.reset();
    void this.#command.end(); // never rejects
  }

  /** Resolves when the command and all that it started are gone. */
  override async [Symbol.asyncDispose](): Promise<void> {
    this.#registration[Symbol.dispose]();
    await super[Symbol.asyncDispose]();
    await this.#command.end();
  }
}
