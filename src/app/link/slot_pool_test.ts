import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { claimAt, FakeHolder, type Traits } from "../../../tests/fake/slot_holder.ts";
import { SlotPool } from "./slot_pool.ts";

const LIFE = 3_000;
const WAIT = 9_000;
/** Within so long a newcomer with words is refused, also when the holder was asked just before. */
const SOON = 1_100;
const never = new AbortController().signal;

/** A number of slots, each with a holder. */
async function world(count: number, holders = count) {
  const clock = new FakeClock();
  const seats = new SlotPool(clock, count);
  const makeHolder = (traits: Traits = {}) =>
    new FakeHolder(seats, { alive: true, canBeRefused: true, ...traits });
  const claim = (by: FakeHolder, signal = never) => claimAt(seats, clock, by, signal);
  const sitting = Array.from({ length: holders }, () => makeHolder());
  const answers = sitting.map((holder) => claim(holder));
  await clock.settle();
  assert.deepEqual(answers.map(({ granted }) => granted), sitting.map(() => true));
  return { clock, seats, makeHolder, claim, sitting };
}

/** Waits until a claim of one that can be refused is decided. */
async function settledIn<T>(clock: FakeClock, answer: T): Promise<T> {
  await clock.advance(SOON);
  return answer;
}

const askedOf = (tenants: FakeHolder[]) => tenants.map(({ asked }) => asked);
const evictedOf = (tenants: FakeHolder[]) => tenants.map(({ evicted }) => evicted);

Deno.test("as many as there are seats get one at once, and nobody is asked anything", async () => {
  for (const count of [1, 2, 50]) {
    const { clock, sitting } = await world(count);
    assert.deepEqual(askedOf(sitting), sitting.map(() => 0));
    assert.deepEqual([clock.pending, clock.now()], [0, 0]);
  }
});

Deno.test("when all are taken by living ones, a newcomer with words is refused soon, and nobody leaves", async () => {
  const { clock, makeHolder, claim, sitting } = await world(3);
  const answer = claim(makeHolder());
  await clock.advance(100);
  assert.equal(answer.granted, false);
  await clock.advance(60_000);
  assert.deepEqual(evictedOf(sitting), [0, 0, 0]);
  assert.deepEqual(askedOf(sitting), [1, 1, 1]);
  assert.equal(clock.pending, 0);
});

Deno.test("a silent holder loses its seat to the first newcomer, wherever it sits; the others keep theirs", async () => {
  for (let silent = 0; silent < 5; silent++) {
    const { clock, makeHolder, claim, sitting } = await world(5);
    sitting[silent]!.alive = false;
    const first = claim(makeHolder());
    const second = claim(makeHolder());
    await clock.advance(LIFE - 1);
    assert.deepEqual([first.granted, second.granted], [null, null]);
    await clock.advance(1 + SOON);
    assert.deepEqual(first, { granted: true, at: LIFE });
    assert.equal(second.granted, false);
    assert.deepEqual(evictedOf(sitting), sitting.map((_, i) => i === silent ? 1 : 0));
    assert.equal(clock.pending, 0);
  }
});

Deno.test("of two seats that are free in the same moment a newcomer has one, and the next the other", async () => {
  const { clock, seats, makeHolder, claim, sitting } = await world(2);
  const first = claim(makeHolder({ canBeRefused: false }));
  const second = claim(makeHolder({ canBeRefused: false }));
  await clock.advance(500);
  for (const holder of sitting) seats.release(holder);
  await clock.settle();
  assert.deepEqual([first, second], [{ granted: true, at: 500 }, { granted: true, at: 500 }]);
  const third = claim(makeHolder());
  await clock.advance(SOON);
  assert.equal(third.granted, false);
});

Deno.test("a newcomer without words waits for nine seconds", async () => {
  const { clock, makeHolder, claim, sitting } = await world(2);
  const answer = claim(makeHolder({ canBeRefused: false }));
  await clock.advance(WAIT - 1);
  assert.equal(answer.granted, null);
  await clock.advance(1);
  assert.deepEqual(answer, { granted: false, at: WAIT });
  assert.deepEqual(evictedOf(sitting), [0, 0]);
});

Deno.test("who waits gets whichever seat is given back, as soon as it is", async () => {
  const { clock, seats, makeHolder, claim, sitting } = await world(2);
  for (const given of [0, 1]) {
    const answer = claim(makeHolder({ canBeRefused: false }));
    await clock.advance(500);
    seats.release(sitting[given]!);
    await clock.settle();
    assert.equal(answer.granted, true);
  }
});

Deno.test("the same instance replaces itself at once, and nobody is asked", async () => {
  const { clock, makeHolder, claim, sitting } = await world(3, 1);
  const own = makeHolder({ instance: "x", alive: false });
  claim(own);
  claim(makeHolder());
  await clock.settle();
  const again = makeHolder({ instance: "x" });
  const answer = claim(again);
  await clock.settle();
  assert.deepEqual(answer, { granted: true, at: 0 });
  assert.deepEqual([own.evicted, sitting[0]!.evicted], [1, 0]);
  assert.deepEqual(askedOf([own, again, ...sitting]), [0, 0, 0]);
  assert.equal(clock.pending, 0);
});

