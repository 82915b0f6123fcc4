import assert from "node:assert/strict";
import { setImmediate as settle } from "node:timers/promises";
import { NameError } from "../../base/errors.ts";
import { SystemLookups } from "./system_lookups.ts";

const never = new AbortController().signal;

function system() {
  const asked: { host: string; answer: (a: string[]) => void; fail: (e: unknown) => void }[] = [];
  const lookups = new SystemLookups((host) =>
    new Promise((answer, fail) => void asked.push({ host, answer, fail }))
  );
  const ask = (host: string, owner: string | undefined, signal = never) => {
    const found = lookups.lookUp(host, owner, signal);
    found.catch(() => {});
    return found;
  };
  return { asked, ask, hosts: () => asked.map(({ host }) => host) };
}

Deno.test("an owner has one thread, all together have four, and ttun's own name waits behind nobody", async () => {
  const { asked, ask, hosts } = system();
  const first = ask("a1", "a");
  const second = ask("a2", "a");
  for (const owner of ["b", "c", "d", "e"]) ask(`${owner}1`, owner);
  assert.deepEqual(hosts(), ["a1", "b1", "c1", "d1"]);
  const own = ask("server", undefined);
  assert.deepEqual(hosts().at(-1), "server");
  asked.at(-1)!.answer(["192.0.2.1"]);
  assert.deepEqual(await own, ["192.0.2.1"]);
  asked[0]!.answer(["192.0.2.2"]);
  assert.deepEqual(await first, ["192.0.2.2"]);
  await settle();
  assert.deepEqual(hosts().slice(5), ["a2"], "in the order of asking");
  asked[5]!.fail(new NameError("missing", "none"));
  await assert.rejects(second, { reason: "missing" });
  await settle();
  assert.deepEqual(hosts().slice(6), ["e1"]);
});

Deno.test("of an owner's names the newest is next, and owners have their turns in the order of asking", async () => {
  const { asked, ask, hosts } = system();
  for (const owner of ["a", "b", "c", "d"]) ask(`${owner}1`, owner);
  for (const host of ["a2", "e1", "a3", "e2"]) ask(host, host[0]);
  asked[0]!.answer(["192.0.2.1"]);
  await settle();
  assert.deepEqual(hosts().slice(4), ["a3"]);
  asked[1]!.answer(["192.0.2.1"]);
  await settle();
  assert.deepEqual(hosts().slice(5), ["e2"]);
  asked[4]!.answer(["192.0.2.1"]);
  await settle();
  assert.deepEqual(hosts().slice(6), ["a2"]);
});

Deno.test("who goes leaves the line, but a thread is busy until it comes back", async () => {
  const { asked, ask, hosts } = system();
  const stop = new AbortController();
  const running = ask("a1", "a", stop.signal);
  const waiting = ask("a2", "a", stop.signal);
  const reason = new Error("gone");
  stop.abort(reason);
  for (const left of [running, waiting]) await assert.rejects(left, (error) => error === reason);
  const next = ask("a3", "a");
  assert.deepEqual(hosts(), ["a1"]);
  asked[0]!.answer(["192.0.2.1"]);
  await settle();
  assert.deepEqual(hosts(), ["a1", "a3"]);
  asked[1]!.answer(["192.0.2.3"]);
  assert.deepEqual(await next, ["192.0.2.3"]);
});

Deno.test("a name that is asked for already is not asked for twice", async () => {
  const { asked, ask, hosts } = system();
  const all = [ask("a", "x"), ask("a", "y"), ask("a", undefined)];
  ask("b", "x");
  const later = ask("a", "x");
  assert.deepEqual(hosts(), ["a"]);
  asked[0]!.answer(["192.0.2.1"]);
  for (const found of [...all, later]) assert.deepEqual(await found, ["192.0.2.1"]);
});

Deno.test("one key at many addresses leaves threads to others", async () => {
  const asked: string[] = [];
  const lookups = new SystemLookups((host) => {
    asked.push(host);
    return new Promise(() => {});
  });
  const { signal } = new AbortController();
  for (let i = 0; i < 6; i++) {
    lookups.lookUp(`dead${i}`, `greedy 192.0.2.${i}`, signal).catch(() => {});
  }
  lookups.lookUp("good", "other 192.0.2.9", signal).catch(() => {});
  await Promise.resolve();
  assert.deepEqual(asked, ["dead0", "dead1", "good"]);
});
