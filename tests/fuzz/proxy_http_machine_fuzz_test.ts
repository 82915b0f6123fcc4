import assert from "node:assert/strict";
import fc from "fast-check";
import { fromLatin1, toLatin1 } from "../../src/base/latin1.ts";
import type { HttpAction } from "../../src/core/proxy/http/action.ts";
import { REQUEST_LIMITS } from "../../src/core/http/http1/head.ts";
import { HttpProxy } from "../../src/core/proxy/http/proxy.ts";
import { formatTarget } from "../../src/base/target.ts";

/** A target as the world has it: what it says, and whether it then ends, once it has heard this. */
type Answer = (heard: string) => { text: string; ends: boolean } | null;

/** Everything that is visible from outside at the end. */
interface Seen {
  client: string;
  /** Each connection, with what its target heard. */
  targets: string[];
  end: string;
}

/**
 * Runs a proxy between a client and its targets, as a driver would, and obeys it. Bytes go in
 * pieces of the sizes given, in turns that `turns` decide; with none the client always goes first.
 */
function run(
  client: string,
  answer: Answer,
  o: { sizes: readonly number[]; turns: readonly number[] },
): Seen {
  const proxy = new HttpProxy({ auth: null });
  const seen: Seen = { client: "", targets: [], end: "open" };
  let toSend = client;
  let clientHasEnded = false;
  let isConnecting = false;
  let heard = "";
  let toSay = "";
  let sayEnds = false;
  /** The target has been told that nothing more comes. */
  let isEnded = false;
  let count = 0;

  const piece = (text: string) => {
    const size = o.sizes.length === 0 ? text.length : o.sizes[count++ % o.sizes.length]!;
    return text.slice(0, Math.max(1, size));
  };
  const lend = (text: string, use: (bytes: Uint8Array) => HttpAction[]) => {
    const bytes = toLatin1(text);
    perform(use(bytes));
    bytes.fill(0xee);
  };
  const perform = (actions: HttpAction[]) => {
    for (const action of actions) {
      assert.equal(seen.end, "open", "nothing comes behind the end");
      if (action.kind === "connect") {
        assert.ok(!isConnecting && !proxy.wantsTarget);
        isConnecting = true;
        isEnded = false;
        heard = toSay = "";
        sayEnds = false;
        seen.targets.push(`${formatTarget(action.target)} `);
      } else if (action.kind === "toClient") seen.client += fromLatin1(action.bytes);
      else if (action.kind === "toTarget") {
        assert.ok(action.bytes.length > 0 && !isEnded);
        heard += fromLatin1(action.bytes);
        seen.targets.push(seen.targets.pop() + fromLatin1(action.bytes));
        const said = answer(heard);
        if (said !== null) {
          heard = "";
          toSay += said.text;
          sayEnds = said.ends;
        }
      } else if (action.kind === "endTarget") {
        assert.ok(clientHasEnded && proxy.wantsTarget && !isEnded, "once, behind all");
        isEnded = true;
      } else if (action.kind === "closeTarget") toSay = "";
      else if (action.kind === "endClient") seen.end = action.how;
      else seen.end = `raw ${fromLatin1(action.toTarget)}|${fromLatin1(action.toClient)}`;
    }
  };

  for (let turn = 0; seen.end === "open"; turn++) {
    assert.ok(turn < 20_000, "it goes on for ever");
    const steps: (() => void)[] = [];
    if (proxy.wantsClient && toSend !== "") {
      steps.push(() => {
        const part = piece(toSend);
        toSend = toSend.slice(part.length);
        lend(part, (bytes) => proxy.fromClient(bytes));
      });
    }
    if (isConnecting) {
      steps.push(() => {
        isConnecting = false;
        perform(proxy.connected());
      });
    }
    if (proxy.wantsTarget && toSay !== "") {
      steps.push(() => {
        const part = piece(toSay);
        toSay = toSay.slice(part.length);
        lend(part, (bytes) => proxy.fromTarget(bytes));
      });
    } else if (proxy.wantsTarget && sayEnds) {
      steps.push(() => {
        sayEnds = false;
        perform(proxy.targetEnded("clean"));
      });
    }
    if (toSend === "" && !clientHasEnded && (o.turns.length > 0 || steps.length === 0)) {
      steps.push(() => {
        clientHasEnded = true;
        perform(proxy.clientEnded());
      });
    }
    if (steps.length === 0) break; // all wait for the target, which has nothing to say
    steps[o.turns.length === 0 ? 0 : o.turns[turn % o.turns.length]! % steps.length]!();
  }
  return seen;
}

interface Exchange {
  asked: string;
  sent: string;
  answered: string;
  got: string;
  host: string;
  /** It may go over a connection that was used before. */
  isRepeatable: boolean;
  /** The target's connection ends behind it. */
  isLastOfTarget: boolean;
}

