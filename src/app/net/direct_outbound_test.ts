import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { CountedStreams } from "../../../tests/fake/counted_streams.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import { formatAddr } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { OpenOptions } from "../../contract/outbound.ts";
import { parseRules } from "../../../tests/fake/rules.ts";
import type { Acl } from "../../core/acl/acl.ts";
import type { Target } from "../../base/target.ts";
import { ConnectError, toConnectError } from "./connect_error.ts";
import { directOutbound } from "./direct_outbound.ts";
import { dial, open } from "./dial_events.ts";
import { accept } from "../loop/stream_io.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const V4 = "8.0.0.1";
const V6 = "2a00::1";
const PRIVATE = "10.1.2.3";
const never = new AbortController().signal;

type Behaviour = "connects" | "refuses" | "is silent";

/** A world of hosts: which are dialled, and how they answer. */
function world(o: {
  names?: Record<string, string[]>;
  hosts?: Record<string, Behaviour>;
  rules?: Acl | null;
  connectMs?: number;
  /** Runs when a name has been resolved. */
  onResolve?: () => void;
}) {
  const clock = new FakeClock();
  const net = new MemoryNet({ clock });
  const streams = new CountedStreams(net);
  const dialled: string[] = [];
  const asked: string[] = [];
  const inner = streams.dialer("192.0.2.1");
  const dialer: Dialer = dialBy((to, options) => {
    const host = "host" in to ? to.host : to.path;
    dialled.push(host);
    const behaviour = o.hosts?.[host] ?? "connects";
    if (behaviour === "is silent") net.cable(host).pull();
    if (behaviour === "refuses") {
      return Promise.reject(
        new UnreachableError("refused", `Cannot connect to ${host}: refused`),
      );
    }
    return dial(inner, to, options);
  });
  const accepted: Connection[] = [];
  for (const host of [V4, V6, PRIVATE, "8.0.0.2"]) {
    const listener = net.listen({ host, port: 80 }, { signal: never });
    const take = async () => {
      for (;;) accepted.push(await accept(listener, { signal: never }));
    };
    take().catch(() => {});
  }
  const outbound = directOutbound({
    dialer,
    resolver: {
      resolve: (host) => {
        const found = /[:]|^[0-9.]+$/.test(host) ? [host] : o.names?.[host];
        if (found === undefined) {
          return Promise.reject(new TtunError("name", `${host} does not resolve`));
        }
        const addresses = [...found];
        asked.push(host);
        o.onResolve?.();
        return Promise.resolve(addresses);
      },
    },
    clock,
    connectMs: o.connectMs ?? 10_000,
    rules: o.rules === undefined ? parseRules({ allow: [], deny: [] }) : o.rules,
  });
  const go = (host: string, more: Partial<OpenOptions> = {}) =>
    open(outbound, { host, port: 80 }, { signal: never, ...more });
  return { clock, asked, dialled, streams, accepted, go };
}

/** Fails as told, and says so to whoever reads the log. */
async function fails(connecting: Promise<unknown>, failure: string, words: RegExp): Promise<void> {
  await assert.rejects(connecting, (error) => {
    assert.ok(error instanceof ConnectError, String(error));
    assert.equal(error.failure, failure);
    assert.match(error.message, words);
    return true;
  });
}

Deno.test("addresses and names are connected to", async () => {
  for (const host of [V4, V6, "a.example"]) {
    const { go, accepted, clock } = world({ names: { "a.example": [V4] } });
    await using stream = await go(host);
    await clock.settle();
    assert.equal(accepted.length, 1);
    assert.equal(stream.peer, formatAddr({ host: host === V6 ? V6 : V4, port: 80 }));
    assert.equal(clock.pending, 0);
  }
});

Deno.test("what has come early is there as soon as the target is", async () => {
  const { go, accepted, clock } = world({});
  await using _stream = await go(V4, { early: utf8("early bird") });
  await clock.settle();
  assert.deepEqual(readNowAll(accepted[0]!).bytes, utf8("early bird"));
});

Deno.test("rules judge what a name has resolved to, not the name", async () => {
  const names = { "inside.example": [PRIVATE], "loop.example": ["127.0.0.1", "::1"] };
  const { go, dialled } = world({ names });
  await fails(go("inside.example"), "denied", /inside\.example:80: 10\.1\.2\.3: .*private/);
  await fails(go("loop.example"), "denied", /loopback/);
  for (
    const host of [PRIVATE, "127.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254", "0.0.0.0"]
  ) {
    await fails(go(host), "denied", /./);
  }
  assert.deepEqual(dialled, []);
});

