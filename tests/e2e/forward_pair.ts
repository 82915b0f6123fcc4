/** `ttun server --no-tun` and `ttun client` with forwards, started as users start them. */
import assert from "node:assert/strict";
import {
  endWell,
  ENV,
  expectCleanLog,
  LOOPBACK,
  type Process,
  type Spawn,
  spawnHere,
} from "./proxy_pair.ts";
export { endWell, ENV, expectCleanLog, LOOPBACK, type Process, type Spawn, spawnHere };

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Until an end is there, on a machine that is busy. */
const READY_MS = 30_000;

/** Lets clients connect to targets on loopback. */
export const PERMIT = ["--permit-open", "127.0.0.0/8"];

/** The command line of ttun, from its sources. */
export function ttunCommand(...args: string[]): [string, string[]] {
  return [Deno.execPath(), ["run", "-A", "--no-prompt", MAIN, ...args]];
}

export interface EndOptions {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly spawn?: Spawn;
  /** Of the server: where it listens. Of the client: where it finds the server. */
  readonly at?: string;
}

/** A server without a device, which listens on a port of the kernel's choice if none is given. */
export function startServer(o: EndOptions = {}): Promise<Process> {
  const { at = `${LOOPBACK}:0`, args = PERMIT } = o;
  return startEnd(["server", "--no-tun", "-l", at, ...args], / listening /, o);
}

/** A client that has met its server. */
export function startClient(o: EndOptions & { at: string }): Promise<Process> {
  return startEnd(["client", "-s", o.at, ...o.args ?? []], / authenticated /, o);
}

/** Spawns ttun without waiting for anything. */
export function spawnTtun(args: readonly string[], o: EndOptions = {}): Process {
  const [command, all] = ttunCommand(...args, "-v");
  return (o.spawn ?? spawnHere)(command, all, { env: { ...ENV, ...o.env } });
}

async function startEnd(args: string[], ready: RegExp, o: EndOptions): Promise<Process> {
  await using stack = new AsyncDisposableStack();
  const end = stack.use(spawnTtun(args, o));
  await end.waitFor(ready, READY_MS);
  stack.move();
  return end;
}

/** Address and port where a server listens. */
export function listensAt(server: Process): string {
  return / listening {2}address=(\S+)/.exec(server.output)![1]!;
}

/** The ports of a client's forwards, those of -L first; 0 for a unix socket. */
export function portsOf(client: Process): number[] {
  return [...client.output.matchAll(/ forward {2}listen="?(\S+?)"? /g)]
    .map(([, at]) => Number(/:(\d+)$/.exec(at!)?.[1] ?? 0));
}

export interface Forwards extends AsyncDisposable {
  readonly server: Process;
  readonly client: Process;
  /** Of the forwards, those of -L first; 0 for a unix socket. */
  readonly ports: readonly number[];
}

/** Both ends. Disposal ends them, and fails when they do not end well, or had internal errors. */
export async function openForwards(
  o: { server?: readonly string[]; client: readonly string[]; both?: readonly string[] },
): Promise<Forwards> {
  await using stack = new AsyncDisposableStack();
  const { server: rules = PERMIT, client: forwards, both = [] } = o;
  const server = stack.adopt(await startServer({ args: [...rules, ...both] }), endWell);
  const args = [...forwards, ...both];
  const client = stack.adopt(await startClient({ at: listensAt(server), args }), endWell);
  const owned = stack.move();
  return {
    server,
    client,
    ports: portsOf(client),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until `isSo`. @throws when that takes too long */
export async function until(isSo: () => boolean, what: () => string, ms = 10_000): Promise<void> {
  for (const deadline = performance.now() + ms; !isSo();) {
    assert(performance.now() < deadline, what());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
