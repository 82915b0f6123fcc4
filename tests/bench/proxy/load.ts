/**
 * Traffic to the target, a program of its own: load.ts WAY WHAT …, where WAY is a port of loopback:
 * one that leads to the target (`plain:PORT`), or one of SOCKS5 (`socks:PORT`). Prints what it has found as a line of JSON. WHAT is one of
 *
 *     down|up STREAMS SECONDS   bytes one way
 *     rate WORKERS SECONDS      as many short connections as can be
 *     count WORKERS COUNT…      short connections, and the milliseconds until each of these counts
 *     latency COUNT             short connections one after the other
 *     beside STREAMS SECONDS    answers to messages on one connection, beside bytes from the target
 *     hold COUNT                connections that stay open, idle, until it is killed
 */
import { sender, taker } from "./bulk.ts";
import { dialogue, requestOf, type Way } from "./dialogue.ts";
import type { BulkFound, RateFound } from "./found.ts";
import { Loop } from "./loop.ts";
import { ANSWER, ECHO, MESSAGE, SEND, TAKE } from "./wire.ts";

/** Until everything goes at full speed: what happens before does not count. */
const WARM_MS = 500;
/** Connections that are opened at once to be held. */
const OPENERS = 64;
/** How often it is looked whether a number of connections is reached. */
const LOOK_MS = 20;
/** For those that have a number and no time. */
const PATIENCE_MS = 60_000;

const loop = new Loop();
const [wayText = "", what, ...numbers] = Deno.args;
const [kind, port] = wayText.split(":");
const way: Way = { port: Number(port), isSocks: kind === "socks" };
const short = dialogue(loop, way, ANSWER, MESSAGE);

function fail(error: unknown): never {
  throw error;
}

/** Growth of `count` per second after the warm-up. */
function rateIn(seconds: number, count: () => number): number {
  loop.run(WARM_MS);
  const [before, began] = [count(), performance.now()];
  loop.run(seconds * 1000);
  return (count() - before) / (performance.now() - began) * 1000;
}

function bulk(isDown: boolean, streams: number, seconds: number): BulkFound {
  let bytes = 0;
  const took = (count: number) => bytes += count;
  const handler = isDown ? taker(took) : sender(took);
  const { start } = dialogue(loop, way, isDown ? SEND : TAKE, 0);
  for (let i = 0; i < streams; i++) start(handler, fail);
  const perSecond = rateIn(seconds, () => bytes);
  return { mbPerSecond: perSecond / 1e6, allBytes: bytes };
}

function rate(workers: number, seconds: number): RateFound {
  let [done, failures] = [0, 0];
  const next = () =>
    short.start((socket) => {
      socket.close();
      done++;
      next();
      return "wait";
    }, (error) => {
      if (failures++ === 0) console.error(error);
      next();
    });
  for (let i = 0; i < workers; i++) next();
  const perSecond = rateIn(seconds, () => done);
  return { perSecond, all: done, failures };
}

/** Milliseconds until so many connections were served, for each of the counts, which grow. */
function count(workers: number, counts: readonly number[]): number[] {
  const times: number[] = [];
  const began = performance.now();
  let [begun, done] = [0, 0];
  const most = counts.at(-1)!;
  const next = () => {
    if (begun++ >= most) return;
    short.start((socket) => {
      socket.close();
      if (++done === counts[times.length]) times.push(performance.now() - began);
      next();
      return "wait";
    }, fail);
  };
  for (let i = 0; i < workers; i++) next();
  runUntil(() => done === most);
  return times;
}

/** Milliseconds from the dial to the answer. */
function latency(count: number): number[] {
  const times: number[] = [];
  const next = () => {
    const began = performance.now();
    short.start((socket) => {
      times.push(performance.now() - began);
      socket.close();
      if (times.length < count) next();
      return "wait";
    }, fail);
  };
  next();
  runUntil(() => times.length === count);
  return times;
}

/** Milliseconds until a message of one connection is answered, beside streams that never end. */
function beside(streams: number, seconds: number): number[] {
  const bulky = dialogue(loop, way, SEND, 0);
  for (let i = 0; i < streams; i++) bulky.start(taker(() => {}), fail);
  const times: number[] = [];
  const message = requestOf(ECHO, MESSAGE).send;
  const answer = new Uint8Array(MESSAGE);
  let [have, began, isCounted] = [0, 0, false];
  dialogue(loop, way, ECHO, MESSAGE).start((socket) => {
    socket.handler = () => {
      for (;;) {
        const got = socket.receive(answer.subarray(have));
        if (got === null) return "wait";
        if (got === 0) throw new Error("The connection ended among messages");
        have = (have + got) % MESSAGE;
        if (have > 0) continue;
        if (isCounted) times.push(performance.now() - began);
        began = performance.now();
        socket.send(message);
      }
    };
    began = performance.now();
    socket.send(message);
    return "again";
  }, fail);
  loop.run(WARM_MS);
  isCounted = true;
  loop.run(seconds * 1000);
  return times;
}

/** Keeps so many open, after an answer each. */
function hold(count: number): void {
  let [asked, open] = [0, 0];
  const next = () => {
    if (asked++ >= count) return;
    short.start((socket) => {
      socket.handler = () => "wait";
      open++;
      next();
      return "wait";
    }, fail);
  };
  for (let i = 0; i < OPENERS; i++) next();
  runUntil(() => open === count);
  console.log("held");
  loop.run(Infinity);
}

function runUntil(isOver: () => boolean): void {
  for (const end = performance.now() + PATIENCE_MS; !isOver();) {
    if (performance.now() > end) throw new Error(`Not done after ${PATIENCE_MS / 1000} s`);
    loop.run(LOOK_MS);
  }
}

function run(): unknown {
  const [first = 1, second = 1] = numbers.map(Number);
  switch (what) {
    case "down":
    case "up":
      return bulk(what === "down", first, second);
    case "rate":
      return rate(first, second);
    case "count":
      return count(first, numbers.slice(1).map(Number));
    case "latency":
      return latency(first);
    case "beside":
      return beside(first, second);
    case "hold":
      return hold(first);
    default:
      throw new Error(`Cannot make a load of ${what}`);
  }
}

console.log(JSON.stringify(run()));
Deno.exit(0);
