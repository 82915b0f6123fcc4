/** Both ends of a transfer on loopback, in a folder of the test's own. */
import assert from "node:assert/strict";
import { type Process, spawnHere } from "./proxy_pair.ts";
import { KEY, ttunCommand } from "./tunnel.ts";

/** A run takes this long at most: machines may be loaded. */
export const MOST_MS = 60_000;

export class TransferWorld implements AsyncDisposable {
  readonly path: string;
  readonly #running: Process[] = [];

  /** In memory, where there is room: a busy disk would make files that wait for it slow. */
  constructor({ isLarge = false } = {}) {
    const dir = isLarge ? {} : { dir: "/dev/shm" };
    this.path = Deno.makeTempDirSync({ ...dir, prefix: "ttun-transfer-" });
    Deno.mkdirSync(`${this.path}/out`);
  }

  /** Writes a file that is to be sent; returns its path. */
  write(name: string, content: Uint8Array | string, mode = 0o644): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.writeFileSync(path, bytes);
    Deno.chmodSync(path, mode);
    return path;
  }

  /** Starts an end; `stdin` as `Process` has it. */
  start(
    args: readonly string[],
    o: { key?: string; stdin?: { text: string } | "piped"; wrap?: readonly string[] } = {},
  ): Process {
    const { key = KEY, stdin, wrap = [] } = o;
    const [command, rest] = ttunCommand(...args);
    const [program, ...before] = [...wrap, command];
    const process = spawnHere(program!, [...before, ...rest], {
      env: { TTUN_KEY: key, NO_COLOR: "1", STATE_DIRECTORY: "/dev/null/none" },
      cwd: this.path,
      ...(stdin !== undefined && { stdin }),
    });
    this.#running.push(process);
    return process;
  }

  /** Starts an end that waits; resolves with it and its address. */
  async listen(args: readonly string[], o: Parameters<this["start"]>[1] = {}) {
    const end = this.start([...args, "-l", "127.0.0.1:0"], o);
    const [, address] = await end.waitFor(/waiting for the other end {2}address=(\S+)/, MOST_MS);
    return { end, address: address! };
  }

  /** Resolves when the condition is there. */
  async until(condition: () => boolean): Promise<void> {
    for (const end = Date.now() + MOST_MS; !condition();) {
      assert.ok(Date.now() < end, "it does not come");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Names in a folder below the test's own, sorted. */
  names(folder = "out"): string[] {
    return [...Deno.readDirSync(`${this.path}/${folder}`)].map(({ name }) => name).sort();
  }

  /** Bytes of the only unfinished file in `out`; 0 = there is none. */
  partBytes(): number {
    const part = this.names().find((name) => name.startsWith(".ttun-part-"));
    return part === undefined ? 0 : Deno.statSync(`${this.path}/out/${part}`).size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#running) await process[Symbol.asyncDispose]();
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Waits for an end's end, which must have this exit code. */
export async function expectCode(end: Process, code: number): Promise<void> {
  const status = await end.status;
  await end.closed;
  assert.equal(status.code, code, end.output);
}

export function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  return bytes;
}
