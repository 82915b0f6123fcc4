import assert from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import type { HttpRequest } from "../http/exchange.ts";
import { PasswordChecks } from "./password_checks.ts";
import { hashPassword, type Scrypt } from "./password_hash.ts";
import { hashesOf, VisitorGuard, type VisitorRules } from "./visitor_rules.ts";

/** Stands for scrypt: quick, and no less of its arguments. */
const scrypt: Scrypt = (password, salt, { logN }, length) => {
  const text = `${logN} ${salt} ${password}`;
  return new TextEncoder().encode(text.repeat(length)).slice(-length);
};

const SALT = new Uint8Array(16).fill(1);

function request(...authorization: string[]): HttpRequest {
  return {
    ...{ method: "GET", scheme: "https", authority: "a.test", path: "/", hasBody: false } as const,
    fields: [
      { name: "Accept", value: "*/*" },
      ...authorization.map((value) => ({ name: "Authorization", value })),
    ],
    upgrade: null,
  };
}

function lab(o: Partial<VisitorRules> = {}, checks?: PasswordChecks) {
  const at = { now: 0 };
  const hashes = hashesOf(SALT, ["ann:pässword:x", "bob:y"], "tokEn");
  const rules = { allow: null, hashes, salt: SALT, slow: [], asksBrowser: true, ...o };
  const now = () => at.now;
  const guard = new VisitorGuard(rules, now, checks ?? new PasswordChecks(now, scrypt));
  const status = (head: HttpRequest, from = "192.0.2.1") => {
    const verdict = guard.judge(head, from);
    return verdict.kind === "pass" ? 200 : verdict.status;
  };
  return { at, guard, status };
}

const basic = (login: string) =>
  `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(login)))}`;

Deno.test("a login or a token opens the way, and does not go on to the service", () => {
  const { guard, status } = lab();
  for (const value of [basic("ann:pässword:x"), `basic  ${btoa("bob:y")}`, "Bearer tokEn"]) {
    const verdict = guard.judge(request(value), "192.0.2.1");
    assert.deepEqual(verdict, { kind: "pass", head: request() });
  }
  const wrong = [basic("bob:x"), basic("bob"), basic(":y"), "Bearer token", "Basic !", "Basic", ""];
  for (const [i, value] of wrong.entries()) {
    assert.equal(status(request(value), `10.0.0.${i}`), 401);
  }
  assert.equal(status(request("Bearer tokEn", "Bearer tokEn"), "10.0.1.1"), 401);
  assert.equal(status(request()), 401);
});

Deno.test("an address that guesses has to wait, and others need not", () => {
  const { at, status } = lab();
  for (let i = 0; i < 10; i++) assert.equal(status(request(basic("bob:x"))), 401);
  assert.equal(status(request(basic("bob:y"))), 429);
  assert.equal(status(request()), 401); // a browser's first request is no guess
  assert.equal(status(request(basic("bob:y")), "192.0.2.2"), 200);
  at.now = 60_000;
  assert.equal(status(request(basic("bob:y"))), 200);
});

Deno.test("a /64 of IPv6 is one who guesses", () => {
  const { status } = lab();
  const guess = request(basic("bob:x"));
  for (let i = 0; i < 10; i++) assert.equal(status(guess, `2001:db8::${i}:1`), 401);
  assert.equal(status(guess, "2001:db8::ffff"), 429);
  assert.equal(status(guess, "2001:db8:0:1::1"), 401);
});

Deno.test("networks judge the address alone", () => {
  const allow = [parseCidr("192.0.2.0/24"), parseCidr("2001:db8::/32")];
  const { status } = lab({ allow, hashes: null });
  for (const from of ["192.0.2.9", "2001:db8::1"]) assert.equal(status(request(), from), 200);
  for (const from of ["198.51.100.1", "2001:db9::1", ""]) {
    assert.equal(status(request(), from), 403);
  }
});

Deno.test("of a password that is stored as a hash eight checks a second are made; right ones are known", () => {
  const password = hashPassword(new TextEncoder().encode("pass:word"), SALT, scrypt);
  const { at, status } = lab({ hashes: [], slow: [{ name: "ann", password }] });
  assert.equal(status(request(basic("ann:pass:word"))), 200);
  assert.equal(status(request(basic("ann:pass:worD"))), 401);
  for (const login of ["bob:pass:word", "pass:word", "ann", ":", "ann:"]) {
    assert.equal(status(request(basic(login))), 401, login);
  }
  assert.equal(status(request(`Basic ${btoa("\xff:pass:word")}`)), 401);
  assert.equal(status(request(basic("ann:more")), "192.0.2.2"), 429);
  assert.equal(status(request(basic("ann:pass:word")), "192.0.2.2"), 200);
  at.now += 1000;
  assert.equal(status(request(basic("ann:more")), "192.0.2.2"), 401);
});

Deno.test("those who guess at many services of an agent have it check no more passwords than at one", () => {
  const password = hashPassword(new TextEncoder().encode("x"), SALT, scrypt);
  const rules = { hashes: [], slow: [{ name: "ann", password }] };
  const checks = new PasswordChecks(() => 0, scrypt);
  const services = Array.from({ length: 4 }, () => lab(rules, checks));
  const found = services.flatMap(({ status }) =>
    [1, 2, 3, 4].map((i) => status(request(basic("ann:y")), `192.0.2.${i}`))
  );
  assert.equal(found.filter((status) => status === 401).length, 8);
  assert.equal(found.filter((status) => status === 429).length, 8);
});
