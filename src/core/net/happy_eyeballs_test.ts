import assert from "node:assert/strict";
import type { Failure } from "../proxy/failure.ts";
import { type EyeballStep, HappyEyeballs, interleave } from "./happy_eyeballs.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const X = "2001:db8::1";
const Y = "2001:db8::2";

function told(steps: EyeballStep[]): string[] {
  return steps.map((step) => {
    if (step.kind === "wakeAt") return `wake at ${step.at}`;
    return `${step.kind} ${step.kind === "failed" ? step.failure : step.address}`;
  });
}

/** A race that begins at 1000 and may last for 10 seconds. */
class Race {
  readonly #machine: HappyEyeballs;

  constructor(...addresses: string[]) {
    this.#machine = new HappyEyeballs(addresses, { now: 1000, timeoutMs: 10_000 });
  }

  begin = () => told(this.#machine.begin(1000));
  succeeded = (address: string) => told(this.#machine.succeeded(address));
  failed = (address: string, failure: Failure, now: number) =>
    told(this.#machine.failed(address, failure, now));
  woke = (now: number) => told(this.#machine.woke(now));
}

Deno.test("families take turns, the better one first; each keeps its order", () => {
  assert.deepEqual(interleave([X, Y, A, B]), [X, A, Y, B]);
  assert.deepEqual(interleave([A, X, Y]), [A, X, Y]);
  assert.deepEqual(interleave([A, B, X]), [A, X, B]);
  assert.deepEqual(interleave([X, Y]), [X, Y]);
  assert.deepEqual(interleave(["fe80::1%eth0", Y, A]), ["fe80::1%eth0", A, Y]);
  assert.deepEqual(interleave([]), []);
});

Deno.test("an attempt has a quarter of a second before the next one begins beside it", () => {
  const race = new Race(X, Y, A);
  assert.deepEqual(race.begin(), [`start ${X}`, "wake at 1250"]);
  assert.deepEqual(race.woke(1249), ["wake at 1250"]);
  assert.deepEqual(race.woke(1250), [`start ${A}`, "wake at 1500"]);
  assert.deepEqual(race.woke(1600), [`start ${Y}`, "wake at 11000"]);
  assert.deepEqual(race.woke(1850), ["wake at 11000"]);
});

Deno.test("the first connection wins, the others are cancelled", () => {
  const race = new Race(X, A, B);
  race.begin();
  race.woke(1250);
  assert.deepEqual(race.succeeded(A), [`cancel ${X}`, `done ${A}`]);
  assert.deepEqual(race.succeeded(X), [], "too late");
  assert.deepEqual(race.failed(X, "refused", 1300), []);
  assert.deepEqual(race.woke(1500), []);
});

Deno.test("when an attempt fails the next one begins at once", () => {
  const race = new Race(X, A, Y);
  race.begin();
  assert.deepEqual(race.failed(X, "network_unreachable", 1010), [`start ${A}`, "wake at 1260"]);
  assert.deepEqual(race.failed(A, "refused", 1020), [`start ${Y}`, "wake at 11000"]);
  assert.deepEqual(race.failed(Y, "host_unreachable", 1030), ["failed refused"]);
  assert.deepEqual(race.woke(2000), []);
});

Deno.test("a failure while others run and none waits changes nothing yet", () => {
  const race = new Race(X, A);
  race.begin();
  race.woke(1250);
  assert.deepEqual(race.failed(X, "refused", 1300), ["wake at 11000"]);
  assert.deepEqual(race.failed(A, "timeout", 1400), ["failed refused"]);
});

Deno.test("after its time all is given up", () => {
  const race = new Race(X, A);
  race.begin();
  race.woke(1250);
  assert.deepEqual(race.woke(10_999), ["wake at 11000"]);
  assert.deepEqual(race.woke(11_000), [`cancel ${X}`, `cancel ${A}`, "failed timeout"]);
  const mixed = new Race(X, A);
  mixed.begin();
  mixed.failed(X, "refused", 1100);
  assert.deepEqual(mixed.woke(11_000), [`cancel ${A}`, "failed refused"]);
  const late = new Race(X, A);
  late.begin();
  assert.deepEqual(late.failed(X, "network_unreachable", 12_000), ["failed timeout"]);
});

Deno.test("the time of all can end before the next attempt would begin", () => {
  const race = new HappyEyeballs([X, A], { now: 0, timeoutMs: 100 });
  assert.deepEqual(told(race.begin(0)), [`start ${X}`, "wake at 100"]);
  assert.deepEqual(told(race.woke(100)), [`cancel ${X}`, "failed timeout"]);
  const slow = new HappyEyeballs([X, A], { now: 0, timeoutMs: 9000, attemptDelayMs: 2000 });
  assert.deepEqual(told(slow.begin(0)), [`start ${X}`, "wake at 2000"]);
});

Deno.test("an address that is given twice is tried once", () => {
  const race = new Race(X, X);
  assert.deepEqual(race.begin(), [`start ${X}`, "wake at 11000"]);
  assert.deepEqual(race.failed(X, "refused", 1001), ["failed refused"]);
});

Deno.test("a name without an address fails at once", () => {
  assert.deepEqual(new Race().begin(), ["failed name"]);
});

Deno.test("it begins once", () => {
  const race = new Race(X);
  race.begin();
  assert.throws(() => race.begin(), { name: "TtunError", kind: "internal" });
});
