import assert from "node:assert/strict";
import fc from "fast-check";
import { MINUTE_MS, minuteOf } from "./minute.ts";
import { MOVE_MS, PortStay } from "./port_stay.ts";

const FIRST = 29_000_000;
const at = (minute: number, seconds = 0) => (FIRST + minute) * MINUTE_MS + seconds * 1000;

/** Ports of the minutes from FIRST on; those before and behind have ports of their own. */
const portsOf = (...ports: number[]) => (minute: number) => ports[minute - FIRST] ?? minute;

Deno.test("a connection leaves within the last seconds of its port's minute", () => {
  const stay = new PortStay(1, portsOf(1, 2, 3, 4), at(0, 20));
  assert.equal(stay.step(at(0, 54.9)), "stay");
  assert.deepEqual(stay.step(at(0, 55)), { move: 5 });
  assert.deepEqual(stay.step(at(0, 57.5)), { move: 3 });
  stay.told();
  assert.equal(stay.step(at(0, 59)), "stay");
  assert.equal(stay.step(at(1, 59)), "stay");
  assert.equal(stay.step(at(2)), "end");
});

Deno.test("a connection stays where the next minute has the same port", () => {
  const stay = new PortStay(1, portsOf(1, 1, 1, 2), at(0));
  for (let s = 0; s < 175; s++) assert.equal(stay.step(at(0, s)), "stay");
  assert.deepEqual(stay.step(at(2, 55)), { move: 5 });
});

Deno.test("a client that is a minute ahead stays for a minute more, one behind leaves at once", () => {
  const ports = portsOf(1, 2, 3, 4);
  const ahead = new PortStay(2, ports, at(0, 30));
  assert.equal(ahead.step(at(0, 58)), "stay");
  assert.deepEqual(ahead.step(at(1, 58)), { move: 2 });
  const behind = new PortStay(2, ports, at(2, 30));
  assert.deepEqual(behind.step(at(2, 30)), { move: 1 });
});

Deno.test("a port that comes again is told of once for each time", () => {
  const stay = new PortStay(1, portsOf(1, 2, 1, 3), at(0));
  assert.deepEqual(stay.step(at(0, 56)), { move: 4 });
  stay.told();
  assert.equal(stay.step(at(1, 30)), "stay");
  assert.equal(stay.step(at(1, 56)), "stay");
  assert.deepEqual(stay.step(at(2, 56)), { move: 4 });
});

Deno.test("a connection of a port that is not listened on ends, as after a leap of the clock", () => {
  assert.equal(new PortStay(9, portsOf(1, 2, 3, 4), at(1)).step(at(1, 1)), "end");
  const stay = new PortStay(1, portsOf(1, 2), at(0));
  assert.equal(stay.step(at(600)), "end");
  assert.equal(stay.step(at(0)), "stay");
});

Deno.test("no connection stays on a port that is none of the three minutes'", () => {
  const minutes = fc.array(fc.nat(2), { minLength: 8, maxLength: 8 });
  fc.assert(fc.property(minutes, fc.nat(240), fc.nat(2), (ports, came, port) => {
    const portAt = portsOf(...ports);
    const stay = new PortStay(port, portAt, at(2, came));
    for (let s = came; s < 240; s++) {
      const step = stay.step(at(2, s));
      const now = minuteOf(at(2, s));
      const isOpen = [now - 1, now, now + 1].some((minute) => portAt(minute) === port);
      const soon = minuteOf(at(2, s) + MOVE_MS);
      if (step === "end") assert(!isOpen);
      else if (step === "stay") assert(isOpen);
      else assert(portAt(soon) !== port && step.move >= 1 && step.move <= MOVE_MS / 1000);
    }
  }));
});
