import assert from "node:assert/strict";
import { setImmediate as settle } from "node:timers/promises";
import { NameError } from "../../base/errors.ts";
import { NameService } from "./name_service.ts";

const never = new AbortController().signal;

/** A service whose look-ups the test answers. */
function service(most?: { total: number; perOwner: number }) {
  const asked = new Map<string, {
    answer: (addresses: string[]) => void;
    fail: (error: unknown) => void;
    signal: AbortSignal;
    owner: string | undefined;
  }>();
  const names = new NameService(
    ({ name, isAbsolute }, { signal, owner }) =>
      new Promise((answer, fail) => {
        signal.addEventListener("abort", () => fail(signal.reason));
        asked.set(isAbsolute ? `${name}.` : name, { answer, fail, signal, owner });
      }),
    most,
  );
  const ask = (host: string, owner?: string, signal = never) => {
    const found = names.resolve(host, { signal, owner });
    found.catch(() => {});
    return found;
  };
  return { names, asked, ask };
}

Deno.test("addresses are what they are, without a question", async () => {
  const { asked, ask } = service();
  assert.deepEqual(await ask("192.0.2.1"), ["192.0.2.1"]);
  assert.deepEqual(await ask("0x7f.1"), ["127.0.0.1"]);
  assert.deepEqual(await ask("2001:DB8::1"), ["2001:db8::1"]);
  await assert.rejects(ask("a..b"), { kind: "name", reason: "invalid" });
  assert.equal(asked.size, 0);
});

Deno.test("one question for many who ask the same, in whatever letters", async () => {
  const { names, asked, ask } = service();
  const all = [ask("Host.example", "a"), ask("host.EXAMPLE", "b"), ask("host.example", "c")];
  assert.equal(names.size, 1);
  ask("host.example.", "a");
  assert.equal(names.size, 2, "no search list: another question");
  asked.get("host.example")!.answer(["192.0.2.1"]);
  const found = await Promise.all(all);
  assert.deepEqual(found, [["192.0.2.1"], ["192.0.2.1"], ["192.0.2.1"]]);
  found[0]!.pop();
  assert.deepEqual(found[1], ["192.0.2.1"], "each has a copy");
  const again = ask("host.example", "a");
  asked.get("host.example")!.fail(new NameError("silent", "nobody"));
  await assert.rejects(again, { reason: "silent" });
});

Deno.test("a question ends when nobody waits for it any more", async () => {
  const { names, asked, ask } = service();
  const [one, two] = [new AbortController(), new AbortController()];
  const [first, second] = [ask("a.example", "x", one.signal), ask("a.example", "y", two.signal)];
  const reason = new Error("gone");
  one.abort(reason);
  await assert.rejects(first, (error) => error === reason);
  assert.equal(asked.get("a.example")!.signal.aborted, false);
  two.abort(reason);
  await assert.rejects(second, (error) => error === reason);
  assert.equal(asked.get("a.example")!.signal.aborted, true);
  assert.equal(names.size, 0);
  await assert.rejects(ask("a.example", "x", one.signal), (error) => error === reason);
  assert.equal(names.size, 0);
});

Deno.test("where an owner has no room left its oldest question makes some; ttun's own never does", async () => {
  const { names, asked, ask } = service({ total: 100, perOwner: 3 });
  const server = ask("server.example");
  const dead = [1, 2, 3].map((i) => ask(`dead${i}.example`, "a"));
  const other = ask("dead9.example", "b");
  const good = ask("good.example", "a");
  await assert.rejects(dead[0]!, { kind: "exhausted" });
  assert.equal(asked.get("dead1.example")!.signal.aborted, true);
  assert.equal(names.size, 5);
  asked.get("good.example")!.answer(["192.0.2.1"]);
  assert.deepEqual(await good, ["192.0.2.1"]);
  asked.get("server.example")!.answer(["192.0.2.2"]);
  assert.deepEqual(await server, ["192.0.2.2"]);
  asked.get("dead9.example")!.answer(["192.0.2.3"]);
  assert.deepEqual(await other, ["192.0.2.3"], "another owner's is not touched");
});

Deno.test("a question that others wait for as well goes on for them", async () => {
  const { asked, ask } = service({ total: 100, perOwner: 1 });
  const [mine, theirs] = [ask("a.example", "a"), ask("a.example", "b")];
  ask("b.example", "a");
  await assert.rejects(mine, { kind: "exhausted" });
  assert.equal(asked.get("a.example")!.signal.aborted, false);
  ask("z.example", "b"); // b has no room but for one
  await assert.rejects(theirs, { kind: "exhausted" });
  assert.equal(asked.get("a.example")!.signal.aborted, true);
});

Deno.test("ttun's own question is its own, also for a name that others ask for", async () => {
  const { names, asked, ask } = service({ total: 100, perOwner: 1 });
  const theirs = ask("a.example", "a");
  const first = asked.get("a.example")!;
  const own = [ask("a.example"), ask("a.example")];
  assert.equal(names.size, 2);
  ask("b.example", "a");
  await assert.rejects(theirs, { kind: "exhausted" });
  assert.equal(first.signal.aborted, true);
  asked.get("a.example")!.answer(["192.0.2.4"]);
  assert.deepEqual(await Promise.all(own), [["192.0.2.4"], ["192.0.2.4"]]);
});

Deno.test("of all together the owner of the most makes room", async () => {
  const { names, ask } = service({ total: 10, perOwner: 8 });
  const many = Array.from({ length: 8 }, (_, i) => ask(`a${i}.example`, "many"));
  const few = [ask("b.example", "few"), ask("c.example", "few")];
  const fresh = ask("d.example", "new");
  await assert.rejects(many[0]!, { kind: "exhausted" });
  assert.equal(names.size, 10);
  const isSettled = await Promise.race([...few, fresh, settle("open")]);
  assert.equal(isSettled, "open");
});

Deno.test("a flood of names leaves nothing behind", async () => {
  const { names, ask } = service();
  const stop = new AbortController();
  for (let i = 0; i < 2000; i++) ask(`n${i}.example`, `owner${i % 40}`, stop.signal);
  assert(names.size <= 1024);
  stop.abort(new Error("over"));
  await settle();
  assert.equal(names.size, 0);
});

Deno.test("one key at very many addresses takes no question from another key", async () => {
  const never = new Promise<string[]>(() => {});
  const service = new NameService(() => never);
  const { signal } = new AbortController();
  let failed = false;
  service.resolve("good.test", { signal, owner: "other 192.0.2.9" }).catch(() => failed = true);
  const dropped: unknown[] = [];
  for (let i = 0; i < 3000; i++) {
    service.resolve(`dead${i}.test`, { signal, owner: `greedy 2001:db8:${i}` })
      .catch((error) => dropped.push(error));
  }
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  assert.equal(failed, false);
  assert.ok(dropped.length > 1900);
});
