import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { Stopped } from "../command/context.ts";
import { askYesNo, keepingKeys } from "./ask.ts";

/** A terminal on which these keys are typed; null = it is closed. */
function terminal(...keys: (string | null)[]) {
  const words: string[] = [];
  return {
    words,
    isTerminal: () => true,
    setRaw: (on: boolean) => void words.push(on ? "raw" : "cooked"),
    read: (into: Uint8Array) => {
      if (keys.length === 0) return new Promise<never>(() => {});
      const key = keys.shift() ?? null;
      if (key === null) return Promise.resolve(null);
      into.set(new TextEncoder().encode(key));
      return Promise.resolve(key.length);
    },
    write: (text: string) => void words.push(text),
  };
}

const { signal } = new AbortController();

Deno.test("a question is answered by y or n, and others keys are no answer", async () => {
  const yes = terminal("x", "y");
  assert.equal(await askYesNo(yes, "Take it?", signal), true);
  assert.deepEqual(yes.words, ["raw", "Take it? [y/N] ", "cooked", "yes\r\n"]);
  for (const key of ["n", "N", "\r", "\x04", "\x1b", null]) {
    assert.equal(await askYesNo(terminal(key), "Take it?", signal), false);
  }
});

Deno.test("Ctrl-C and a stop end the question, and the terminal is as it was", async () => {
  const stopped = terminal("\x03");
  await assert.rejects(
    askYesNo(stopped, "?", signal),
    (error) => error instanceof Stopped && error.exitCode === 130,
  );
  const stop = new AbortController();
  const waiting = terminal();
  const asking = askYesNo(waiting, "?", stop.signal);
  stop.abort(new Error("the end"));
  await assert.rejects(asking, { message: "the end" });
  for (const one of [stopped, waiting]) assert.equal(one.words.at(-2), "cooked");
});

Deno.test("a question that was given up leaves its key to the next one", async () => {
  const typed = Promise.withResolvers<number>();
  const kept = keepingKeys({
    ...terminal(),
    read: async (into) => {
      into[0] = await typed.promise;
      return 1;
    },
  });
  const stop = new AbortController();
  const first = askYesNo(kept, "?", stop.signal);
  stop.abort(new Error("the end"));
  await assert.rejects(first, { message: "the end" });
  const second = askYesNo(kept, "?", signal);
  typed.resolve("y".charCodeAt(0));
  assert.equal(await second, true);
});

Deno.test("a question that has become void ends with words", async () => {
  const over = new AbortController();
  const waiting = terminal();
  const asking = askYesNo(waiting, "Take it?", over.signal);
  over.abort(new TtunError("lost", "The sender has left"));
  await assert.rejects(asking, { message: "The sender has left" });
  const end = ["cooked", "\r\nThe question is over: The sender has left\r\n"];
  assert.deepEqual(waiting.words.slice(-2), end);
});

Deno.test("a key that is typed between two questions answers neither", async () => {
  const typed = [1, 2].map(() => Promise.withResolvers<string>());
  let reads = 0;
  const kept = keepingKeys({
    ...terminal(),
    read: async (into) => {
      into[0] = (await typed[reads++]!.promise).charCodeAt(0);
      return 1;
    },
  });
  const stop = new AbortController();
  const first = askYesNo(kept, "?", stop.signal);
  stop.abort(new Error("the end"));
  await assert.rejects(first, { message: "the end" });
  typed[0]!.resolve("y");
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const second = askYesNo(kept, "?", signal);
  typed[1]!.resolve("n");
  assert.equal(await second, false);
});
