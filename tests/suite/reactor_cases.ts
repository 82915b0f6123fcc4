/**
 * Contract of the reactor, case by case. One file, though it is long: a Worker runs a case by its
 * name, and all share the small eventfd tools below.
 */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { setImmediate } from "node:timers";
import { WAKE, WATCH_LEVEL } from "../../ffi/linux/epoll.ts";
import { check, NativeError } from "../../ffi/native.ts";
import type { Libc } from "../../ffi/linux/libc.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { Descriptor, Reactor } from "../../src/io/reactor/reactor.ts";
import { cpuSeconds } from "../proc.ts";
import { pauseBy } from "./real_nets.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** A promise of the reactor in both of its modes. The caller closes what the case opens. */
export interface ReactorCase {
  readonly name: string;
  run(reactor: Reactor, libc: Libc): Promise<void>;
}

const forever = () => new AbortController().signal;

const CASE_MS = 30_000;

/** Runs one case; a case that hangs fails. */
export async function runReactorCase(
  { name, run }: ReactorCase,
  reactor: Reactor,
  libc: Libc,
): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  using _deadline = reactor.after(CASE_MS, () => reject(new Error(`Hangs: ${name}`)));
  await Promise.race([run(reactor, libc), late]);
}

/** An eventfd's count that leaves no room (eventfd(2)): little-endian, as wherever Deno is. */
const ALMOST_FULL = new Uint8Array(new BigUint64Array([2n ** 64n - 2n]).buffer);

