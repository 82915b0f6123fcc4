import assert from "node:assert/strict";
import { LEAST_WINDOW, SendWindow } from "./send_window.ts";

/** Returns how many packets it lets go at once. */
function fill(window: SendWindow): number {
  const before = window.unsent;
  while (window.admit()) window.unsent++;
  return window.unsent - before;
}

Deno.test("it grows while the library waits for packets, and no further", () => {
  const window = new SendWindow();
  const sizes = [];
  for (let i = 0; i < 7; i++) {
    sizes.push(fill(window));
    window.taken(window.unsent, false);
  }
  assert.deepEqual(sizes, [32, 64, 128, 256, 256, 256, 256]);
});

Deno.test("it shrinks while packets wait for the library", () => {
  const window = new SendWindow();
  fill(window);
  window.taken(LEAST_WINDOW, false);
  assert.equal(fill(window), 2 * LEAST_WINDOW);
  for (let i = 0; i < 10; i++) {
    window.taken(1, true);
    assert.ok(!window.admit());
  }
  for (let i = 0; i < 100; i++) window.taken(0, true);
  window.taken(window.unsent, true);
  assert.equal(fill(window), LEAST_WINDOW);
});

Deno.test("whoever sends less than the window gets no larger one", () => {
  const window = new SendWindow();
  for (let i = 0; i < 10; i++) {
    window.unsent += 3;
    window.taken(3, false);
  }
  assert.equal(fill(window), LEAST_WINDOW);
});
