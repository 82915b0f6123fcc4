import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { TtunError } from "../../base/errors.ts";
import { ServerName } from "./server_name.ts";

const HOST = "server.example";
const missing = () => new TtunError("name", "nobody answers");

/** A system whose answers the test gives. */
function system() {
  const clock = new FakeClock();
  const asked: {
    host: string;
    answer: (addresses: string[]) => void;
    fail: (e: unknown) => void;
  }[] = [];
  const life = new AbortController();
  const names = new ServerName(
    {
      resolve: (host, { signal }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          asked.push({ host, answer: resolve, fail: reject });
        }),
    },
    clock,
    life.signal,
  );
  const never = new AbortController().signal;
  return {
    clock,
    asked,
    life,
    ask: (host = HOST, signal = never) => names.resolve(host, { signal }),
  };
}

Deno.test("an answer serves for half a minute, and is a copy each time", async () => {
  const { clock, asked, ask } = system();
  const first = ask();
  asked[0]!.answer(["192.0.2.1", "2001:db8::1"]);
  (await first).pop();
  await clock.advance(29_999);
  assert.deepEqual(await ask(), ["192.0.2.1", "2001:db8::1"]);
  assert.equal(asked.length, 1);
  await clock.advance(1);
  const second = ask();
  asked[1]!.answer(["192.0.2.2"]);
  assert.deepEqual(await second, ["192.0.2.2"]);
});

Deno.test("questions at the same time are one, and who goes leaves it to the others", async () => {
  const { asked, ask } = system();
  const stop = new AbortController();
  const [one, two] = [ask(HOST, stop.signal), ask()];
  const reason = new Error("stop");
  stop.abort(reason);
  await assert.rejects(one, (error) => error === reason);
  asked[0]!.answer(["192.0.2.1"]);
  assert.deepEqual(await two, ["192.0.2.1"]);
  assert.equal(asked.length, 1);
  await assert.rejects(ask(HOST, stop.signal), (error) => error === reason);
});

Deno.test("where nobody answers any more, the last answer goes on, and it is asked each time", async () => {
  const { clock, asked, ask } = system();
  const never = ask();
  asked[0]!.fail(missing());
  await assert.rejects(never, { kind: "name" });
  const first = ask();
  asked[1]!.answer(["192.0.2.1"]);
  await first;
  for (const i of [2, 3]) {
    await clock.advance(30_000);
    const later = ask();
    asked[i]!.fail(missing());
    assert.deepEqual(await later, ["192.0.2.1"]);
  }
});

Deno.test("another name is another matter, also for an answer that comes late", async () => {
  const { asked, ask } = system();
  const old = ask("old.example");
  const now = ask("new.example");
  asked[0]!.answer(["192.0.2.1"]);
  assert.deepEqual(await old, ["192.0.2.1"]);
  asked[1]!.answer(["192.0.2.2"]);
  assert.deepEqual(await now, ["192.0.2.2"]);
  assert.deepEqual(await ask("new.example"), ["192.0.2.2"]);
  assert.deepEqual(asked.map(({ host }) => host), ["old.example", "new.example"]);
});

Deno.test("the end of everything ends the question", async () => {
  const { life, ask } = system();
  const asking = ask();
  const reason = new Error("over");
  life.abort(reason);
  await assert.rejects(asking, (error) => error === reason);
});
