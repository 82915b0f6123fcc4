import assert from "node:assert/strict";
import { LoginLimit } from "./login_limit.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

function world() {
  const clock = { now: 0 };
  return { clock, limit: new LoginLimit(() => clock.now) };
}

Deno.test("whoever mistypes three times is not slowed down, and others of no other address ever", () => {
  const { clock, limit } = world();
  for (let i = 0; i < 3; i++) {
    assert.equal(limit.wait(A), 0);
    limit.failed(A);
  }
  assert.equal(limit.wait(A), 0);
  for (let i = 0; i < 100; i++) limit.failed(B);
  assert.equal(limit.wait(A), 0);
  clock.now = 4_000;
  assert.equal(limit.wait(A), 0);
});

Deno.test("an address guesses no more than once a second, over however many connections", () => {
  const { clock, limit } = world();
  let guesses = 0;
  const due: number[] = [];
  // In each millisecond a hundred connections try, and hang up when they do not hear at once.
  for (clock.now = 0; clock.now < 60_000; clock.now++) {
    while (due.length > 0 && due[0]! <= clock.now) {
      due.shift();
      limit.begin(A);
      limit.failed(A);
      guesses++;
    }
    for (let i = 0; i < 100; i++) {
      const wait = limit.wait(A);
      if (wait === null) break;
      if (wait > 0) due.push(clock.now + wait);
      else {
        limit.failed(A);
        guesses++;
      }
    }
    due.sort((a, b) => a - b);
  }
  assert.ok(guesses > 30 && guesses <= 64, `${guesses} in a minute`);
});

Deno.test("who gives the right password after a pause is served at once again", () => {
  const { clock, limit } = world();
  for (let i = 0; i < 20; i++) limit.failed(A);
  assert.equal(limit.wait(A), 18_000);
  limit.begin(A);
  clock.now = 17_001;
  assert.equal(limit.wait(A), 0);
});

Deno.test("so many wait, and so many addresses are remembered, and no more", () => {
  const { limit } = world();
  for (let i = 0; i < 10; i++) limit.failed(A);
  const waits = Array.from({ length: 40 }, () => limit.wait(A));
  assert.equal(waits.filter((wait) => wait !== null).length, 32);
  limit.begin(A);
  assert.notEqual(limit.wait(A), null);
  for (let i = 0; i < 10_000; i++) limit.failed(`address ${i}`);
  assert.notEqual(limit.wait(A), 0, "those who wait are counted on");
  for (let i = 0; i < 5; i++) limit.failed("address 9999");
  assert.ok(limit.wait("address 9999")! > 0);
  assert.equal(limit.wait("address 0"), 0);
});
