import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { claimAt, FakeHolder, type Traits } from "../../../tests/fake/slot_holder.ts";
import {
  ExclusiveSlot,
  LIFE_TIMEOUT,
  LONGEST_CLAIM,
  MOST_WAITING,
  MOST_WAITING_OF_ADDRESS,
} from "./exclusive_slot.ts";

const LIFE = 3_000;
const WAIT = 9_000;
const never = new AbortController().signal;

function world() {
  const clock = new FakeClock();
  const place = new ExclusiveSlot(clock);
  const makeHolder = (traits: Traits = {}) => new FakeHolder(place, traits);
  const claim = (by: FakeHolder, signal = never) => claimAt(place, clock, by, signal);
  return { clock, place, makeHolder, claim };
}

Deno.test("the waits are those of the specification: 9 s for a newcomer, 3 s for a sign of life", () => {
  assert.deepEqual([LONGEST_CLAIM, LIFE_TIMEOUT], [WAIT, LIFE]);
});

Deno.test("a free place is given at once, and nobody is asked anything", async () => {
  const { clock, makeHolder, claim } = world();
  const first = makeHolder();
  const answer = claim(first);
  await clock.settle();
  assert.deepEqual(answer, { granted: true, at: 0 });
  assert.deepEqual([first.asked, clock.pending], [0, 0]);
});

Deno.test("while the holder lives, a newcomer is refused after exactly 9 s", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  await clock.advance(100);
  const answer = claim(makeHolder());
  await clock.advance(WAIT - 1);
  assert.equal(answer.granted, null);
  await clock.advance(1);
  assert.deepEqual(answer, { granted: false, at: 100 + WAIT });
  assert.equal(holder.evicted, 0);
  assert.ok(holder.asked >= 8, "it is asked about once a second"); // and proves it each time
  await clock.advance(60_000);
  assert.equal(clock.pending, 0); // nobody waits, nobody is asked
});

Deno.test("a holder without a sign of life is replaced after exactly 3 s", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder();
  claim(holder);
  await clock.advance(100);
  const answer = claim(makeHolder());
  await clock.advance(LIFE - 1);
  assert.deepEqual([answer.granted, holder.evicted], [null, 0]);
  await clock.advance(1);
  assert.deepEqual(answer, { granted: true, at: 100 + LIFE });
  assert.deepEqual([holder.evicted, holder.asked], [1, 1]);
  assert.equal(clock.pending, 0);
});

Deno.test("a sign of life at the last moment keeps the place for the holder", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder();
  claim(holder);
  const answer = claim(makeHolder());
  await clock.advance(LIFE - 60);
  holder.signs++;
  await clock.advance(60);
  assert.deepEqual([answer.granted, holder.evicted], [null, 0]);
});

Deno.test("signs of life from before the question do not count", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = Object.assign(makeHolder(), { signs: 1_000_000 });
  claim(holder);
  claim(makeHolder());
  await clock.advance(LIFE);
  assert.equal(holder.evicted, 1);
});

Deno.test("a holder that dies while a newcomer waits is replaced 3 s after the next question", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  const answer = claim(makeHolder());
  await clock.advance(2_500);
  holder.alive = false;
  await clock.advance(WAIT - 2_500 - 1);
  assert.equal(answer.granted, true);
  assert.ok(answer.at > 2_500 + LIFE - 1_000 && answer.at <= 2_500 + LIFE + 1_050, `${answer.at}`);
});

Deno.test("a holder that was evicted keeps the place until it has given it back", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder();
  holder.evict = () => void holder.evicted++;
  claim(holder);
  const answer = claim(makeHolder());
  await clock.advance(LIFE + 500);
  assert.deepEqual([answer.granted, holder.evicted], [null, 1]);
  place.release(holder);
  await clock.settle();
  assert.deepEqual(answer, { granted: true, at: LIFE + 500 });
});

Deno.test("a place that is given back goes at once to who has waited longest", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  const [first, second] = [makeHolder({ alive: true }), makeHolder()];
  const answers = [claim(first), claim(second)];
  await clock.advance(500);
  place.release(holder);
  await clock.settle();
  assert.deepEqual(answers[0], { granted: true, at: 500 });
  assert.equal(answers[1]!.granted, null);
  await clock.advance(WAIT);
  assert.deepEqual(answers[1], { granted: false, at: WAIT }); // `first` lives
  assert.ok(first.asked > 0);
});

Deno.test("a place that is given back while nobody waits is free", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder();
  claim(holder);
  place.release(holder);
  const answer = claim(makeHolder());
  await clock.settle();
  assert.equal(answer.granted, true);
});