Deno.test("--deny and --allow are named by who is denied or let through", async () => {
  const rules = parseRules({ allow: ["10.0.0.0/8"], deny: ["8.0.0.0/24"] });
  const { go, dialled } = world({ rules });
  await fails(go(V4), "denied", /--deny 8\.0\.0\.0\/24/);
  await using _stream = await go(PRIVATE);
  assert.deepEqual(dialled, [PRIVATE]);
});

Deno.test("a name that a rule denies is not resolved", async () => {
  const rules = parseRules({ allow: ["8.0.0.0/8"], deny: ["*.bad.example:80"] });
  const { go, asked, dialled } = world({ rules, names: { "a.bad.example": [V4] } });
  await fails(go("a.bad.example"), "denied", /^a\.bad\.example:80: --deny \*\.bad\.example:80 /);
  assert.deepEqual([asked, dialled], [[], []]);
});

Deno.test("a name that a rule allows is open where all else is denied", async () => {
  const rules = parseRules({ allow: ["a.example"], deny: ["0.0.0.0/0", "::/0"] });
  const { go, dialled } = world({ rules, names: { "a.example": [V4], "b.example": [V4] } });
  await using _stream = await go("a.example");
  await fails(go("b.example"), "denied", /8\.0\.0\.1: --deny 0\.0\.0\.0\/0/);
  await fails(go(V4), "denied", /--deny 0\.0\.0\.0\/0/);
  assert.deepEqual(dialled, [V4]);
});

Deno.test("a name that a rule allows and that is bound to this machine anew is denied", async () => {
  const isOwn = (ip: Uint8Array) => `${ip}` === "93,184,0,7";
  const rules = parseRules({ allow: ["*.example"], deny: [], isOwn });
  const inside = ["127.0.0.1", PRIVATE, "93.184.0.7", "169.254.169.254", "::1", "64:ff9b::7f00:1"];
  for (const ip of inside) {
    const { go, dialled } = world({ rules, names: { "re.example": [ip] } });
    await fails(go("re.example"), "denied", /--allow \*\.example is for the name alone/);
    assert.deepEqual(dialled, [], ip);
  }
  const { go, dialled } = world({ rules, names: { "re.example": [PRIVATE, V4, "127.0.0.1"] } });
  await using _stream = await go("re.example");
  assert.deepEqual(dialled, [V4]);
});

Deno.test("the address that was judged is the one that is dialled, by its number", async () => {
  const rules = parseRules({ allow: ["re.example"], deny: [] });
  const names = { "re.example": [V4] };
  const onResolve = () => void (names["re.example"] = ["127.0.0.1"]);
  const { go, asked, dialled } = world({ rules, names, onResolve });
  await using _stream = await go("re.example");
  assert.deepEqual([asked, dialled], [["re.example"], [V4]]);
  await fails(go("re.example"), "denied", /loopback/);
  assert.deepEqual(dialled, [V4]);
});

Deno.test("of a name's addresses only those are tried that may be", async () => {
  const names = { "both.example": [PRIVATE, V6, V4] };
  const { go, dialled, clock } = world({ names, hosts: { [V6]: "is silent" } });
  await using stream = await clock.until(go("both.example"));
  assert.deepEqual(dialled, [V6, V4]);
  assert.equal(stream.peer, `${V4}:80`);
});

Deno.test("without rules whatever is asked for is connected to", async () => {
  const { go } = world({ rules: null });
  await using stream = await go(PRIVATE);
  assert.equal(stream.peer, `${PRIVATE}:80`);
});