Deno.test("it does so where seats are free: a client has one seat", async () => {
  const { clock, seats, makeHolder, claim } = await world(2, 0);
  let last = makeHolder({ instance: "x" });
  claim(last);
  for (let i = 0; i < 5; i++) {
    const next = makeHolder({ instance: "x" });
    claim(next);
    await clock.settle();
    assert.equal(last.evicted, 1);
    last = next;
  }
  const other = claim(makeHolder({ instance: "y" }));
  const third = claim(makeHolder({ instance: "z" }));
  await clock.advance(200);
  assert.deepEqual([other.granted, third.granted], [true, false]);
  seats.release(last);
  const fourth = claim(makeHolder({ instance: "z" }));
  await clock.settle();
  assert.equal(fourth.granted, true);
});

Deno.test("holders without an instance are never taken for the same", async () => {
  const { clock, makeHolder, claim, sitting } = await world(2);
  const answer = claim(makeHolder());
  await clock.advance(100);
  assert.deepEqual([answer.granted, ...evictedOf(sitting)], [false, 0, 0]);
});

Deno.test("an evicted holder keeps its seat until it has given it back", async () => {
  const { clock, seats, makeHolder, claim } = await world(1, 0);
  const own = makeHolder({ instance: "x" });
  own.evict = () => void own.evicted++;
  claim(own);
  const answer = claim(makeHolder({ instance: "x" }));
  await clock.advance(1_000);
  assert.deepEqual([answer.granted, own.evicted], [null, 1]);
  seats.release(own);
  await clock.settle();
  assert.equal(answer.granted, true);
});

Deno.test("only a holder gives a seat back, once, and it is his own", async () => {
  const { clock, seats, makeHolder, claim, sitting } = await world(2);
  const refused = makeHolder();
  claim(refused);
  await clock.advance(SOON);
  seats.release(refused);
  seats.release(makeHolder());
  const still = claim(makeHolder());
  await clock.advance(SOON);
  assert.equal(still.granted, false);
  seats.release(sitting[1]!);
  seats.release(sitting[1]!);
  const answers = [claim(makeHolder()), claim(makeHolder())];
  await clock.advance(SOON);
  assert.deepEqual(answers.map(({ granted }) => granted), [true, false]);
});

Deno.test("who waits gives nothing back", async () => {
  const { clock, seats, makeHolder, claim } = await world(1);
  const waiting = makeHolder({ canBeRefused: false });
  claim(waiting);
  await clock.settle();
  seats.release(waiting);
  const other = claim(makeHolder());
  await clock.advance(SOON);
  assert.equal(other.granted, false);
});

Deno.test("an abort ends the wait without a seat, and takes its timers along", async () => {
  const { clock, seats, makeHolder, claim, sitting } = await world(2);
  const stop = new AbortController();
  const answer = claim(makeHolder({ canBeRefused: false }), stop.signal);
  await clock.advance(500);
  stop.abort();
  await clock.settle();
  assert.deepEqual(answer, { granted: false, at: 500 });
  assert.equal(await seats.claim(makeHolder(), stop.signal), false);
  await clock.advance(2_000);
  assert.equal(clock.pending, 0);
  seats.release(sitting[0]!);
  assert.equal(await seats.claim(makeHolder(), never), true);
});

Deno.test("a key that has all seats gives up its newest ones, one at a time, until the keys are even", async () => {
  const { clock, makeHolder, claim } = await world(5, 0);
  const greedy = Array.from({ length: 5 }, () => makeHolder({ key: "a" }));
  for (const one of greedy) claim(one);
  await clock.settle();
  const others = Array.from({ length: 3 }, () => claim(makeHolder({ key: "b" })));
  await clock.advance(SOON);
  assert.deepEqual(others.map(({ granted }) => granted), [true, true, false]);
  assert.deepEqual(evictedOf(greedy), [0, 0, 0, 1, 1]);
  // With three of five it gets no more, and takes nothing back.
  const again = claim(makeHolder({ key: "a" }));
  await clock.advance(SOON);
  assert.equal(again.granted, false);
  assert.deepEqual(evictedOf(greedy), [0, 0, 0, 1, 1]);
  assert.equal(clock.pending, 0);
});