Deno.test("only the holder can give the place back", async () => {
  const { clock, place, makeHolder, claim } = world();
  const [holder, other] = [makeHolder({ alive: true }), makeHolder()];
  claim(holder);
  const answer = claim(other);
  place.release(other);
  place.release(makeHolder());
  await clock.settle();
  assert.equal(answer.granted, null);
});

Deno.test("a newcomer that has gone away again is passed over", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  const [gone, there] = [makeHolder({ gone: true }), makeHolder()];
  const answers = [claim(gone), claim(there)];
  await clock.settle();
  place.release(holder);
  await clock.settle();
  assert.deepEqual(answers.map(({ granted }) => granted), [false, true]);
});

Deno.test("a place given back while only those wait who have gone is free", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  claim(makeHolder({ gone: true }));
  place.release(holder);
  const answer = claim(makeHolder());
  await clock.settle();
  assert.equal(answer.granted, true);
});

Deno.test("for a newcomer that has gone away again no holder loses the place", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder();
  claim(holder);
  const newcomer = makeHolder();
  claim(newcomer);
  await clock.advance(1_000);
  newcomer.gone = true;
  await clock.advance(60_000);
  assert.equal(holder.evicted, 0);
});

Deno.test("a holder that falls silent just as the newcomer is refused keeps the place", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  const answer = claim(makeHolder());
  await clock.advance(WAIT - 1_500);
  holder.alive = false;
  await clock.advance(60_000);
  assert.deepEqual(answer, { granted: false, at: WAIT });
  assert.equal(holder.evicted, 0);
});

Deno.test("after a newcomer was refused, the next one has the holder asked again", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  claim(makeHolder());
  await clock.advance(WAIT + 60_000);
  holder.alive = false;
  const answer = claim(makeHolder());
  await clock.advance(LIFE);
  assert.deepEqual(answer, { granted: true, at: WAIT + 60_000 + LIFE });
});

Deno.test("an abort ends the wait without the place, and takes its timers along", async () => {
  const { clock, place, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true });
  claim(holder);
  const stop = new AbortController();
  const answer = claim(makeHolder(), stop.signal);
  await clock.advance(500);
  stop.abort();
  await clock.settle();
  assert.deepEqual(answer, { granted: false, at: 500 });
  assert.equal(await place.claim(makeHolder(), stop.signal), false);
  await clock.advance(1_050);
  assert.equal(clock.pending, 0);
  place.release(holder);
  assert.equal(await place.claim(makeHolder(), never), true);
});

Deno.test("so many newcomers wait, of one address fewer; whoever comes with many pushes out his own", async () => {
  const { clock, makeHolder, claim } = world();
  claim(makeHolder({ alive: true }));
  const honest = claim(makeHolder({ address: "192.0.2.99" }));
  const others = Array.from(
    { length: 6000 },
    (_, i) => claim(makeHolder({ address: `198.51.100.${i % 8}` })),
  );
  const same = Array.from({ length: 100 }, () => claim(makeHolder({ address: "203.0.113.1" })));
  await clock.settle();
  const waiting = (answers: typeof others) => answers.filter(({ granted }) => granted === null);
  assert.equal(waiting([honest, ...others, ...same]).length, MOST_WAITING);
  assert.ok(waiting(same).length <= MOST_WAITING_OF_ADDRESS);
  assert.equal(honest.granted, null, "it is not pushed out by others");
  assert.equal(waiting(others).includes(others.at(-1)!), true, "of one address the newest stay");
  await clock.advance(WAIT);
  assert.equal(waiting([honest, ...others, ...same]).length, 0);
  assert.equal(clock.pending, 0);
});

Deno.test("a newcomer that has left again holds nothing for longer than a second", async () => {
  const { clock, makeHolder, claim } = world();
  claim(makeHolder({ alive: true }));
  const leaves = makeHolder();
  const answer = claim(leaves);
  await clock.advance(500);
  leaves.gone = true;
  await clock.advance(1_000);
  assert.deepEqual(answer, { granted: false, at: 1_000 });
});

Deno.test("a client of another key that names the same instance does not replace the holder", async () => {
  const { clock, makeHolder, claim } = world();
  const holder = makeHolder({ alive: true, key: "a", instance: "x" });
  claim(holder);
  const answer = claim(makeHolder({ key: "b", instance: "x" }));
  await clock.advance(WAIT);
  assert.deepEqual([answer.granted, holder.evicted], [false, 0]);
});
