import assert from "node:assert/strict";
import { Stopped } from "../command/context.ts";
import { promptSecret, type Terminal } from "./prompt.ts";

/** A terminal at which `chunks` are typed, then nothing more. */
class FakeTerminal implements Terminal {
  readonly raw: boolean[] = [];
  shown = "";
  readonly #chunks: Uint8Array[];

  constructor(...chunks: (string | Uint8Array)[]) {
    this.#chunks = chunks.map((c) => typeof c === "string" ? new TextEncoder().encode(c) : c);
  }

  isTerminal(): boolean {
    return true;
  }
  setRaw(on: boolean): void {
    this.raw.push(on);
  }
  read(into: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return new Promise(() => {});
    into.set(chunk);
    return Promise.resolve(chunk.length);
  }
  write(text: string): void {
    this.shown += text;
  }
}

async function typed(...chunks: (string | Uint8Array)[]): Promise<string> {
  const terminal = new FakeTerminal(...chunks);
  const bytes = await promptSecret(terminal, "Key: ", options());
  assert.deepEqual(terminal.raw, [true, false]);
  assert.equal(terminal.shown, "Key: \n");
  return new TextDecoder().decode(bytes);
}

function options(limit = 64) {
  return { signal: new AbortController().signal, limit };
}

Deno.test("what is typed up to Enter is the answer, and nothing of it is shown", async () => {
  assert.equal(await typed("secret\r"), "secret");
  assert.equal(await typed("se", "cr", "et\n", "more"), "secret");
  assert.equal(await typed(" spaces stay \r"), " spaces stay ");
  assert.equal(await typed("\r"), "");
});

Deno.test("Ctrl-D ends the answer as Enter does", async () => {
  assert.equal(await typed("secret\x04"), "secret");
  assert.equal(await typed("\x04"), "");
});

Deno.test("Backspace takes back a whole character, Ctrl-U all", async () => {
  assert.equal(await typed("sex\x7fcret\r"), "secret");
  assert.equal(await typed("a€\x08b\r"), "ab");
  assert.equal(await typed("\x7f\x7fok\r"), "ok");
  assert.equal(await typed("wrong\x15right\r"), "right");
});

Deno.test("arrow keys and other control keys are no part of the answer", async () => {
  assert.equal(await typed("a\x1b[A\x1bOPb\x1b[1;5C\x01\tc\r"), "abc");
  assert.equal(await typed("a\x1b", "[", "3", "~b\r"), "ab");
});

Deno.test("Ctrl-C stops with exit code 130, the terminal restored", async () => {
  const terminal = new FakeTerminal("sec\x03ret\r");
  await assert.rejects(
    promptSecret(terminal, "Key: ", options()),
    (error) => error instanceof Stopped && error.exitCode === 130,
  );
  assert.deepEqual(terminal.raw, [true, false]);
});

Deno.test("a signal ends a prompt that waits, the terminal restored", async () => {
  const terminal = new FakeTerminal("sec");
  const root = new AbortController();
  const asked = promptSecret(terminal, "Key: ", { signal: root.signal, limit: 64 });
  const reason = new Stopped("SIGTERM");
  queueMicrotask(() => root.abort(reason));
  await assert.rejects(asked, (error) => error === reason);
  assert.deepEqual(terminal.raw, [true, false]);
});

Deno.test("an answer over the limit is refused", async () => {
  const terminal = new FakeTerminal("12345");
  await assert.rejects(promptSecret(terminal, "Key: ", options(4)), { kind: "usage" });
  assert.deepEqual(terminal.raw, [true, false]);
});
