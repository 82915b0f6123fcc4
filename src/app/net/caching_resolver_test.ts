import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { NameError } from "../../base/errors.ts";
import { makeLogger } from "../../base/log.ts";
import { CachingResolver } from "./caching_resolver.ts";

const HOST = "server.example";
const silent = () => new NameError("silent", "nobody answers");

/** A system whose answers the test gives. */
function system() {
  const clock = new FakeClock();
  const asked: {
    host: string;
    answer: (addresses: string[]) => void;
    fail: (e: unknown) => void;
  }[] = [];
  const life = new AbortController();
  const said: string[] = [];
  const names = new CachingResolver(
    {
      resolve: (host, { signal }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          asked.push({ host, answer: resolve, fail: reject });
        }),
    },
    {
      clock,
      signal: life.signal,
      log: makeLogger(({ level, message }) => said.push(`${level}: ${message}`), () => 0),
    },
  );
  const never = new AbortController().signal;
  return {
    clock,
    asked,
    life,
    said,
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

Deno.test("where nobody answers any more, the last address is used at once, and it is asked behind", async () => {
  const { clock, asked, ask, said } = system();
  const never = ask();
  asked[0]!.fail(silent());
  await assert.rejects(never, { kind: "name" });
  assert.deepEqual(said, [], "who asked hears of it");
  const first = ask();
  asked[1]!.answer(["192.0.2.1"]);
  await first;
  await clock.advance(30_000);
  // A name server that is there would have answered by now.
  assert.deepEqual(await clock.until(ask(), 250), ["192.0.2.1"]);
  assert.equal(asked.length, 3);
  const since = clock.now();
  assert.deepEqual(await ask(), ["192.0.2.1"]);
  asked[2]!.fail(silent());
  await clock.settle();
  assert.deepEqual(await ask(), ["192.0.2.1"]);
  assert.equal(clock.now(), since, "the next ones wait for nothing");
  assert.equal(asked.length, 4, "it is asked again");
  asked[3]!.fail(silent());
  await clock.settle();
  const why = "no answer from the name servers";
  const words = `the name ${HOST} does not resolve at the moment (${why}); using the last address`;
  assert.deepEqual(said.splice(0), [`warn: ${words} 192.0.2.1`], "once for as long as that lasts");

  await ask();
  asked[4]!.answer(["192.0.2.9"]);
  await clock.settle();
  assert.deepEqual(await ask(), ["192.0.2.9"]);
  assert.equal(asked.length, 5, "an answer in the background is one");
  assert.deepEqual(said, [`info: the name ${HOST} resolves again`]);
  assert.equal(clock.pending, 0);
});

Deno.test("of name servers that only take their time the answer is waited for a little", async () => {
  const { clock, asked, ask, said } = system();
  const first = ask();
  asked[0]!.answer(["192.0.2.1"]);
  await first;
  await clock.advance(30_000);
  const moved = ask();
  await clock.advance(200);
  asked[1]!.answer(["192.0.2.2"]);
  assert.deepEqual(await moved, ["192.0.2.2"], "a server that has moved is found at once");
  await clock.advance(30_000);
  const gone = ask();
  asked[2]!.fail(new NameError("missing", "no such name"));
  assert.deepEqual(await gone, ["192.0.2.2"], "nothing is left to wait for");
  assert.match(said[0]!, /know no such name\); using the last address 192\.0\.2\.2$/);
  assert.equal(clock.pending, 0);
});

Deno.test("a question that nobody answers is told before it is given up", async () => {
  const { clock, asked, ask, said, life } = system();
  const first = ask();
  asked[0]!.answer(["192.0.2.1", "2001:db8::1"]);
  await first;
  await clock.advance(30_000);
  await clock.until(ask(), 250);
  await clock.advance(3000);
  assert.match(said[0]!, /\(no answer yet\); using the last addresses 192\.0\.2\.1, 2001:db8::1$/);
  life.abort(new Error("over"));
  await clock.settle();
  assert.equal(said.length, 1, "an end is no failure of the name servers");
  assert.equal(clock.pending, 0);
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
