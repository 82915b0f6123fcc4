/** `ttun proxy server` and `ttun proxy client`, started as users start them, on one loopback. */
import assert from "node:assert/strict";
import { Process, type RunOptions, type RunResult } from "../netns.ts";
import type { SpawnOptions } from "../process.ts";
import { NO_WARM_UP } from "./tunnel.ts";
export { Process };

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

export const KEY = "vbYTtPqk3wU4yhDZ1s0dLQ";
export const LOOPBACK = "127.0.0.1";

/** Below the ports that the kernel gives to those who connect: none of these is in the way. */
export const RANGE = "20000-30000";

const RUN_MS = 30_000;

/** The machine's own proxy is none of the tests' business. */
const NO_PROXY = Object.fromEntries(
  ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
    .flatMap((name) => [name, name.toUpperCase()]).map((name) => [name, ""]),
);

/** Starts a program; `Host.spawn` is one of these, for a namespace of a test's own. */
export type Spawn = (command: string, args: string[], options?: SpawnOptions) => Process;

/** Where the test run is. When it is killed, nothing of ours runs on. */
export const spawnHere: Spawn = (command, args, options = {}) =>
  new Process("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], {
    ...options,
    env: { ...NO_PROXY, ...options.env },
  });

/** Runs a program where the test run is, to its end; never throws. */
export async function run(
  command: string,
  args: string[],
  { timeoutMs = RUN_MS, ...options }: RunOptions = {},
): Promise<RunResult> {
  await using process = spawnHere(command, args, options);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    process.signal("SIGKILL");
  }, timeoutMs);
  const { code } = await process.status.finally(() => clearTimeout(timer));
  await process.closed;
  return { code, stdout: process.stdout, stderr: process.stderr, timedOut };
}

/** The command line of `ttun proxy`, from its sources. */
export function proxyCommand(...args: string[]): [string, string[]] {
  return [Deno.execPath(), ["run", "-A", "--no-prompt", MAIN, "proxy", ...args]];
}

export const ENV = { TTUN_KEY: KEY, NO_COLOR: "1" };

export interface EndOptions {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly range?: string;
  readonly spawn?: Spawn;
}

/** A server on loopback, whose ports are open. It lets clients connect to loopback. */
export function startServer(o: EndOptions = {}): Promise<Process> {
  const first = ["server", "-l", LOOPBACK, "--allow", "127.0.0.0/8"];
  return startEnd(first, / ports {2}open=/, o);
}

/** A client that listens, on a port of the kernel's choice (`portOf`). */
export function startClient(o: EndOptions = {}): Promise<Process> {
  return startEnd(["client", "-s", LOOPBACK, "-l", `${LOOPBACK}:0`], / listening /, o);
}

async function startEnd(
  first: string[],
  ready: RegExp,
  { args = [], env = {}, range = RANGE, spawn = spawnHere }: EndOptions,
): Promise<Process> {
  const [command, all] = proxyCommand(...first, "-v", NO_WARM_UP, "-r", range, ...args);
  await using stack = new AsyncDisposableStack();
  const end = stack.use(spawn(command, all, { env: { ...ENV, ...env } }));
  await end.waitFor(ready);
  stack.move();
  return end;
}

/** The port where a client is a proxy. */
export function portOf(client: Process): number {
  return Number(/ listening {2}address=\S+:(\d+) /.exec(client.output)![1]);
}

/** The ports that a server has opened, as its log has told last. */
export function serverPorts(server: Process): number[] {
  const said = [...server.output.matchAll(/ ports {2}open="?([^"\n]*)/g)].at(-1)![1]!;
  return [...said.matchAll(/(\d+) until/g)].map(([, port]) => Number(port));
}

export interface Pair extends AsyncDisposable {
  readonly server: Process;
  readonly client: Process;
  /** Of the client, on 127.0.0.1. */
  readonly port: number;
  /** 127.0.0.1:PORT. */
  readonly proxy: string;
}

export interface PairOptions {
  readonly both?: readonly string[];
  readonly server?: readonly string[];
  readonly client?: readonly string[];
  readonly range?: string;
  readonly spawn?: Spawn;
}

/** Both ends. Disposal ends them, and fails when they do not end well, or had internal errors. */
export async function openPair(o: PairOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const { both = [], range = RANGE, spawn = spawnHere } = o;
  const [server, client] = (await Promise.allSettled([
    startServer({ args: [...both, ...o.server ?? []], range, spawn }),
    startClient({ args: [...both, ...o.client ?? []], range, spawn }),
  ])).map((end) => {
    if (end.status === "rejected") throw end.reason;
    return stack.adopt(end.value, endWell);
  }) as [Process, Process];
  const owned = stack.move();
  const port = portOf(client);
  return {
    server,
    client,
    port,
    proxy: `${LOOPBACK}:${port}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Asks an end to end; its log must not tell of a bug, nor of the key. */
export async function endWell(end: Process): Promise<void> {
  await end[Symbol.asyncDispose]();
  const { code, signal } = await end.status;
  assert.equal(code, 0, `It ended with code ${code} (signal ${signal}) after:\n${end.output}`);
  expectCleanLog(end);
}

export function expectCleanLog(end: Process): void {
  assert.doesNotMatch(end.output, /^\S+Z error|\bat \S+\.ts:\d+|internal|does not stop/m);
  assert(!end.output.includes(KEY), "the key is in the log");
}
