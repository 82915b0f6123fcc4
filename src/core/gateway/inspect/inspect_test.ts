import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../base/bytes.ts";
import type { HttpRequest } from "../../http/exchange.ts";
import { InspectDoor } from "./door.ts";
import { KeptBody } from "./kept_body.ts";
import { PAGE, PAGE_POLICY } from "./page.ts";
import { PAGE_SCRIPT } from "./page_script.ts";
import { ExchangeRecords } from "./records.ts";
import { detailOf, mayReplay, summaryOf } from "./shown.ts";

const HOST = "127.0.0.1:4040";

function get(path: string, fields: Record<string, string> = {}, method = "GET"): HttpRequest {
  return {
    ...{ method, path, scheme: "http", authority: HOST, hasBody: false, upgrade: null },
    fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
  };
}

function door() {
  let next = 0;
  const entered: string[] = [];
  const made: InspectDoor = new InspectDoor(
    (length) => new Uint8Array(length).fill(++next),
    [HOST, "localhost:4040"],
    () => entered.push(made.token),
  );
  return { door: made, entered };
}

function enter(made: InspectDoor): { to: string; cookie: string } {
  const entry = made.judge(get(`/?token=${made.token}`));
  assert(entry.kind === "enter");
  assert.match(entry.cookie, /; HttpOnly; SameSite=Strict$/);
  assert(entry.cookie.includes(`; Path=${entry.to};`));
  return { to: entry.to, cookie: entry.cookie.split(";")[0]! };
}

function status(made: InspectDoor, request: HttpRequest): number | "pass" {
  const entry = made.judge(request);
  return entry.kind === "refuse" ? entry.status : entry.kind === "pass" ? "pass" : 303;
}

Deno.test("a browser comes in by the token, once, and by its cookie from then on", () => {
  const { door: made, entered } = door();
  const first = made.token;
  assert.equal(status(made, get("/")), 401);
  assert.equal(status(made, get("/?token=wrong")), 401);
  const { to, cookie } = enter(made);
  assert.deepEqual(entered, [made.token]);
  assert.notEqual(made.token, first);
  assert.equal(status(made, get(`/?token=${first}`)), 401);
  assert.equal(status(made, get(to)), 401);
  assert.equal(status(made, get(to, { Cookie: `${cookie}x` })), 401);
  assert.equal(status(made, get("/other/", { Cookie: cookie })), 401);
  assert.deepEqual(made.judge(get(`${to}exchanges/1?secrets=1`, { Cookie: `a=b; ${cookie}` })), {
    ...{ kind: "pass", path: "exchanges/1", query: "secrets=1" },
  });
});

Deno.test("requests for another host, and those that another site's page causes, are refused", () => {
  const { door: made } = door();
  const { to, cookie: Cookie } = enter(made);
  const with_ = (fields: Record<string, string>, method?: string) =>
    status(made, get(to, { Cookie, ...fields }, method));
  assert.equal(status(made, { ...get(to, { Cookie }), authority: "evil.test:4040" }), 403);
  assert.equal(status(made, { ...get(to, { Cookie }), authority: "" }), 403);
  assert.equal(with_({ Origin: "http://127.0.0.1:8080" }), 403);
  assert.equal(with_({ Origin: "null" }), 403);
  assert.equal(with_({ "Sec-Fetch-Site": "same-site" }), 403);
  assert.equal(with_({ "Sec-Fetch-Site": "cross-site" }), 403);
  assert.equal(with_({ "Sec-Fetch-Site": "same-origin" }), "pass");
  assert.equal(with_({}, "POST"), 403);
  assert.equal(with_({ Origin: `http://${HOST}` }, "POST"), "pass");
});

Deno.test("a nonce counts once", () => {
  const { door: made } = door();
  const nonce = made.giveNonce();
  assert.equal(made.takeNonce(""), false);
  assert.equal(made.takeNonce(nonce), true);
  assert.equal(made.takeNonce(nonce), false);
});

const ABOUT = { service: "shop", requestId: "1", visitor: "192.0.2.1", replayOf: null };

Deno.test("secrets are masked until they are asked for, and a request is sent again if it is whole", () => {
  const records = new ExchangeRecords(() => 5);
  const head = get("/", { authorization: "Basic x", COOKIE: "a=b", Accept: "*/*" }, "POST");
  const tap = records.begin({ ...ABOUT, head, isServed: true });
  const [one] = records.all;
  assert.equal(mayReplay(one!), false);
  const fields = [{ name: "set-cookie", value: "c=d" }];
  tap.response({ status: 200, reason: "OK", fields, upgrade: null });
  tap.data("request", utf8("abc"));
  tap.over();
  assert.equal(mayReplay(one!), true);
  const text = (withSecrets: boolean) => JSON.stringify(detailOf(one!, { withSecrets, nonce: "" }));
  for (const secret of ["Basic x", "a=b", "c=d"]) {
    assert.equal(text(false).includes(secret), false);
    assert.equal(text(true).includes(secret), true);
  }
  tap.data("request", new Uint8Array(200_000));
  assert.equal(mayReplay(one!), false);
  assert.match(JSON.stringify(summaryOf(one!)), /"status":200,"sent":200003,"got":0/);
});

Deno.test("what is remembered stays within its bounds", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ path: fc.integer({ min: 1, max: 5000 }), data: fc.nat(100_000) })),
    (all) => {
      const records = new ExchangeRecords(() => 0, 200_000);
      for (const { path, data } of all) {
        const head = get(`/${"x".repeat(path)}`);
        const tap = records.begin({ ...ABOUT, head, isServed: true });
        tap.data("response", new Uint8Array(data));
        tap.over();
        assert(records.bytes <= 200_000);
      }
      assert.equal(records.bytes > 0, records.all.length > 0);
    },
  ));
  const records = new ExchangeRecords(() => 0);
  for (let i = 0; i < 600; i++) records.begin({ ...ABOUT, head: get("/"), isServed: true });
  assert.equal(records.all.length, 500);
  assert.equal(records.get(100), null);
  assert.equal(records.get(101)?.id, 101);
});

Deno.test("of a body the beginning is kept, however it is cut", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ maxLength: 3000 })),
    fc.nat(5000),
    (parts, limit) => {
      const body = new KeptBody(limit);
      for (const part of parts) body.take(part);
      const whole = parts.flatMap((part) => [...part]);
      assert.deepEqual([...body.bytes()], whole.slice(0, limit));
      assert.equal(body.total, whole.length);
      assert.equal(body.kept, Math.min(limit, whole.length));
    },
  ));
});

Deno.test("the page's script can be read, and makes no markup of anything", () => {
  new Function(PAGE_SCRIPT);
  assert.doesNotMatch(PAGE_SCRIPT, /innerHTML|outerHTML|insertAdjacent|document\.write|<\/script/i);
  assert.equal(PAGE.match(/<script/g)?.length, 1);
  assert.match(PAGE_POLICY, /^default-src 'none'; script-src 'sha256-[A-Za-z0-9+/]{43}='; /);
});
