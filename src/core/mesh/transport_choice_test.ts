import assert from "node:assert/strict";
import fc from "fast-check";
import { type ChoiceStep, type MeshTransport, TransportChoice } from "./transport_choice.ts";

const MINUTE = 60_000;

/** Steps in short: `dial tcp`. */
function told(steps: readonly ChoiceStep[]): string[] {
  return steps.map((step) => "transport" in step ? `${step.do} ${step.transport}` : step.do);
}

Deno.test("TCP comes first, and QUIC is not dialled where it is there in time", () => {
  const choice = new TransportChoice("auto");
  assert.deepEqual(told(choice.start(1000)), ["dial tcp"]);
  assert.equal(choice.due, 1300);
  assert.deepEqual(told(choice.tick(1299)), []);
  assert.deepEqual(told(choice.connected("tcp", 1299)), ["use tcp"]);
  assert.equal(choice.due, Infinity);
  assert.equal(choice.used, "tcp");
});

Deno.test("QUIC is dialled 300 ms later, or at once where TCP has failed", () => {
  const late = new TransportChoice("auto");
  late.start(0);
  assert.deepEqual(told(late.tick(300)), ["dial quic"]);
  assert.deepEqual(told(late.connected("quic", 400)), ["cancel tcp", "use quic"]);
  const failed = new TransportChoice("auto");
  failed.start(0);
  assert.deepEqual(told(failed.failed("tcp")), ["dial quic"]);
  assert.deepEqual(told(failed.tick(300)), []);
  assert.deepEqual(told(failed.failed("quic")), ["fail"]);
  assert.deepEqual(told(failed.connected("quic", 500)), ["drop quic"]);
});

Deno.test("TCP that comes while QUIC is dialled is used, and both may fail in any order", () => {
  const slow = new TransportChoice("auto");
  slow.start(0);
  slow.tick(300);
  assert.deepEqual(told(slow.connected("tcp", 350)), ["cancel quic", "use tcp"]);
  assert.deepEqual(told(slow.connected("quic", 351)), ["drop quic"]);
  const none = new TransportChoice("auto");
  none.start(0);
  none.tick(300);
  assert.deepEqual(told(none.failed("quic")), []);
  assert.deepEqual(told(none.failed("tcp")), ["fail"]);
});

Deno.test("a link by QUIC looks for TCP every five minutes, and goes on by it", () => {
  const choice = new TransportChoice("auto");
  choice.start(0);
  choice.failed("tcp");
  choice.connected("quic", 1000);
  assert.equal(choice.due, 1000 + 5 * MINUTE);
  assert.deepEqual(told(choice.tick(choice.due)), ["dial tcp"]);
  assert.deepEqual(told(choice.failed("tcp")), []);
  assert.equal(choice.used, "quic");
  assert.deepEqual(told(choice.tick(choice.due)), ["dial tcp"]);
  assert.deepEqual(told(choice.connected("tcp", 20 * MINUTE)), ["use tcp"]);
  assert.equal(choice.due, Infinity);
});

Deno.test("one transport alone is dialled where it is named, and nothing after the end", () => {
  for (const transport of ["tcp", "quic"] as const) {
    const choice = new TransportChoice(transport);
    assert.deepEqual(told(choice.start(0)), [`dial ${transport}`]);
    assert.equal(choice.due, Infinity);
    assert.deepEqual(told(choice.connected(transport, 1)), [`use ${transport}`]);
    assert.equal(choice.due, Infinity);
    const failing = new TransportChoice(transport);
    failing.start(0);
    assert.deepEqual(told(failing.failed(transport)), ["fail"]);
  }
  const ended = new TransportChoice("auto");
  ended.start(0);
  assert.deepEqual(told(ended.end()), ["cancel tcp"]);
  assert.deepEqual([...ended.end(), ...ended.failed("tcp"), ...ended.tick(1e9)], []);
});

Deno.test("whatever comes when, a transport is never dialled twice at a time, nor two used", () => {
  const event = fc.record({
    kind: fc.constantFrom("connected", "failed", "tick"),
    transport: fc.constantFrom<MeshTransport>("tcp", "quic"),
    after: fc.nat({ max: 400_000 }),
  });
  fc.assert(fc.property(fc.array(event), (events) => {
    const choice = new TransportChoice("auto");
    const dialling = new Set<MeshTransport>();
    const used: MeshTransport[] = [];
    let now = 0;
    const take = (steps: readonly ChoiceStep[]) => {
      for (const step of steps) {
        if (step.do === "dial") {
          assert.ok(!dialling.has(step.transport));
          dialling.add(step.transport);
        } else if (step.do === "cancel") assert.ok(dialling.delete(step.transport));
        else if (step.do === "use") used.push(step.transport);
      }
    };
    take(choice.start(now));
    for (const { kind, transport, after } of events) {
      now += after;
      if (kind === "tick") take(choice.tick(now));
      else if (dialling.delete(transport)) {
        take(kind === "failed" ? choice.failed(transport) : choice.connected(transport, now));
      }
    }
    assert.ok(["", "tcp", "quic", "quic,tcp"].includes(used.join()));
  }));
});
