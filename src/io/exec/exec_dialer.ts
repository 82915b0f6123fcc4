import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import { openPipe, openSocketPair, setBlocking } from "../../../ffi/linux/socket.ts";
import { type Program, shellCommand } from "../../../ffi/linux/spawn.ts";
import { NativeError } from "../../../ffi/native.ts";
import { closedHere } from "../net/net_errors.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { DialerTools } from "../transport.ts";
import { CommandErrors } from "./command_errors.ts";
import { ExecStream } from "./exec_stream.ts";
import { RunningCommand } from "./running_command.ts";

/** The key is for no other program. */
const SECRET_VARIABLES = ["TTUN_KEY"];

/** Lines of the command in the log within the window of milliseconds. */
const LINES = { lines: 100, ofPeer: 100, window: 10_000 };

/**
 * Starts a command for each connection, as ssh does its ProxyCommand: standard input and output are
 * the connection, what it prints to standard error goes to the log. It ends with the connection.
 */
export class ExecDialer implements Dialer<void> {
  readonly #name: string;
  readonly #reactor: Reactor;
  readonly #log: Logger;
  readonly #shell: Program;
  readonly #lines: RateLimitedLog;

  constructor(command: string, { name, reactor, log, opened }: DialerTools) {
    this.#name = name;
    this.#reactor = reactor;
    this.#log = log;
    const line = `exec ${command}`;
    const withoutVariables = SECRET_VARIABLES;
    this.#shell = opened.use(shellCommand(reactor.libc, line, { withoutVariables }));
    this.#lines = new RateLimitedLog(log, () => reactor.now(), LINES);
  }

  start(_: void, { signal, cancel }: DialOptions, events: DialEvents): boolean | void {
    let stream: ExecStream;
    try {
      signal.throwIfAborted();
      cancel?.throwIfAborted();
      stream = this.#run(signal);
    } catch (thrown) {
      return events.failed(thrown instanceof NativeError ? this.#cannot(thrown) : thrown);
    }
    return events.connected(stream);
  }

  readonly #say = (line: string): void => {
    this.#lines.info("the command of exec: says", { line });
  };

  /** @throws {NativeError} */
  #run(signal: AbortSignal): ExecStream {
    const reactor = this.#reactor;
    const { libc } = reactor;
    using theirs = new DisposableStack();
    using unused = new DisposableStack();
    const [near, far] = openSocketPair(libc, "stream");
    theirs.defer(() => libc.close(far));
    const descriptor = reactor.own(near, signal);
    unused.defer(() => descriptor.close(closedHere));
    const [fromStderr, stderr] = openPipe(libc);
    theirs.defer(() => libc.close(stderr));
    const errors = unused.use(new CommandErrors(reactor, fromStderr, this.#say));
    for (const fd of [far, stderr]) setBlocking(libc, fd);
    const pid = this.#shell.run({ stdin: far, stdout: far, stderr });
    unused.move();
    const command = new RunningCommand(reactor, pid, { log: this.#log, errors });
    return new ExecStream(reactor, descriptor, this.#name, { command, signal });
  }

  #cannot(cause: NativeError): TtunError {
    const isFull = cause.is("EMFILE", "ENFILE", "ENOMEM", "EAGAIN");
    return new TtunError(
      isFull ? "exhausted" : "system",
      `Cannot run the command of exec: by /bin/sh: ${cause.message}`,
      { cause },
    );
  }
}
