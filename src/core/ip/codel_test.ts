import assert from "node:assert/strict";
import fc from "fast-check";
import { CoDel } from "./codel.ts";

fc.configureGlobal({ seed: 5 });

const TARGET = 20;
const INTERVAL = 100;

function codel(): CoDel {
  return new CoDel({ targetMs: TARGET, intervalMs: INTERVAL });
}

/** A queue that hands out what is left after drops; packets are told apart by their number. */
interface Queue {
  enqueue(packet: Packet): void;
  /** Returns the next packet that is forwarded, or null; dropped ones go to `dropped`. */
  dequeue(now: number): Packet | null;
  readonly dropped: Packet[];
}

interface Packet {
  readonly mark: number;
  readonly since: number;
}

/**
 * RFC 8289, sections 5.2 to 5.6, name by name; MAXPACKET is nothing here. Times are above 0, which
 * stands for "not set".
 */
class RfcQueue implements Queue {
  readonly dropped: Packet[] = [];
  readonly #packets: Packet[] = [];
  #first_above_time = 0;
  #drop_next = 0;
  #count = 0;
  #lastcount = 0;
  #dropping = false;

  enqueue(packet: Packet): void {
    this.#packets.push(packet);
  }

  #dodequeue(now: number): { p: Packet | null; ok_to_drop: boolean } {
    const r = { p: this.#packets.shift() ?? null, ok_to_drop: false };
    if (r.p === null) {
      this.#first_above_time = 0;
      return r;
    }
    const sojourn_time = now - r.p.since;
    if (sojourn_time < TARGET || this.#packets.length <= 0) {
      this.#first_above_time = 0;
    } else {
      if (this.#first_above_time === 0) this.#first_above_time = now + INTERVAL;
      else if (now >= this.#first_above_time) r.ok_to_drop = true;
    }
    return r;
  }

  #control_law(t: number, count: number): number {
    return t + INTERVAL / Math.sqrt(count);
  }

  dequeue(now: number): Packet | null {
    let r = this.#dodequeue(now);
    if (this.#dropping) {
      if (!r.ok_to_drop) this.#dropping = false;
      while (now >= this.#drop_next && this.#dropping) {
        this.dropped.push(r.p!);
        ++this.#count;
        r = this.#dodequeue(now);
        if (!r.ok_to_drop) this.#dropping = false;
        else this.#drop_next = this.#control_law(this.#drop_next, this.#count);
      }
    } else if (r.ok_to_drop) {
      this.dropped.push(r.p!);
      r = this.#dodequeue(now);
      this.#dropping = true;
      const delta = this.#count - this.#lastcount;
      this.#count = 1;
      if (delta > 1 && now - this.#drop_next < 16 * INTERVAL) this.#count = delta;
      this.#drop_next = this.#control_law(now, this.#count);
      this.#lastcount = this.#count;
    }
    return r.p;
  }
}

class OurQueue implements Queue {
  readonly dropped: Packet[] = [];
  readonly #packets: Packet[] = [];
  readonly #codel = codel();

  enqueue(packet: Packet): void {
    this.#packets.push(packet);
  }

  dequeue(now: number): Packet | null {
    for (;;) {
      const next = this.#packets.shift();
      if (next === undefined) return null;
      if (!this.#codel.drops(now, now - next.since, this.#packets.length === 0)) return next;
      this.dropped.push(next);
    }
  }
}

/** A while with so many packets coming and going in each of so many steps of `ms`. */
const stretch = fc.record({
  ms: fc.constantFrom(0, 1, 1, 2, 5, 9.7),
  steps: fc.integer({ min: 1, max: 400 }),
  coming: fc.nat(4),
  going: fc.nat(4),
});

/**
 * Then everything goes out, and nothing comes for a while. Not for about 16 intervals: where the
 * dropping ends right behind a drop, ours counts them from the next drop that would have been due.
 */
const pause = fc.constantFrom(0, 30, 250, 900, 1_400, 1_900, 5_000);

const trace = fc.array(
  fc.record({ stretches: fc.array(stretch, { maxLength: 4 }), pause }),
  { minLength: 1, maxLength: 6 },
);

type Periods = typeof trace extends fc.Arbitrary<infer T> ? T : never;

/** Passes a trace through a queue: each packet with its fate and time. */
function run(queue: Queue, periods: Periods) {
  const events: string[] = [];
  let now = 1;
  let mark = 0;
  const dequeue = () => {
    const before = queue.dropped.length;
    const packet = queue.dequeue(now);
    events.push(`${now}: ${queue.dropped.slice(before).map((p) => p.mark)} | ${packet?.mark}`);
    return packet;
  };
  for (const { stretches, pause } of periods) {
    for (const { ms, steps, coming, going } of stretches) {
      for (let step = 0; step < steps; step++) {
        now += ms;
        for (let i = 0; i < coming; i++) queue.enqueue({ mark: mark++, since: now });
        for (let i = 0; i < going; i++) dequeue();
      }
    }
    while (dequeue() !== null);
    now += pause;
  }
  return { events, dropped: queue.dropped.length };
}

Deno.test("CoDel drops the packets that the RFC's pseudo-code drops, and no others", () => {
  let dropped = 0;
  fc.assert(
    fc.property(trace, (periods) => {
      const theirs = run(new RfcQueue(), periods);
      const ours = run(new OurQueue(), periods);
      assert.deepEqual(ours.events, theirs.events);
      dropped += ours.dropped;
    }),
    { numRuns: 300 },
  );
  assert(dropped > 3_000, `${dropped} dropped`);
});

Deno.test("below the target nothing is dropped, however long it goes on", () => {
  const delays = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 500 }), fc.double({ min: 0, max: 19.99, noNaN: true })),
    { maxLength: 300 },
  );
  fc.assert(fc.property(delays, (packets) => {
    const c = codel();
    let now = 0;
    for (const [pause, delay] of packets) {
      now += pause;
      assert.equal(c.drops(now, delay, false), false);
    }
  }));
});