Deno.test("a unix socket is dialled where no rules are, and refused by its path where there are", async () => {
  const path = "/run/docker.sock";
  const to: string[] = [];
  const [near] = memoryPair({ addressB: { path } });
  const dialer = dialBy((addr, { timeoutMs }) => {
    to.push(`${formatAddr(addr)} ${timeoutMs}`);
    return Promise.resolve(near);
  });
  const host = {
    dialer,
    resolver: { resolve: () => Promise.reject(new Error("there is no name")) },
    clock: new FakeClock(),
    connectMs: 10_000,
  };
  const free = directOutbound({ ...host, rules: null });
  await using stream = await open(free, { path }, { signal: never });
  assert.deepEqual([stream.peer, to], [path, [`${path} 10000`]]);
  const ruled = directOutbound({ ...host, rules: parseRules({ allow: ["0.0.0.0/0"], deny: [] }) });
  await fails(open(ruled, { path }, { signal: never }), "denied", /^\/run\/docker\.sock: no rule/);
  assert.equal(to.length, 1);
  const own = directOutbound({ ...host, rules: parseRules({ allow: [`unix:${path}`], deny: [] }) });
  await open(own, { path }, { signal: never });
  await fails(open(own, { path: "/run/x/../docker.sock" }, { signal: never }), "denied", /no rule/);
  assert.equal(to.length, 2);
});

Deno.test("a name that does not resolve, or has no address, is that failure", async () => {
  for (const rules of [undefined, null] as const) {
    const o = { names: { "empty.example": [] }, ...(rules === null && { rules }) };
    const { go, dialled } = world(o);
    await fails(go("nowhere.example"), "name", /^nowhere\.example:80: nowhere\.example does not/);
    await fails(go("empty.example"), "name", /empty\.example/);
    assert.deepEqual(dialled, []);
  }
});

Deno.test("of several addresses the next one is tried when one refuses", async () => {
  const names = { "many.example": [V6, V4, "8.0.0.2"] };
  const { go, dialled } = world({ names, hosts: { [V6]: "refuses", [V4]: "refuses" } });
  await using stream = await go("many.example");
  assert.deepEqual(dialled, [V6, V4, "8.0.0.2"]);
  assert.equal(stream.peer, "8.0.0.2:80");
});

Deno.test("a target that refuses is told apart from one that is silent", async () => {
  const { go, clock, streams } = world({
    hosts: { [V4]: "refuses", [V6]: "is silent" },
    connectMs: 3000,
  });
  await fails(go(V4), "refused", /8\.0\.0\.1:80: .*refused/);
  const silent = go(V6);
  silent.catch(() => {});
  await clock.advance(2999);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  await fails(silent, "timeout", /no answer within 3 s/);
  assert.deepEqual([clock.pending, streams.open], [0, 0]);
});

Deno.test("an abort ends a connect, and closes what it had opened", async () => {
  const { go, clock, streams } = world({ hosts: { [V6]: "is silent" } });
  const stop = new AbortController();
  const waiting = go(V6, { signal: stop.signal });
  waiting.catch(() => {});
  await using _open = await go(V4, { signal: stop.signal });
  assert.equal(streams.open, 1);
  stop.abort(new Error("stop"));
  await assert.rejects(waiting, ConnectError);
  await clock.settle();
  assert.deepEqual([clock.pending, streams.open], [0, 0]);
});

Deno.test("whatever was thrown becomes words with the target's name", () => {
  const target: Target = { host: "a.example", port: 443 };
  const known = new ConnectError("denied", "as it is");
  assert.equal(toConnectError(known, target), known);
  const cases: [unknown, string, string][] = [
    [new TtunError("exhausted", "no more"), "exhausted", "a.example:443: no more"],
    [new TtunError("lost", "gone"), "general", "a.example:443: gone"],
    [new Error("a bug"), "general", "a.example:443: a bug"],
    ["text", "general", "a.example:443: text"],
  ];
  for (const [thrown, failure, message] of cases) {
    const error = toConnectError(thrown, target);
    assert.deepEqual([error.failure, error.message, error.cause], [failure, message, thrown]);
  }
});

Deno.test("a cancel ends a connect by address or name, and does nothing to a connection", async () => {
  const hosts = { [V4]: "is silent" } as const;
  for (const host of [V4, "a.example"]) {
    const { go, streams, clock } = world({ hosts, names: { "a.example": [V4] } });
    const cancel = new AbortController();
    const connecting = go(host, { cancel: cancel.signal });
    connecting.catch(() => {});
    await clock.settle();
    cancel.abort(new Error("nobody wants it"));
    await assert.rejects(connecting, /nobody wants it/);
    await clock.settle();
    assert.deepEqual([streams.open, clock.pending], [0, 0]);
  }
  const { go, streams, clock } = world({});
  const cancel = new AbortController();
  await using _stream = await go(V4, { cancel: cancel.signal });
  cancel.abort();
  await clock.settle();
  assert.equal(streams.open, 1);
});