Deno.test("a seat that is taken from a key goes to the newcomer, however many of that key wait for it", async () => {
  const { clock, seats, makeHolder, claim } = await world(2, 0);
  const greedy = ["x", "y"].map((instance) => makeHolder({ key: "a", instance }));
  for (const one of greedy) {
    claim(one);
    one.evict = () => void one.evicted++; // its session takes a while to end
  }
  await clock.settle();
  const waiting = [1, 2, 3].map(() => claim(makeHolder({ key: "a", canBeRefused: false })));
  await clock.settle();
  const newcomer = claim(makeHolder({ key: "b" }));
  const back = claim(makeHolder({ key: "a", instance: "y" }));
  await clock.advance(2_000); // the holder shows life meanwhile
  assert.deepEqual(newcomer.granted, null);
  seats.release(greedy[1]!);
  await clock.settle();
  assert.deepEqual([newcomer.granted, evictedOf(greedy)[0]], [true, 0]);
  assert(back.granted !== true && waiting.every(({ granted }) => granted !== true));
});

Deno.test("two newcomers of one key do not both count the seat that only one of them gets", async () => {
  const { clock, seats, makeHolder, claim } = await world(3, 0);
  const greedy = [1, 2, 3].map(() => makeHolder({ key: "a" }));
  for (const one of greedy) {
    claim(one);
    one.evict = () => void one.evicted++;
  }
  await clock.settle();
  const both = [1, 2].map(() => claim(makeHolder({ key: "b" })));
  await clock.settle();
  assert.deepEqual(evictedOf(greedy), [0, 0, 1]);
  seats.release(greedy[2]!);
  await clock.advance(SOON);
  assert.deepEqual(both.map(({ granted }) => granted), [true, false]);
});

Deno.test("a key whose clients come and go takes one seat in a minute, not one each time", async () => {
  const { clock, seats, makeHolder, claim } = await world(3, 0);
  const comeAndGo = async () => {
    const holder = makeHolder({ key: "b" });
    const { granted } = await settledIn(clock, claim(holder));
    seats.release(holder);
    return granted;
  };
  const victims = [1, 2, 3].map(() => makeHolder({ key: "a" }));
  for (const one of victims) claim(one);
  assert.equal(await comeAndGo(), true);
  assert.deepEqual(evictedOf(victims), [0, 0, 1]);
  // While the seat is free, the key has it again without taking another.
  assert.equal(await comeAndGo(), true);
  // The evicted client comes again: no other seat is free, and it keeps this one.
  const back = makeHolder({ key: "a" });
  assert.equal((await settledIn(clock, claim(back))).granted, true);
  for (let i = 0; i < 5; i++) assert.equal(await comeAndGo(), false);
  assert.deepEqual(evictedOf([...victims, back]), [0, 0, 1, 0]);
  await clock.advance(60_000);
  assert.equal(await comeAndGo(), true);
  assert.deepEqual(evictedOf([...victims, back]), [0, 0, 1, 1]);
});

Deno.test("a newcomer that leaves before its seat is free has taken it all the same", async () => {
  const { clock, seats, makeHolder, claim } = await world(3, 0);
  const victims = [1, 2, 3].map(() => makeHolder({ key: "a" }));
  for (const one of victims) {
    claim(one);
    one.evict = () => void one.evicted++; // its session takes a while to end
  }
  await clock.settle();
  const stop = new AbortController();
  const gone = claim(makeHolder({ key: "b" }), stop.signal);
  await clock.settle();
  stop.abort();
  seats.release(victims[2]!);
  const back = makeHolder({ key: "a" });
  assert.equal((await settledIn(clock, claim(back))).granted, true);
  const again = await settledIn(clock, claim(makeHolder({ key: "b" })));
  assert.deepEqual([gone.granted, again.granted], [false, false]);
  assert.deepEqual(evictedOf([...victims, back]), [0, 0, 1, 0]);
});

Deno.test("a seat that was taken is kept for its key while another one is free", async () => {
  const { clock, seats, makeHolder, claim } = await world(5, 0);
  const victims = [1, 2, 3, 4, 5].map(() => makeHolder({ key: "a" }));
  for (const one of victims) claim(one);
  const first = makeHolder({ key: "b" });
  await settledIn(clock, claim(first));
  const newest = makeHolder({ key: "a" });
  seats.release(victims[0]!);
  await settledIn(clock, claim(newest));
  for (const one of [first, newest]) seats.release(one); // in this order a search finds them
  await settledIn(clock, claim(makeHolder({ key: "a" })));
  // The key has its seat again, and one more that it may take for being far behind.
  const both = [1, 2].map(() => claim(makeHolder({ key: "b" })));
  await clock.advance(SOON);
  assert.deepEqual(both.map(({ granted }) => granted), [true, true]);
});

Deno.test("an instance or identity of another key is another client", async () => {
  const { clock, makeHolder, claim } = await world(2, 0);
  const same = { instance: "x", identity: "me" };
  const first = makeHolder({ key: "a", ...same });
  claim(first);
  await clock.settle();
  const other = claim(makeHolder({ key: "b", ...same }));
  await clock.settle();
  assert.deepEqual([other.granted, first.evicted], [true, 0]);
  const again = claim(makeHolder({ key: "a", ...same }));
  await clock.settle();
  assert.deepEqual([again.granted, first.evicted], [true, 1]);
});