Deno.test("a queue may stand for one interval; then the first packet is dropped", () => {
  for (const began of [0, 7, 123_456.5]) {
    const c = codel();
    for (let ms = 0; ms < INTERVAL; ms++) assert.equal(c.drops(began + ms, TARGET, false), false);
    assert.equal(c.drops(began + INTERVAL, TARGET, false), true);
    assert.equal(c.drops(began + INTERVAL, TARGET, false), false, "and only that one");
  }
});

Deno.test("one packet that was quick begins the interval anew", () => {
  const c = codel();
  assert.equal(c.drops(0, 50, false), false);
  assert.equal(c.drops(99, TARGET - 0.01, false), false);
  for (let now = 100; now < 200; now++) assert.equal(c.drops(now, 50, false), false, `${now}`);
  assert.equal(c.drops(200, 50, false), true);
});

/** Times of drops in a queue that stands from `from` on, checked each millisecond. */
function dropsOf(c: CoDel, from: number, until: number): number[] {
  const times: number[] = [];
  for (let now = from; now < until; now++) if (c.drops(now, 500, false)) times.push(now);
  return times;
}

/** The control law, from the first drop on: the n-th is followed after an interval / sqrt(n). */
function law(first: number, count: number, until: number): number[] {
  const times = [first];
  for (let at = first, n = count;; n++) {
    at += INTERVAL / Math.sqrt(n);
    if (Math.ceil(at) >= until) return times;
    times.push(Math.ceil(at));
  }
}

Deno.test("the longer a queue stands, the more is dropped: by the square root of the number", () => {
  const times = dropsOf(codel(), 1_000, 5_000);
  assert.deepEqual(times, law(1_100, 1, 5_000));
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  assert.equal(gaps[0], 100);
  assert(gaps[99]! >= 9 && gaps[99]! <= 11, `${gaps[99]} after the hundredth`);
});

Deno.test("the last packet is never dropped, and ends the dropping", () => {
  const c = codel();
  const alone = [...Array(1_000).keys()].map((now) => c.drops(now, 800, true));
  assert.deepEqual(alone.filter((dropped) => dropped), []);
  const d = codel();
  dropsOf(d, 0, 1_000);
  assert.equal(d.drops(1_000, 9_000, true), false);
  for (let now = 1_001; now <= 1_100; now++) assert.equal(d.drops(now, 500, false), false);
  assert.equal(d.drops(1_101, 500, false), true);
});

Deno.test("a queue that stands again soon is dropped from at about the earlier rate", () => {
  const first = law(100, 1, 2_000).length;
  for (const pause of [0, 10, 1_300]) {
    const c = codel();
    assert.equal(dropsOf(c, 0, 2_000).length, first);
    c.drops(2_000, 0, false);
    const from = 2_001 + pause;
    const again = dropsOf(c, from, from + 1_000);
    assert.deepEqual(again, law(from + 100, first - 1, from + 1_000), `after ${pause} ms`);
  }
});

Deno.test("one that stands again only much later is begun with as gently as the first", () => {
  const c = codel();
  dropsOf(c, 0, 2_000);
  c.drops(2_000, 0, false);
  assert.deepEqual(dropsOf(c, 4_000, 6_000), law(4_100, 1, 6_000));
});

Deno.test("one drop is no rate to go on at", () => {
  const c = codel();
  assert.deepEqual(dropsOf(c, 0, 150), [100]);
  c.drops(150, 0, false);
  assert.deepEqual(dropsOf(c, 151, 2_000), law(251, 1, 2_000));
});
