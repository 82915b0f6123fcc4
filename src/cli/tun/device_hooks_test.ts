import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { TtunError } from "../../base/errors.ts";
import { type TunHookOptions, TunHooks } from "./device_hooks.ts";

const FACTS = { device: "ttun0", mtu: 1280, addresses: ["10.1.1.2/30"], routes: [] };
const A = ["10.9.0.2/24"];
const B = ["10.9.0.3/24"];

function world(o: Partial<Pick<TunHookOptions, "up" | "down" | "waits" | "once">> = {}) {
  const said: string[] = [];
  const { log, records } = keptLog(new FakeClock());
  const stop = new AbortController();
  const answer = { up: () => Promise.resolve(), down: () => Promise.resolve() };
  const hooks = new TunHooks({
    up: "up",
    down: "down",
    role: "client",
    waits: true,
    once: false,
    ...o,
    context: { log, signal: stop.signal },
    run: ({ command, facts }) => {
      said.push(`${command} ${facts.addresses.join()}`);
      return answer[command as "up" | "down"]();
    },
  });
  return { hooks, said, answer, stop, lines: () => records.map(({ message }) => message) };
}

Deno.test("--up waits for the addresses of the first session, and runs for these once", async () => {
  const { hooks, said } = world();
  await hooks.ready(FACTS);
  assert.deepEqual(said, []);
  await hooks.addresses(A);
  await hooks.addresses(A);
  await hooks.ended();
  assert.deepEqual(said, ["up 10.9.0.2/24", "down 10.9.0.2/24"]);
});

Deno.test("with addresses that are as they were it runs at the first session too", async () => {
  const { hooks, said } = world();
  await hooks.ready(FACTS);
  await hooks.addresses(FACTS.addresses);
  assert.deepEqual(said, ["up 10.1.1.2/30"]);
});

Deno.test("where nothing is given it runs when the device is ready", async () => {
  const { hooks, said } = world({ waits: false });
  await hooks.ready(FACTS);
  assert.deepEqual(said, ["up 10.1.1.2/30"]);
  await hooks.addresses(FACTS.addresses);
  await hooks.ended();
  assert.deepEqual(said, ["up 10.1.1.2/30", "down 10.1.1.2/30"]);
});

Deno.test("other addresses take the old ones down and bring the new ones up", async () => {
  const { hooks, said } = world();
  await hooks.ready(FACTS);
  for (const addresses of [A, B, B]) await hooks.addresses(addresses);
  await hooks.ended();
  assert.deepEqual(said, [
    "up 10.9.0.2/24",
    "down 10.9.0.2/24",
    "up 10.9.0.3/24",
    "down 10.9.0.3/24",
  ]);
});

Deno.test("a session that begins while --up runs waits for it, and does not run it again", async () => {
  const { hooks, said, answer } = world();
  const up = Promise.withResolvers<void>();
  answer.up = () => up.promise;
  await hooks.ready(FACTS);
  const first = hooks.addresses(A);
  let isOver = false;
  const second = hooks.addresses(A).then(() => isOver = true);
  await Promise.resolve();
  assert.equal(isOver, false);
  up.resolve();
  await Promise.all([first, second]);
  assert.deepEqual(said, ["up 10.9.0.2/24"]);
});

Deno.test("a server that never answers: --up never ran, and nothing is taken down", async () => {
  const { hooks, said } = world();
  await hooks.ready(FACTS);
  await hooks.ended();
  assert.deepEqual(said, []);
  const only = world({ up: undefined });
  await only.hooks.ready(FACTS);
  await only.hooks.ended();
  assert.deepEqual(only.said, ["down 10.1.1.2/30"], "without --up it always runs");
  const never = world();
  await never.hooks.ended();
  assert.deepEqual(never.said, [], "there was no device");
});

Deno.test("an --up that fails is thrown and taken down again; a --down that fails is a line", async () => {
  const { hooks, said, answer, lines } = world();
  answer.up = () => Promise.reject(new TtunError("hook", "status 3"));
  answer.down = () => Promise.reject(new TtunError("hook", "status 4"));
  await hooks.ready(FACTS);
  await assert.rejects(hooks.addresses(A), /status 3/);
  await hooks.ended();
  assert.deepEqual([said, lines()], [["up 10.9.0.2/24", "down 10.9.0.2/24"], ["status 4"]]);
});

Deno.test("when ttun is asked to end nothing more is begun", async () => {
  const { hooks, said, stop } = world();
  await hooks.ready(FACTS);
  stop.abort();
  await hooks.addresses(A);
  await hooks.ended();
  assert.deepEqual(said, []);
});

Deno.test("under --user --up runs for the first addresses, and later ones are told only", async () => {
  const { hooks, said, lines } = world({ once: true });
  await hooks.ready(FACTS);
  assert.deepEqual(said, [], "the user is become later");
  for (const addresses of [A, A]) await hooks.addresses(addresses);
  assert.deepEqual([said, lines()], [["up 10.9.0.2/24"], []]);
  await hooks.addresses(B);
  assert.match(lines().join(), /^the server gives other addresses than --up was told/);
  await hooks.ended();
  assert.deepEqual(said, ["up 10.9.0.2/24", "down 10.9.0.2/24"]);
});

Deno.test("under --user a --down without an --up is told the last addresses", async () => {
  const { hooks, said, lines } = world({ once: true, up: undefined });
  await hooks.ready(FACTS);
  await hooks.addresses(A);
  await hooks.ended();
  assert.deepEqual([said, lines()], [["down 10.9.0.2/24"], []]);
});

for (const waits of [true, false]) {
  Deno.test(`--down waits for an --up that the end interrupts: waits ${waits}`, async () => {
    const { hooks, said, answer, stop } = world({ waits });
    const up = Promise.withResolvers<void>();
    answer.up = () => up.promise;
    const ready = hooks.ready(FACTS);
    const begun = waits ? hooks.addresses(A) : ready;
    await new Promise((wake) => setTimeout(wake));
    stop.abort(new Error("stopped"));
    const ended = hooks.ended();
    await new Promise((wake) => setTimeout(wake));
    assert.deepEqual(said.map((line) => line.split(" ")[0]), ["up"]);
    up.resolve();
    await Promise.all([begun, ended]);
    assert.deepEqual(said.map((line) => line.split(" ")[0]), ["up", "down"]);
  });
}

Deno.test("an --up that does not end when it is told to keeps --down waiting half a second", async () => {
  const { hooks, said, answer } = world({ waits: false });
  answer.up = () => new Promise(() => {});
  void hooks.ready(FACTS); // for ever
  await new Promise((wake) => setTimeout(wake));
  await hooks.ended();
  assert.deepEqual(said.map((line) => line.split(" ")[0]), ["up", "down"]);
});