/** An eventfd: readable when something was added to its count, always writable. */
function eventfd(libc: Libc): number {
  return check("eventfd", libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

const ring = (libc: Libc, fd: number) => check("write", libc.write(fd, WAKE));
const hush = (libc: Libc, fd: number) => libc.read(fd, new Uint8Array(8));

/** Watches whether a wait is over. */
function watch(promise: Promise<void>): { isOver: boolean } {
  const state = { isOver: false };
  promise.then(() => state.isOver = true, () => state.isOver = true);
  return state;
}

/** Waits for input. @throws the reason of a close */
async function readable(descriptor: Descriptor): Promise<void> {
  await new Promise<void>((resolve) => descriptor.onReadable(resolve));
  descriptor.check();
}

/** Takes events in until there are none: what a new descriptor brings along. */
async function settle(reactor: Reactor): Promise<void> {
  await pauseBy(reactor)(5);
}

function isOpen(fd: number): boolean {
  try {
    Deno.readLinkSync(`/proc/self/fd/${fd}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export const reactorCases: readonly ReactorCase[] = [
  {
    name: "timers fire in the order of their time, cancelled ones never",
    async run(reactor) {
      const fired: number[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const ms of [40, 0, 20, 10, 30]) reactor.after(ms, () => fired.push(ms));
      reactor.after(15, () => fired.push(15))[Symbol.dispose]();
      reactor.after(60, resolve);
      await promise;
      deepEqual(fired, [0, 10, 20, 30, 40]);
    },
  },
  {
    name: "a timer never fires before its time",
    async run(reactor) {
      for (const ms of [0, 1, 2.5, 7]) {
        const before = reactor.now();
        await pauseBy(reactor)(ms);
        ok(reactor.now() - before >= Math.floor(ms), `${ms}`);
      }
    },
  },
  {
    name: "a thousand timers all fire",
    async run(reactor) {
      let fired = 0;
      for (let i = 0; i < 1000; i++) reactor.after((i * 7919) % 50, () => fired++);
      await pauseBy(reactor)(80);
      equal(fired, 1000);
    },
  },
  {
    name: "a far timer does not keep the loop from its work",
    async run(reactor, libc) {
      let fired = false;
      const far = reactor.after(2 ** 40, () => fired = true);
      const descriptor = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const reading = readable(descriptor);
      ring(libc, descriptor.fd);
      await reading;
      await settle(reactor);
      equal(fired, false);
      far[Symbol.dispose]();
    },
  },
  {
    name: "a reader wakes when there is something to read, and not before",
    async run(reactor, libc) {
      const descriptor = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const reading = readable(descriptor);
      const state = watch(reading);
      await pauseBy(reactor)(10);
      equal(state.isOver, false);
      ring(libc, descriptor.fd);
      await reading;
      equal(hush(libc, descriptor.fd), 8);
    },
  },
  {
    name: "a callback comes once, when there is something to read or the descriptor is closed",
    async run(reactor, libc) {
      const descriptor = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      let calls = 0;
      descriptor.onReadable(() => void calls++);
      await pauseBy(reactor)(10);
      equal(calls, 0);
      ring(libc, descriptor.fd);
      await pauseBy(reactor)(10);
      equal(calls, 1);
      equal(hush(libc, descriptor.fd), 8);
      ring(libc, descriptor.fd);
      await pauseBy(reactor)(10);
      equal(calls, 1);
      descriptor.onReadable(() => void calls++);
      descriptor.close(() => new Error("closed here"));
      equal(calls, 1); // not from within
      await pauseBy(reactor)(5);
      equal(calls, 2);
      throws(() => descriptor.onReadable(() => void calls++), /closed here/);
    },
  },
  {
    name: "a callback comes once, when there is room to write or the descriptor is closed",
    async run(reactor, libc) {
      const descriptor = reactor.own(eventfd(libc), forever(), WATCH_LEVEL);
      check("write", libc.write(descriptor.fd, ALMOST_FULL));
      await settle(reactor);
      let calls = 0;
      descriptor.onWritable(() => void calls++);
      await pauseBy(reactor)(10);
      equal(calls, 0);
      equal(hush(libc, descriptor.fd), 8);
      await pauseBy(reactor)(10);
      equal(calls, 1);
      check("write", libc.write(descriptor.fd, ALMOST_FULL));
      descriptor.onWritable(() => void calls++);
      descriptor.close(() => new Error("closed here"));
      equal(calls, 1); // not from within
      await pauseBy(reactor)(5);
      equal(calls, 2);
      throws(() => descriptor.onWritable(() => void calls++), /closed here/);
    },
  },
  {
    name: "a signal's abort closes all that lives under it, whenever it came, and nothing else",
    async run(reactor, libc) {
      const [stop, other] = [new AbortController(), new AbortController()];
      const own = ({ signal }: AbortController) => reactor.own(eventfd(libc), signal);
      const under = [own(stop), own(stop)];
      const beside = [own(other)];
      for (const descriptor of under.splice(0)) descriptor.close(() => new Error("done"));
      for (let i = 0; i < 5; i++) { // their places are used again
        under.push(own(stop));
        beside.push(own(other));
      }
      under.push(own(stop));
      stop.abort(new Error("stop"));
      for (const descriptor of under) throws(() => descriptor.check(), /stop/);
      for (const descriptor of beside) descriptor.check();
      throws(() => own(stop), /stop/);
      other.abort(new Error("the other"));
      for (const descriptor of beside) throws(() => descriptor.check(), /the other/);
      await settle(reactor);
    },
  },
  {
    name: "what waits for a promise of a callback's goes on, though nothing else happens",
    async run(reactor, libc) {
      const descriptor = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      for (let i = 0; i < 3; i++) {
        const called = new Promise<void>((resolve) => descriptor.onReadable(resolve));
        reactor.after(5, () => ring(libc, descriptor.fd));
        await called;
        await null;
        hush(libc, descriptor.fd);
      }
    },
  },
  {
    name: "callbacks without end leave promises and timers their turn",
    async run(reactor, libc) {
      const descriptor = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      let goesOn = true;
      let calls = 0;
      const again = () => {
        calls++;
        hush(libc, descriptor.fd);
        if (goesOn) {
          descriptor.onReadable(again);
          ring(libc, descriptor.fd); // an edge at once
        }
        return true;
      };
      const timer = new Promise<void>((resolve) => void reactor.after(5, resolve));
      const promise = new Promise<void>((resolve) => {
        descriptor.onReadable(() => {
          resolve();
          return again(); // though somebody waits: it is only later
        });
      });
      ring(libc, descriptor.fd);
      await promise;
      await timer;
      goesOn = false;
      ok(calls > 1);
    },
  },
  {
    name: "who always has work lets others have theirs by giving up its turn",
    async run(reactor, libc) {
      const busy = reactor.own(eventfd(libc), forever());
      const other = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const state = watch(readable(other));
      let timer = false;
      reactor.after(1, () => timer = true);
      ring(libc, other.fd);
      let turns = 0;
      while (!(state.isOver && timer)) {
        ring(libc, busy.fd);
        hush(libc, busy.fd);
        await reactor.turn();
        ok(++turns < 1_000_000, `starved: other ${state.isOver}, timer ${timer}`);
      }
    },
  },
  {
    name:
      "who always has work in callbacks lets others have theirs, and what is Deno's own as well",
    async run(reactor, libc) {
      const other = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const seen = new Set<string>();
      other.onReadable(() => {
        seen.add("descriptor");
        return true;
      });
      reactor.after(1, () => seen.add("timer"));
      const { promise: ofDeno, resolve } = Promise.withResolvers<void>();
      setImmediate(resolve);
      ofDeno.then(() => seen.add("event loop"));
      ring(libc, other.fd);
      let turns = 0;
      const { promise: all, resolve: end, reject: fail } = Promise.withResolvers<void>();
      reactor.onTurn(function go() {
        if (seen.size === 3) end();
        else if (++turns === 1_000_000) fail(new Error(`starved; had turns: ${[...seen]}`));
        else reactor.onTurn(go);
        return true;
      });
      await all;
    },
  },
  {
    name: "of those that are called back after a turn each is before any is twice",
    async run(reactor) {
      const order: string[] = [];
      const three = (name: string) =>
        new Promise<void>((resolve) => {
          let left = 3;
          reactor.onTurn(function go() {
            order.push(name);
            if (--left === 0) resolve();
            else reactor.onTurn(go);
          });
        });
      await Promise.all([three("a"), three("b"), three("c")]);
      deepEqual(order.join(""), "abcabcabc");
    },
  },
  {
    name: "where the loop waits in its thread the time is that of the last wake-up",
    async run(reactor) {
      await reactor.turn();
      const before = reactor.now();
      const end = performance.now() + 3;
      while (performance.now() < end);
      if (reactor.mode === "blocking") equal(reactor.now(), before);
      await reactor.turn();
      ok(reactor.now() - before >= 3, `went on by ${reactor.now() - before} ms`);
    },
  },
  {
    name: "of those that give up their turn each has one before any has two",
    async run(reactor) {
      const order: string[] = [];
      const three = async (name: string) => {
        for (let i = 0; i < 3; i++) {
          await reactor.turn();
          order.push(name);
        }
      };
      await Promise.all([three("a"), three("b"), three("c")]);
      deepEqual(order.join(""), "abcabcabc");
    },
  },
  {
    name: "an event for what was closed in the same batch wakes nobody, and not its successor",
    async run(reactor, libc) {
      const first = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const waiting = readable(first);
      const refused = rejects(waiting, /closed in the batch/);
      const { promise: done, resolve } = Promise.withResolvers<
        { next: Descriptor; reading: Promise<void> }
      >();
      let wakes = 0;
      reactor.onWake = () => {
        if (++wakes === 1) {
          // Both are in the next batch, the wake-up first.
          ring(libc, reactor.wakeFd);
          ring(libc, first.fd);
          return;
        }
        first.close(() => new Error("closed in the batch"));
        const next = reactor.own(eventfd(libc), forever());
        equal(next.fd, first.fd);
        resolve({ next, reading: readable(next) }); // waits before the batch has ended
      };
      ring(libc, reactor.wakeFd);
      const { next, reading } = await done;
      const state = watch(reading);
      await refused;
      await pauseBy(reactor)(20);
      equal(state.isOver, false);
      ring(libc, next.fd);
      await reading;
    },
  },
  {
    name: "a descriptor number that is used again has its own wake-ups only",
    async run(reactor, libc) {
      const old = reactor.own(eventfd(libc), forever());
      for (let round = 0; round < 100; round++) {
        const before = reactor.own(eventfd(libc), forever());
        const refused = rejects(readable(before), /gone/);
        ring(libc, before.fd); // its event may be under way when it closes
        before.close(() => new Error("gone"));
        const after = reactor.own(eventfd(libc), forever());
        equal(after.fd, before.fd);
        const reading = readable(after);
        const state = watch(reading);
        await refused;
        if (round % 10 === 0) await settle(reactor);
        else await reactor.turn();
        equal(state.isOver, false);
        ring(libc, after.fd);
        await reading;
        after.close(() => new Error("done"));
        before.close(() => new Error("closed twice")); // must not close its successor
        throws(() => after.check(), /done/);
      }
      ok(isOpen(old.fd));
    },
  },
  {
    name: "closing twice does not close who has the number now",
    async run(reactor, libc) {
      await Promise.resolve();
      const before = reactor.own(eventfd(libc), forever());
      before.close(() => new Error("gone"));
      const after = reactor.own(eventfd(libc), forever());
      equal(after.fd, before.fd);
      before.close(() => new Error("again"));
      ok(isOpen(after.fd));
      throws(() => before.onReadable(() => {}), /gone/);
      throws(() => before.onWritable(() => {}), /gone/);
    },
  },
  {
    name: "another thread wakes the loop by the eventfd, again and again, and only by it",
    async run(reactor) {
      let wakes = 0;
      const { promise, resolve } = Promise.withResolvers<void>();
      reactor.onWake = () => {
        if (++wakes === 3) resolve();
      };
      const source = `
        const libc = Deno.dlopen("libc.so.6", {
          write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
        });
        const one = new Uint8Array(new BigUint64Array([1n]).buffer);
        setInterval(() => libc.symbols.write(${reactor.wakeFd}, one, 8n), 10);`;
      const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
        type: "module",
      });
      await promise;
      worker.terminate();
      await pauseBy(reactor)(100); // a write may be under way
      const before = wakes;
      await pauseBy(reactor)(50);
      equal(wakes, before);
    },
  },
  {
    name: "an abort closes what lives under the signal, with its reason",
    async run(reactor, libc) {
      const stop = new AbortController();
      const descriptor = reactor.own(eventfd(libc), stop.signal);
      const other = reactor.own(eventfd(libc), forever());
      const reading = rejects(readable(descriptor), /enough/);
      stop.abort(new Error("enough"));
      await reading;
      equal(descriptor.closed, true);
      throws(() => descriptor.check(), /enough/);
      equal(isOpen(descriptor.fd), false);
      ok(isOpen(other.fd));
    },
  },
  {
    name: "what it cannot take over it closes",
    async run(reactor, libc) {
      await Promise.resolve();
      const late = eventfd(libc);
      throws(() => reactor.own(late, AbortSignal.abort(new Error("too late"))), /too late/);
      equal(isOpen(late), false);
      const file = check("open", libc.open("/proc/self/exe", EFD_CLOEXEC));
      throws(
        () => reactor.own(file, forever()),
        (error) => error instanceof NativeError && error.is("EPERM"),
      );
      equal(isOpen(file), false);
    },
  },
  {
    name: "disposal closes all that it owns and tells the waiters, once",
    async run(reactor, libc) {
      const owned = Array.from({ length: 5 }, () => reactor.own(eventfd(libc), forever()));
      await settle(reactor); // the first event of each says writable
      const isClosed = (error: unknown) => error instanceof TtunError && error.kind === "lost";
      const pending = owned.map((descriptor) => rejects(readable(descriptor), isClosed));
      await Promise.all([reactor[Symbol.asyncDispose](), reactor[Symbol.asyncDispose]()]);
      await Promise.all(pending);
      deepEqual(owned.map(({ fd }) => isOpen(fd)), owned.map(() => false));
      equal(isOpen(reactor.wakeFd), false);
    },
  },
  {
    name: "ten thousand idle descriptors are no hindrance",
    async run(reactor, libc) {
      const count = Math.min(10_000, descriptorLimit() - 500);
      if (count < 10_000) console.log(`with ${count} only: the limit (ulimit -n) is low`);
      const stop = new AbortController();
      const idle: Descriptor[] = [];
      for (let i = 0; i < count; i++) idle.push(reactor.own(eventfd(libc), stop.signal));
      const active = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const states = idle.map((descriptor) => watch(readable(descriptor)));
      for (let round = 0; round < 100; round++) {
        const reading = readable(active);
        ring(libc, active.fd);
        await reading;
        hush(libc, active.fd);
      }
      equal(states.some(({ isOver }) => isOver), false);
      stop.abort(new Error("all of them"));
      await settle(reactor);
      equal(states.every(({ isOver }) => isOver), true);
      equal(idle.some(({ fd }) => isOpen(fd)), false);
    },
  },
  {
    name: "asleep it uses no processor time",
    async run(reactor, libc) {
      for (let i = 0; i < 100; i++) {
        readable(reactor.own(eventfd(libc), forever())).catch(() => {});
      }
      await pauseBy(reactor)(100);
      const before = cpuSeconds(Deno.pid);
      await pauseBy(reactor)(1000);
      const used = cpuSeconds(Deno.pid) - before;
      ok(used < 0.205, `${used} of a second`); // a loop that spins uses all of a processor
    },
  },
  {
    name: "after an event whose callback leaves nothing to do the thread sleeps undisturbed",
    async run(reactor, libc) {
      if (reactor.mode === "async") return; // another thread waits
      const descriptor = reactor.own(eventfd(libc), forever());
      const onReadable = () => {
        if (descriptor.closed) return true;
        hush(libc, descriptor.fd);
        descriptor.onReadable(onReadable);
        return true;
      };
      descriptor.onReadable(onReadable);
      await settle(reactor);
      const before = switches();
      for (let i = 0; i < 20; i++) {
        ring(libc, descriptor.fd);
        await pauseBy(reactor)(25);
      }
      const slept = switches() - before; // one sleep until each timer, and some for the system
      ok(slept < 30, `${slept} sleeps in 20 pauses`);
    },
  },
  {
    name: "a callback that leaves nothing to do may close what others wait for",
    async run(reactor, libc) {
      const closed = reactor.own(eventfd(libc), forever());
      const closing = reactor.own(eventfd(libc), forever());
      await settle(reactor);
      const began = performance.now();
      const waiting = readable(closed);
      closing.onReadable(() => {
        closed.close(() => new TtunError("lost", "Closed"));
        return true;
      });
      ring(libc, closing.fd);
      await rejects(waiting, /Closed/);
      const ms = performance.now() - began;
      ok(ms < 500, `${ms} ms`);
    },
  },
];

/** How often this thread has gone to sleep. */
function switches(): number {
  const status = Deno.readTextFileSync("/proc/thread-self/status");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
}

function descriptorLimit(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  return Number(/^Max open files +(\d+)/m.exec(limits)![1]);
}