const hostName = fc.constantFrom("a.example", "b.example", "192.0.2.1");
const body = fc.oneof(
  fc.constant(""),
  fc.string({ unit: "binary-ascii", maxLength: 40 }).map((text) =>
    `Content-Length: ${text.length}\r\n\r\n${text}`
  ),
  fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }), { maxLength: 3 }).map((
    parts,
  ) =>
    `Transfer-Encoding: chunked\r\n\r\n${
      parts.map((part) => `${part.length.toString(16)};x\r\n${part}\r\n`).join("")
    }0\r\nT: x\r\n\r\n`
  ),
);

const exchange: fc.Arbitrary<Exchange> = fc.record({
  host: hostName,
  request: body,
  response: body.map((text) => text === "" ? "Content-Length: 0\r\n\r\n" : text),
  method: fc.constantFrom("GET", "HEAD", "POST"),
  hasInterim: fc.boolean(),
  isLastOfTarget: fc.boolean(),
  hop: fc.constantFrom("", "Keep-Alive: x\r\n", "Proxy-Connection: keep-alive\r\n"),
}).map(({ host, request, response, method, hasInterim, isLastOfTarget, hop }) => {
  const fields = request === "" ? "\r\n" : request;
  const interim = hasInterim ? "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" : "";
  const close = isLastOfTarget ? "Connection: close\r\n" : "";
  const rest = method === "HEAD" ? response.slice(0, response.indexOf("\r\n\r\n") + 4) : response;
  return {
    host,
    isRepeatable: method !== "POST" &&
      (request === "" || request.startsWith("Content-Length: 0\r")),
    isLastOfTarget,
    asked: `${method} http://${host}/ HTTP/1.1\r\nHost: x\r\n${hop}${fields}`,
    sent: `${method} / HTTP/1.1\r\nHost: ${host}\r\n${fields}`,
    answered: `${interim}HTTP/1.1 200 OK\r\n${hop}${close}${rest}`,
    got: `${interim}HTTP/1.1 200 OK\r\n${rest}`,
  };
});
const exchanges = fc.array(exchange, { minLength: 1, maxLength: 5 });
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 });
const turns = fc.array(fc.nat(7), { minLength: 1, maxLength: 20 });

/** The connections that such exchanges take: one is used again for the same host. */
function connections(list: readonly Exchange[]): string[] {
  const found: string[] = [];
  list.forEach((now, i) => {
    const before = list[i - 1];
    const isKept = before !== undefined && before.host === now.host && !before.isLastOfTarget &&
      now.isRepeatable;
    if (isKept) found.push(found.pop() + now.sent);
    else found.push(`${now.host}:80 ${now.sent}`);
  });
  return found;
}

Deno.test("however bytes are cut and whoever is quicker, all requests are answered in order", () => {
  fc.assert(
    fc.property(exchanges, sizes, turns, (list, cut, order) => {
      let next = 0;
      const answer: Answer = (heard) => {
        const now = list[next]!;
        assert.ok(now.sent.startsWith(heard));
        if (heard !== now.sent) return null;
        next++;
        return { text: now.answered, ends: now.isLastOfTarget };
      };
      const asked = list.map((one) => one.asked).join("");
      const wanted: Seen = {
        client: list.map((one) => one.got).join(""),
        targets: connections(list),
        end: "clean",
      };
      for (
        const o of [{ sizes: cut, turns: order }, { sizes: [], turns: [] }, {
          sizes: [1],
          turns: [],
        }, { sizes: [1], turns: order }]
      ) {
        next = 0;
        assert.deepEqual(run(asked, answer, o), wanted);
      }
    }),
    { numRuns: 200 },
  );
});

const damage = fc.array(
  fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    insert: fc.constantFrom(
      "",
      "\r",
      "\n",
      "\r\n\r\n",
      " ",
      ":",
      "\x00",
      "0",
      "x",
      "HTTP/1.0",
      "http://",
      "CONNECT ",
    ),
  }),
  { minLength: 1, maxLength: 3 },
);

function damaged(
  text: string,
  changes: readonly { at: number; remove: number; insert: string }[],
): string {
  return changes.reduce((now, { at: place, remove, insert }) => {
    const at = place % (now.length + 1);
    return now.slice(0, at) + insert + now.slice(at + remove);
  }, text);
}

Deno.test("a damaged stream of requests never throws, and is answered the same however it is cut", () => {
  const ends = new Set<string>();
  fc.assert(
    fc.property(exchanges, damage, sizes, (list, changes, cut) => {
      const asked = damaged(list.map((one) => one.asked).join(""), changes);
      const answer: Answer = (heard) =>
        heard.includes("\r\n\r\n")
          ? { text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ends: false }
          : null;
      const whole = run(asked, answer, { sizes: [], turns: [] });
      const pieces = run(asked, answer, { sizes: cut, turns: [] });
      const bytes = run(asked, answer, { sizes: [1], turns: [] });
      assert.deepEqual([pieces.client, pieces.end], [whole.client, whole.end]);
      assert.deepEqual([bytes.client, bytes.end], [whole.client, whole.end]);
      ends.add(whole.end.split(" ")[0]! + (whole.client.includes(" 400 ") ? " 400" : ""));
    }),
    { numRuns: 1000 },
  );
  for (const end of ["clean", "clean 400"]) assert.ok(ends.has(end), [...ends].join());
});

