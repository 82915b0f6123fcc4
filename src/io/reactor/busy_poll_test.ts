import { equal, ok } from "node:assert/strict";
import { BusyPoll } from "./busy_poll.ts";

Deno.test("who has just begun, or sleeps long, does not look for events before it sleeps", () => {
  const poll = new BusyPoll();
  equal(poll.budgetMs(0), 0);
  for (const ms of [1, 10, 1000]) poll.waited(ms);
  equal(poll.budgetMs(0), 0);
});

Deno.test("short sleeps make it look longer and longer, to a tenth of a millisecond", () => {
  const poll = new BusyPoll();
  let last = 0;
  for (let i = 0; i < 4; i++) {
    poll.waited(0.03);
    ok(poll.budgetMs(0) > last);
    last = poll.budgetMs(0);
  }
  for (let i = 0; i < 100; i++) poll.waited(0.09);
  equal(poll.budgetMs(0), 0.1);
});

Deno.test("a few long sleeps and it does not look any more", () => {
  const poll = new BusyPoll();
  for (let i = 0; i < 10; i++) poll.waited(0.05);
  for (let i = 0; i < 4; i++) poll.waited(5);
  equal(poll.budgetMs(0), 0);
});

Deno.test("another thread that wanted the processor ends a poll, and there is none for 50 ms", () => {
  const poll = new BusyPoll();
  for (let i = 0; i < 10; i++) poll.waited(0.05);
  equal(poll.yielded(0.05, 100), false);
  equal(poll.budgetMs(100), 0.1);
  equal(poll.yielded(0.7, 100), true);
  equal(poll.budgetMs(100), 0);
  equal(poll.budgetMs(149.9), 0);
  equal(poll.budgetMs(150), 0.1);
});
