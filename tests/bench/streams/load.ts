/**
 * Streams to the target, a program of its own: load.ts HOST PORT SECONDS, where HOST and PORT lead
 * to the target. Prints what it has found as a line of JSON (found.ts).
 */
import { cpuUsage } from "node:process";
import { sender, taker } from "../proxy/bulk.ts";
import { type Handler, Loop } from "../proxy/loop.ts";
import type { LoadFound } from "./found.ts";
import { SmallStreams } from "./small_streams.ts";
import { BULK_CALLS, SEND, TAKE } from "./wire.ts";

const SMALL_STREAMS = 996;
const PER_SECOND = 10;
/** Of each kind: down, up, and down to a program that never reads. */
const BULK_STREAMS = 4;
/** Until code that is compiled as it runs is, and until bulk streams have found their rate. */
const WARM_MS = 1000;
/** Until the kernels' buffers of what nobody reads are full: until then it takes its share. */
const FILL_MS = 2000;

const [host = "", ...numbers] = Deno.args;
const [port = 0, seconds = 1] = numbers.map(Number);
const to = { host, port };
const loop = new Loop();

let bytes = 0;
const took = (count: number) => bytes += count;

/** Says what the target is to do, then goes on as `handler`. */
function open(kind: number, handler: Handler): void {
  loop.connect(to, (socket) => {
    if (socket.send(new Uint8Array([kind])) === null) return "wait"; // not connected yet
    socket.handler = handler;
    return handler(socket);
  });
}

function run(): LoadFound {
  const began = performance.now();
  const small = SmallStreams.open(loop, to, SMALL_STREAMS, PER_SECOND);
  const measure = () => {
    small.talk(WARM_MS);
    return small.measure(seconds, () => bytes);
  };
  const openAll = (kind: number, handler: Handler) => {
    for (let i = 0; i < BULK_STREAMS; i++) open(kind, handler);
  };
  const alone = measure();
  openAll(SEND, taker(took, BULK_CALLS));
  const bulk = measure();
  openAll(SEND, () => "wait");
  small.talk(FILL_MS);
  const unread = measure();
  openAll(TAKE, sender(took, BULK_CALLS));
  const both = measure();
  const { user, system } = cpuUsage();
  const cpu = (user + system) / 1000 / (performance.now() - began);
  return { found: { alone, bulk, unread, both }, cpu };
}

console.log(JSON.stringify(run()));
Deno.exit(0);
