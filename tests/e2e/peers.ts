import assert from "node:assert/strict";
import { PUBLIC } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { ENV, ttunCommand } from "./tunnel.ts";

/** No key is in the environment. */
export const NO_KEY = { STATE_DIRECTORY: ENV.STATE_DIRECTORY };

/** Files of an end, which are its standard input and output. */
export interface Redirects {
  readonly input: string;
  readonly output: string;
}

/** Starts `ttun peer` with such arguments. */
export function startPipe(
  host: Host,
  { input, output }: Redirects,
  args: readonly string[],
  env: Record<string, string> = NO_KEY,
): Process {
  const [command, rest] = ttunCommand("peer", ...args);
  const script = `exec "$@" <${input} >${output}`;
  return host.spawn("sh", ["-euc", script, "sh", command, ...rest], { env });
}

/** Starts the end with the public address of that number. */
export function startPeer(
  host: Host,
  number: 0 | 1,
  files: Redirects,
  ...args: string[]
): Process {
  const addresses = ["-v", "-myip", PUBLIC[number], "-peerip", PUBLIC[1 - number]!];
  return startPipe(host, files, [...addresses, ...args]);
}

export interface Files extends AsyncDisposable {
  readonly path: string;
  /** Files with so many random bytes, to be sent by the ends. */
  readonly sent: readonly [string, string];
  readonly got: readonly [string, string];
  expectSame(): Promise<void>;
}

export async function makeFiles(...bytes: [number, number]): Promise<Files> {
  const path = await Deno.makeTempDir();
  const sent = bytes.map((_, i) => `${path}/sent${i}`) as [string, string];
  const got = bytes.map((_, i) => `${path}/got${i}`) as [string, string];
  for (const [i, count] of bytes.entries()) {
    const file = await Deno.open(sent[i]!, { write: true, create: true });
    const writer = file.writable.getWriter();
    for (let left = count; left > 0; left -= 65_536) {
      await writer.write(crypto.getRandomValues(new Uint8Array(Math.min(left, 65_536))));
    }
    await writer.close();
  }
  return {
    path,
    sent,
    got,
    async expectSame() {
      for (const [i, file] of sent.entries()) {
        const [a, b] = await Promise.all([file, got[1 - i]!].map((name) => Deno.readFile(name)));
        assert.equal(a!.length, b!.length);
        assert.deepEqual(await sha256(a!), await sha256(b!));
      }
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export const filesOf = (files: Files, i: 0 | 1) => ({ input: files.sent[i], output: files.got[i] });
