import assert from "node:assert/strict";
import type { HttpServerMachine, ServerStep } from "../../core/http/exchange.ts";
import { ExchangeRelay } from "./exchange_relay.ts";

/** An end that asks, with a window, whose driver does one thing behind the other. */
class Asker {
  room = 10;
  readonly given: number[] = [];
  hasEnded = false;
  isBusy = false;
  readonly isBlocked = false;
  readonly #calls: (() => ServerStep[])[] = [];
  /** The machine was asked for room, and had none: it tells when there is some. */
  wantsRoom = false;

  readonly machine = {
    respond: () => [],
    room: () => {
      this.wantsRoom = this.room === 0;
      return this.room;
    },
    data: (_id: number, bytes: Uint8Array) => {
      assert(bytes.length <= this.room, "more than there is room for");
      this.room -= bytes.length;
      this.given.push(...bytes);
      return [];
    },
    end: () => {
      this.hasEnded = true;
      return [];
    },
  } as unknown as HttpServerMachine;

  readonly call = (run: () => ServerStep[]): void => {
    this.#calls.push(run);
    if (this.isBusy) return;
    this.isBusy = true;
    for (let next = this.#calls.shift(); next !== undefined; next = this.#calls.shift()) next();
    this.isBusy = false;
  };
}

Deno.test("a small window is never exceeded, and all of an answer goes through it", () => {
  const asker = new Asker();
  let isOver = false;
  const relay: ExchangeRelay = new ExchangeRelay({ machine: asker.machine, driver: asker }, 1, {
    failed: () => false,
    over: () => isOver = true,
  });
  const sent: number[] = [];
  relay.fromClient({
    kind: "response",
    head: { status: 200, reason: "", fields: [], upgrade: null },
  });
  for (let i = 0; i < 20; i++) {
    const bytes = Uint8Array.of(i, i, i, i, i, i, i);
    sent.push(...bytes);
    relay.fromClient({ kind: "data", bytes });
  }
  relay.fromClient({ kind: "end", trailers: [] });
  assert.equal(asker.given.length, 10);
  while (asker.wantsRoom && !asker.hasEnded) {
    asker.room += 9;
    asker.wantsRoom = false;
    // The machine tells of it within a call, as it has read it from the connection.
    asker.call(() => {
      relay.fromServer({ kind: "room", id: 1 });
      return [];
    });
  }
  assert.deepEqual([asker.given, asker.hasEnded, isOver], [sent, true, true]);
});