Deno.test("a damaged response never throws, and comes to the client the same however it is cut", () => {
  const ends = new Set<string>();
  fc.assert(
    fc.property(exchange, damage, sizes, fc.boolean(), (one, changes, cut, ends_) => {
      const text = damaged(one.answered, changes);
      const answer: Answer = (heard) => heard === one.sent ? { text, ends: ends_ } : null;
      const whole = run(one.asked, answer, { sizes: [], turns: [] });
      for (const o of [{ sizes: cut, turns: [] }, { sizes: [1], turns: [] }]) {
        const again = run(one.asked, answer, o);
        assert.equal(again.end, whole.end);
        // Of a response that breaks off, small pieces can show more.
        if (whole.end === "reset") assert.ok(again.client.startsWith(whole.client));
        else assert.equal(again.client, whole.client);
      }
      ends.add(whole.end + (whole.client.includes(" 502 ") ? " 502" : ""));
    }),
    { numRuns: 1000 },
  );
  for (const end of ["clean", "clean 502", "reset"]) assert.ok(ends.has(end), [...ends].join());
});

Deno.test("garbage of both sides, at any time, never throws", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200, size: "max" }).map(fromLatin1),
    exchange.map((one) => one.asked + one.answered),
    fc.constantFrom("CONNECT a:1 HTTP/1.1\r\n\r\nx", "GET http://a/ HTTP/1.1\r\n\r\n"),
  );
  const event = fc.oneof(
    bytes.map((text) => (proxy: HttpProxy) =>
      proxy.wantsClient ? proxy.fromClient(toLatin1(text)) : []
    ),
    bytes.map((text) => (proxy: HttpProxy) => proxy.fromTarget(toLatin1(text))),
    fc.constantFrom("clean" as const, "reset" as const, "timeout" as const).map(
      (how) => (proxy: HttpProxy) => proxy.targetEnded(how),
    ),
    fc.constant((proxy: HttpProxy) => proxy.clientEnded()),
  );
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 12 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
      (events, luck) => {
        const proxy = new HttpProxy({ auth: null });
        let connects = 0;
        const perform = (actions: HttpAction[]): void => {
          const last = actions.at(-1);
          for (const action of actions.slice(0, -1)) {
            assert.ok(action.kind !== "endClient" && action.kind !== "raw", "the end comes last");
          }
          if (last?.kind === "connect") {
            perform(
              luck[connects++ % luck.length]! ? proxy.connected() : proxy.connectFailed("refused"),
            );
          }
          if (last?.kind === "endClient" || last?.kind === "raw") assert.ok(proxy.isOver);
        };
        for (const run of events) perform(run(proxy));
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("a client that asks without end is not read on while nobody answers", () => {
  const proxy = new HttpProxy({ auth: null });
  const flood = toLatin1("GET http://a/ HTTP/1.1\r\n\r\n".repeat(1000));
  let taken = 0;
  let connects = 0;
  while (proxy.wantsClient) {
    taken += flood.length;
    connects += proxy.fromClient(flood).filter(({ kind }) => kind === "connect").length;
  }
  assert.equal(taken, flood.length);
  assert.equal(connects, 1);
});

Deno.test("a head without end is read no further than a head may be long", () => {
  const starts = ["GET http://a/", "GET http://a/ HTTP/1.1\r\nA: ", ""];
  for (const start of starts) {
    const proxy = new HttpProxy({ auth: null });
    proxy.fromClient(toLatin1(start));
    const more = toLatin1("\n".repeat(start === "" ? 100 : 0) || "x".repeat(100));
    let taken = start.length;
    while (proxy.wantsClient) {
      taken += more.length;
      proxy.fromClient(more);
      assert.ok(taken <= REQUEST_LIMITS.bytes + more.length);
    }
    assert.ok(proxy.isOver);
  }
});

Deno.test("a flood of requests that the proxy answers itself makes no flood of answers", () => {
  const proxy = new HttpProxy({ auth: () => false });
  const flood = toLatin1("GET http://a/ HTTP/1.1\r\n\r\n".repeat(2000));
  const actions = proxy.fromClient(flood);
  const said = actions.reduce(
    (sum, one) => sum + (one.kind === "toClient" ? one.bytes.length : 0),
    0,
  );
  assert.ok(said > 0 && said < 1000);
  assert.ok(proxy.isOver);
});
