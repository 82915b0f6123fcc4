import assert from "node:assert/strict";
import { makeLogger } from "../../base/log.ts";
import { parseRule } from "../../core/acl/rule.ts";
import { followConfig } from "./follow_config.ts";
import type { PlaneRules } from "./messages.ts";

function world(next: () => Promise<Readonly<Record<string, unknown>>>) {
  const logged: string[] = [];
  let reload: (() => void | Promise<void>) | null = null;
  return {
    logged,
    run: async () => await reload?.(),
    context: {
      log: makeLogger(
        ({ message, fields }) => logged.push(`${message} ${JSON.stringify(fields)}`),
        () => 0,
      ),
      reread: async () => ({ atStart: BEFORE, now: await next() }),
      onReload: (given: () => void | Promise<void>) => {
        reload = given;
        return { [Symbol.dispose]: () => void (reload = null) };
      },
    },
  };
}

const BEFORE = { allow: [parseRule("10.0.0.0/8")], deny: undefined, keepSession: 60, mtu: 1280 };

Deno.test("a server gets the rules that are there now, and others' changes are named", async () => {
  const after = { ...BEFORE, deny: [parseRule("*:80")], keepSession: 61 };
  const w = world(() => Promise.resolve(after));
  const given: PlaneRules[] = [];
  {
    using _follows = followConfig(w.context, (rules) => given.push(rules));
    await w.run();
  }
  await w.run(); // nobody listens any more
  assert.deepEqual(given, [{
    allow: after.allow.flat(),
    deny: parseRule("*:80"),
    permitListen: [],
  }]);
  assert.deepEqual(w.logged, [
    'rules {"permit_open":1,"deny":2,"permit_listen":0}',
    'options have changed that count at the next start only {"options":"keep-session"}',
  ]);
});

Deno.test("a configuration that cannot be read changes nothing", async () => {
  const w = world(() => Promise.reject(new Error("broken")));
  using _follows = followConfig(w.context, () => assert.fail("rules were replaced"));
  await assert.rejects(w.run(), { message: "broken" });
});

Deno.test("without a file there is nothing to follow; a client has no rules", async () => {
  const { log, onReload } = world(() => Promise.resolve({})).context;
  assert.equal(followConfig({ log, onReload }, null), null);
  const w = world(() => Promise.resolve(BEFORE));
  using _follows = followConfig(w.context, null);
  await w.run();
  assert.deepEqual(w.logged, []);
});
