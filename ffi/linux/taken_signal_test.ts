import assert from "node:assert/strict";
import { type SignalLayout, TakenSignal } from "./taken_signal.ts";

const LINUX: SignalLayout = { size: 152, flagsAt: 136, SA_RESTART: 0x1000_0000, SIGUSR1: 10 };
const SIGIGNORE = 0x7fff_0000_1234n;
const SIG_IGN = 1n;

/** A fake system with one signal; it stores the action that it was given. */
function system() {
  let action = new Uint8Array(LINUX.size);
  const world = {
    accepts: true,
    result: 0,
    set handler(value: bigint) {
      new DataView(action.buffer).setBigUint64(0, value, true);
    },
    get action() {
      return action;
    },
    calls: {
      sigignore: SIGIGNORE,
      sigaction: (signal: number, next: Uint8Array | null, old: Uint8Array | null) => {
        assert.equal(signal, 10);
        old?.set(action);
        if (next !== null && world.accepts) action = Uint8Array.from(next);
        return world.result;
      },
    },
  };
  return world;
}

Deno.test("the signal is taken at once, with system calls restarted and nothing else set", () => {
  const world = system();
  new TakenSignal(world.calls, LINUX);
  const view = new DataView(world.action.buffer);
  assert.equal(view.getBigUint64(0, true), SIGIGNORE);
  assert.equal(view.getUint32(136, true), 0x1000_0000);
  assert.equal(world.action.filter((byte) => byte !== 0).length, 5); // the address and the flag
});

Deno.test("a signal that has come is told once, and taken anew", () => {
  const world = system();
  const taken = new TakenSignal(world.calls, LINUX);
  assert.equal(taken.check(), "quiet");
  for (let i = 0; i < 3; i++) {
    world.handler = SIG_IGN; // what sigignore() does
    assert.equal(taken.check(), "came");
    assert.equal(taken.check(), "quiet");
  }
});

Deno.test("whoever else takes the signal loses it again, and that is told", () => {
  const world = system();
  const taken = new TakenSignal(world.calls, LINUX);
  for (const handler of [0n, 0x5555_0000n]) {
    world.handler = handler;
    assert.equal(taken.check(), "stolen");
    assert.equal(new DataView(world.action.buffer).getBigUint64(0, true), SIGIGNORE);
    assert.equal(taken.check(), "quiet");
  }
});

Deno.test("a system that refuses, or does nothing, is not trusted", () => {
  const refusing = system();
  refusing.result = -1;
  assert.throws(() => new TakenSignal(refusing.calls, LINUX), /refused/);
  const idle = system();
  idle.accepts = false;
  assert.throws(() => new TakenSignal(idle.calls, LINUX), /changed nothing/);
});
