import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { Ticker } from "./ticker.ts";
import { type Handling, Opening, type Page, type Upstream } from "./upstream.ts";
import { UpstreamRace } from "./upstream_race.ts";

/** One way for the request, under the test's hand. */
class Way {
  readonly opening = new Opening();
  isSilent = false;
  isLeaving = false;
  isDemoted = false;
  wasReset = false;
  readonly upstream: Upstream = {
    opening: this.opening,
    isSilent: () => this.isSilent,
    isLeaving: () => this.isLeaving,
    demote: () => void (this.isDemoted = true),
    stream: { reset: () => void (this.wasReset = true) },
  } as unknown as Upstream;
}

class World {
  readonly clock = new FakeClock();
  readonly ways: Way[] = [];
  /** Calls and pages, in their order. */
  readonly done: string[] = [];
  readonly race: UpstreamRace;
  patience = 0;
  mayMove = true;
  more: (() => void) | null = null;
  /** How often the race has asked to be told. */
  told = 0;
  #next: (Way | Page | null | Promise<Way | null>)[] = [];

  constructor(isSafe: boolean, ...next: (Way | Page | null | Promise<Way | null>)[]) {
    this.#next = next;
    const { clock, done } = this;
    const handling: Handling = {
      next: () => {
        const found = this.#next.shift() ?? null;
        const upstreamOf = (way: Way | null) => way === null ? null : this.#named(way);
        if (found instanceof Promise) return found.then(upstreamOf);
        return found instanceof Way ? upstreamOf(found) : found;
      },
      patience: () => this.patience,
      onMore: (run) => {
        this.more = run;
        this.told++;
        return { [Symbol.dispose]: () => void (this.more = null) };
      },
      failure: (words) => page(`failed: ${words}`),
      over: () => {},
    };
    this.race = new UpstreamRace({
      ...{ handling, clock, ticker: new Ticker(clock), isSafe },
      mayMove: () => this.mayMove,
      attach: (upstream) => done.push(`attach ${this.#indexOf(upstream)}`),
      detach: () => done.push("detach"),
      answer: ({ head: { reason } }) => done.push(reason),
    });
  }

  add(...next: (Way | null)[]): void {
    this.#next.push(...next);
  }

  #named(way: Way): Upstream {
    this.ways.push(way);
    return way.upstream;
  }

  #indexOf(upstream: Upstream): number {
    return this.ways.findIndex((way) => way.upstream === upstream);
  }
}

function page(reason: string): Page {
  return { head: { status: 502, reason, fields: [], upgrade: null }, body: new Uint8Array() };
}

Deno.test("a safe request goes to the first way at once, and stays where it is taken", async () => {
  const world = new World(true, new Way(), new Way());
  world.race.start();
  assert.deepEqual(world.done, ["attach 0"]);
  world.ways[0]!.opening.set("opened");
  await world.clock.advance(1000);
  assert.equal(world.ways.length, 1);
  world.race.end();
});

Deno.test("another request goes only where its stream was taken", async () => {
  const world = new World(false, new Way(), new Way());
  world.race.start();
  assert.deepEqual(world.done, []);
  await world.clock.advance(250);
  assert.equal(world.ways.length, 2);
  assert.equal(world.ways[0]!.isDemoted, true);
  world.ways[1]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 1"]);
  assert.equal(world.ways[0]!.wasReset, true);
  world.ways[0]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 1"]);
  world.race.end();
});

Deno.test("a safe request that was not taken moves to the way that takes it first", async () => {
  const world = new World(true, new Way(), new Way());
  world.race.start();
  await world.clock.advance(250);
  assert.deepEqual(world.done, ["attach 0"]);
  world.ways[1]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 0", "detach", "attach 1"]);
  world.race.end();
});

Deno.test("a safe request leaves a link that falls silent; one that has begun to be answered stays", async () => {
  const world = new World(true, new Way(), new Way());
  world.race.start();
  world.ways[0]!.opening.set("opened");
  await world.clock.advance(1000);
  world.ways[0]!.isSilent = true;
  world.mayMove = false;
  await world.clock.advance(1000);
  assert.equal(world.ways.length, 1);
  world.mayMove = true;
  await world.clock.advance(100);
  world.ways[1]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 0", "detach", "attach 1"]);
  world.race.end();
});

Deno.test("a link that is about to end gets no request, though it takes the stream at last", async () => {
  const world = new World(false, new Way(), new Way());
  world.race.start();
  world.ways[0]!.isLeaving = true;
  world.ways[0]!.opening.set("opened");
  await world.clock.advance(250);
  assert.deepEqual(world.done, []);
  world.ways[1]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 1"]);
  world.race.end();
});

Deno.test("a way that is still looked for holds nothing up", async () => {
  const found = Promise.withResolvers<Way | null>();
  const world = new World(false, found.promise, new Way());
  world.race.start();
  await world.clock.advance(250);
  world.ways[0]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 0"]);
  world.race.end();
  const late = new Way();
  found.resolve(late);
  await world.clock.settle();
  assert.equal(late.wasReset, true);
});

Deno.test("one that is refused is followed by the next at once, and the last by a page", () => {
  const world = new World(false, new Way(), new Way());
  world.race.start();
  world.ways[0]!.opening.set("refused");
  assert.equal(world.ways.length, 2);
  assert.deepEqual(world.done, []);
  world.ways[1]!.opening.set("refused");
  assert.deepEqual(world.done, ["failed: null"]);
});

Deno.test("a page is the answer", () => {
  const world = new World(false, page("busy"));
  world.race.start();
  assert.deepEqual(world.done, ["busy"]);
});

Deno.test("a request whose way broke waits for another one, as long as its name may come again", async () => {
  const world = new World(true, new Way());
  world.patience = 10_000;
  world.race.start();
  world.race.failed("lost");
  assert.deepEqual(world.done, ["attach 0"]);
  await world.clock.advance(5000);
  world.add(new Way());
  world.more!();
  world.ways[1]!.opening.set("opened");
  assert.deepEqual(world.done, ["attach 0", "attach 1"]);
  world.race.failed("lost again");
  await world.clock.advance(9000);
  assert.equal(world.done.at(-1), "attach 1");
  await world.clock.advance(2000);
  assert.equal(world.done.at(-1), "failed: lost again");
});

Deno.test("ways that come without a word are found after a moment", async () => {
  const world = new World(true, null);
  world.patience = 10_000;
  world.race.start();
  world.add(new Way());
  await world.clock.advance(400);
  assert.deepEqual(world.done, ["attach 0"]);
  world.race.end();
});

Deno.test("a request that waits is told of another way once, however often it has looked", async () => {
  const world = new World(true, null);
  world.patience = 10_000;
  world.race.start();
  await world.clock.advance(5000);
  assert.equal(world.told, 1);
  world.add(new Way());
  world.more!();
  assert.deepEqual(world.done, ["attach 0"]);
  world.race.end();
  assert.equal(world.more, null);
});

Deno.test("without a way that takes it a request ends after half a minute", async () => {
  const world = new World(false, new Way());
  world.race.start();
  await world.clock.advance(29_000);
  assert.deepEqual(world.done, []);
  await world.clock.advance(2000);
  assert.deepEqual(world.done, ["failed: null"]);
  assert.equal(world.ways[0]!.wasReset, true);
  assert.equal(world.clock.pending, 0);
});
