import assert from "node:assert/strict";
import {
  type ErrorKind,
  EXIT_CODES,
  NameError,
  TtunError,
  UnreachableError,
  type UnreachableReason,
} from "../../base/errors.ts";
import {
  type Failure,
  failureOf,
  failureOfSocks5,
  FAILURES,
  httpFailure,
  mostTelling,
  proxyStatus,
  socks5Code,
} from "./failure.ts";
import { makeTarget } from "../../base/target.ts";

const target = makeTarget("2001:db8::7", 8080);

Deno.test("each failure has its code and status", () => {
  const table = FAILURES.map((f) => `${f} ${socks5Code(f)} ${httpFailure(f, target).status}`);
  assert.deepEqual(table.toSorted(), [
    "denied 2 403",
    "exhausted 1 503",
    "general 1 502",
    "host_unreachable 4 502",
    "name 4 502",
    "name_failed 4 502",
    "name_silent 4 504",
    "network_unreachable 3 502",
    "refused 5 502",
    "timeout 6 504",
    "tunnel 1 503",
  ]);
});

Deno.test("the words are a line of plain text and name the target", () => {
  for (const failure of FAILURES) {
    const { words, type } = httpFailure(failure, target);
    assert.match(words, /^[\x20-\x7e]+[.?]$/);
    assert.ok(words.includes("[2001:db8::7]:8080"), words);
    assert.match(proxyStatus(type).value, /^proxy; error=[a-z_]+$/);
  }
  assert.ok(httpFailure("denied", target).words.includes("--allow"));
});

Deno.test("a SOCKS5 code says what was meant, as far as it can", () => {
  const exact: Failure[] = [
    "denied",
    "network_unreachable",
    "host_unreachable",
    "refused",
    "timeout",
    "general",
  ];
  for (const failure of exact) assert.equal(failureOfSocks5(socks5Code(failure)), failure);
  assert.equal(failureOfSocks5(socks5Code("name")), "host_unreachable");
  for (const code of [0, 7, 8, 9, 255]) assert.equal(failureOfSocks5(code), "general");
});

Deno.test("a name that does not resolve is one thing, name servers that do not answer are another", () => {
  const of = (reason: NameError["reason"]) => failureOf(new NameError(reason, "Cannot resolve"));
  assert.deepEqual([of("missing"), of("invalid"), of("silent"), of("failed")], [
    "name",
    "name",
    "name_silent",
    "name_failed",
  ]);
  assert.equal(httpFailure("name_silent", target).type, "dns_timeout");
  assert.doesNotMatch(httpFailure("name_silent", target).words, /spel/);
});

Deno.test("a dialer's error is a failure by its kind, and by its reason", () => {
  const of = (kind: ErrorKind) => failureOf(new TtunError(kind, "Cannot connect"));
  const unreachable = (reason: UnreachableReason) =>
    failureOf(new UnreachableError(reason, "Cannot connect"));
  assert.equal(unreachable("refused"), "refused");
  assert.equal(unreachable("network"), "network_unreachable");
  assert.equal(unreachable("host"), "host_unreachable");
  assert.equal(of("unreachable"), "host_unreachable");
  const asTheyAre: ErrorKind[] = ["name", "timeout", "exhausted"];
  for (const kind of Object.keys(EXIT_CODES) as ErrorKind[]) {
    if (kind === "unreachable") continue;
    assert.equal(of(kind), asTheyAre.includes(kind) ? kind : "general");
  }
});

Deno.test("of several failures the most telling is told", () => {
  assert.equal(mostTelling([]), "general");
  assert.equal(mostTelling(["network_unreachable", "refused"]), "refused");
  assert.equal(mostTelling(["network_unreachable", "timeout", "denied"]), "timeout");
  assert.equal(mostTelling(["network_unreachable", "denied"]), "denied");
  for (const failure of FAILURES) assert.equal(mostTelling(["general", failure]), failure);
});
