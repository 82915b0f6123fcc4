/** Starting the programs of a pair. */
import type { Host, Process } from "../../netns.ts";
import type { SpawnOptions } from "../../process.ts";

export const LOOPBACK = "127.0.0.1";
/** Where a pair's client takes SOCKS5. */
export const SOCKS_PORT = 1080;
/** The client's port takes SOCKS5, or leads to the target. */
export const BY_SOCKS = { socksPort: SOCKS_PORT } as const;
export const BY_FORWARD = { socksPort: null, forwardPort: SOCKS_PORT } as const;
/** Where its server listens, of those who have one port. */
export const SERVER_PORT = 8388;

/** Two descriptors for each connection through an end, and some of its own. */
const DESCRIPTORS = 16_384;
const READY_MS = 20_000;
const LOOK_MS = 20;
/** State of a socket that listens, in /proc/net/tcp. */
const LISTEN = "0A";

/** The command that lets a program open thousands of connections, and becomes it. */
export function withDescriptors(command: string, args: string[]): [string, string[]] {
  return ["prlimit", [`--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, "--", command, ...args]];
}

/** Starts a program with as many. */
export function spawnEnd(
  host: Host,
  command: string,
  args: string[],
  options: SpawnOptions = {},
): Process {
  return host.spawn(...withDescriptors(command, args), options);
}

/** Waits until the program, or another of its host, listens on a port between the two. */
export async function untilListening(
  host: Host,
  process: Process,
  first: number,
  last = first,
): Promise<void> {
  let ended = false;
  process.closed.then(() => ended = true);
  for (const deadline = performance.now() + READY_MS; !listens(host, first, last);) {
    if (ended) throw new Error(`A program ended early: ${process.output}`);
    if (performance.now() > deadline) {
      throw new Error(`Nobody listens on port ${first} to ${last}: ${process.output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A look that opens no connection: an end must not have served anybody before it is measured. */
function listens(host: Host, first: number, last: number): boolean {
  return ["tcp", "tcp6"].some((table) =>
    Deno.readTextFileSync(`/proc/${host.pid}/net/${table}`).split("\n").some((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const port = parseInt(local.split(":")[1] ?? "", 16);
      return state === LISTEN && port >= first && port <= last;
    })
  );
}
