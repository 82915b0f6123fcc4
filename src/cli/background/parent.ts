import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { STDERR, STDOUT } from "../../../ffi/linux/inherited.ts";
import { SIGKILL, SIGTERM, WNOHANG } from "../../../ffi/linux/signal.ts";
import {
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  openSocketPair,
  setBlocking,
  shutdownWrite,
} from "../../../ffi/linux/socket.ts";
import { Program } from "../../../ffi/linux/spawn.ts";
import { NativeError } from "../../../ffi/native.ts";
import { TtunError } from "../../base/errors.ts";
import { type Handover, packHandover, type Secrets } from "./handover.ts";
import { ownArgv } from "../platform/own_argv.ts";

/** Milliseconds between two looks: the main thread must hear signals meanwhile. */
const LOOK_MS = 10;

/** Milliseconds for the new process to end when it is told to. */
const GRACE_MS = 2000;

/** These are for no other program's eyes, and go another way. */
const SECRET_VARIABLES = [
  "TTUN_KEY=",
  "TTUN_PROXY_AUTH=",
  "TTUN_TOX_SECRET=",
  "TUNTOX_SHARED_SECRET=",
];

/**
 * Starts this program anew in the background, in a session of its own with the same arguments, and
 * waits until it is ready. Returns the exit code: 0, or that of the new process if it has ended,
 * which has said why.
 * @throws {TtunError} system, exhausted; lost, if it has ended with 0 before it was ready
 * @throws the reason of the signal, when the new process has been ended
 */
export async function startInBackground(secrets: Secrets, signal: AbortSignal): Promise<number> {
  using libc = openLibc();
  libc.openRare();
  const argv = ownArgv(libc);
  return (await startProgram(libc, { argv, secrets, keepsOutput: false }, signal)).code;
}

/** A process in the background, and its exit code, which is 0 also if it is ready and goes on. */
export interface Started {
  readonly pid: number;
  readonly code: number;
}

/**
 * Starts this program with other arguments in the background, and waits until it is ready or has
 * ended. `argv` begins with what this one was started by. `libc` has `openRare` behind it.
 * @throws as `startInBackground`
 */
export async function startProgram(
  libc: Libc,
  program: Handover & { readonly argv: readonly Uint8Array[] },
  signal: AbortSignal,
): Promise<Started> {
  signal.throwIfAborted();
  using child = start(libc, program);
  for (const answer = new Uint8Array(1);;) {
    const got = libc.recv(child.channel, answer, MSG_DONTWAIT);
    if (got > 0) return { pid: child.pid, code: 0 };
    if (got !== -Errno.EAGAIN) break;
    if (signal.aborted) {
      await end(libc, child.pid);
      signal.throwIfAborted();
    }
    await pause();
  }
  const code = await exitCode(libc, child.pid);
  if (code !== 0) return { pid: child.pid, code };
  throw new TtunError(
    "lost",
    `Process ${child.pid} in the background was told to end before it was ready; start it again`,
  );
}

interface Child extends Disposable {
  readonly pid: number;
  /** Has a byte when it is ready, and an end when it has ended. */
  readonly channel: number;
}

function start(
  libc: Libc,
  { argv, ...handover }: Handover & { readonly argv: readonly Uint8Array[] },
): Child {
  using opened = new DisposableStack();
  try {
    const [near, far] = openSocketPair(libc, "stream");
    opened.defer(() => libc.close(near));
    using _far = { [Symbol.dispose]: () => void libc.close(far) };
    setBlocking(libc, far);
    handOver(libc, near, handover);
    using program = new Program(libc, {
      path: Deno.execPath(),
      argv,
      withoutVariables: SECRET_VARIABLES,
      keepsAmbientCapabilities: true,
    });
    const pid = program.run({ stdin: far, stdout: STDOUT, stderr: STDERR });
    const owned = opened.move();
    return { pid, channel: near, [Symbol.dispose]: () => owned.dispose() };
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    const isFull = error.is("EMFILE", "ENFILE", "ENOMEM", "EAGAIN");
    const message = `Cannot start ttun in the background: ${error.message}`;
    throw new TtunError(isFull ? "exhausted" : "system", message, { cause: error });
  }
}

/** Sends all at once, before anybody reads: a socket takes more than secrets have. */
function handOver(libc: Libc, channel: number, handover: Handover): void {
  const message = packHandover(handover);
  const sent = libc.send(channel, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) throw new NativeError("send", -sent);
  if (sent < message.length) throw new NativeError("send", Errno.ENOMEM);
  shutdownWrite(libc, channel);
}

async function end(libc: Libc, pid: number): Promise<void> {
  libc.kill(pid, SIGTERM);
  for (let waited = 0; reap(libc, pid) === null; waited += LOOK_MS) {
    if (waited >= GRACE_MS) libc.kill(pid, SIGKILL);
    await pause();
  }
}

async function exitCode(libc: Libc, pid: number): Promise<number> {
  for (;;) {
    const code = reap(libc, pid);
    if (code !== null) return code;
    await pause();
  }
}

/** Returns the exit code, as a shell has it after a signal; null while the process is there. */
export function reap(libc: Libc, pid: number): number | null {
  const status = new Int32Array(1);
  const found = libc.waitpid(pid, new Uint8Array(status.buffer), WNOHANG);
  if (found === 0) return null;
  if (found < 0) return 1; // whoever started ttun wants none of its children to be waited for
  const signal = status[0]! & 0x7f;
  return signal === 0 ? (status[0]! >> 8) & 0xff : 128 + signal;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
