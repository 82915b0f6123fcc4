import assert from "node:assert/strict";
import fc from "fast-check";
import { drain, TunnelPair } from "../../../tests/fake/tunnel_pair.ts";
import { utf8 } from "../../base/bytes.ts";
import { type UnreadHolder, UnreadTotal } from "./unread_total.ts";

const MB = 1 << 20;

Deno.test("of several friends the one with most loses its slowest tunnel, and the others nothing", () => {
  const total = new UnreadTotal(4 * MB);
  const open = () => new TunnelPair({}, total);
  const [greedy, modest] = [open(), open()];
  const slow = [greedy.open(), greedy.open()];
  const kept = modest.open();
  const send = (pair: TunnelPair, { client }: ReturnType<TunnelPair["open"]>, bytes: number) => {
    for (let left = bytes; left > 0;) {
      const taken = client.writeNow(new Uint8Array(Math.min(left, 60_000)));
      left -= taken;
      pair.settle();
    }
  };
  send(modest, kept, MB);
  send(greedy, slow[0]!, MB);
  send(greedy, slow[1]!, 2 * MB - 60_000);
  assert.ok(total.bytes > 3.9 * MB);
  send(modest, kept, 120_000);
  assert.equal(drain(slow[1]!.server).end, "lost");
  assert.equal(drain(slow[0]!.server).bytes.length, MB);
  assert.equal(drain(kept.server).bytes.length, MB + 120_000);
  assert.equal(total.bytes, 0);
  kept.client.writeNow(utf8("more"));
  modest.settle();
  assert.deepEqual(drain(kept.server), { bytes: utf8("more"), end: null });
});

Deno.test("whatever comes and goes, no more waits than the limit, and the count is right", () => {
  const step = fc.record({
    who: fc.nat(3),
    comes: fc.boolean(),
    bytes: fc.integer({ min: 1, max: 90 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const total = new UnreadTotal(200);
    const held = [0, 0, 0, 0];
    const holders: UnreadHolder[] = held.map((_, i) => ({
      endSlowest: () => {
        assert.equal(held[i], Math.max(...held));
        held[i] = 0;
        total.set(holders[i]!, 0);
      },
    }));
    for (const { who, comes, bytes } of steps) {
      const size = comes ? bytes : Math.min(bytes, held[who]!);
      held[who]! += comes ? size : -size;
      total.set(holders[who]!, held[who]!);
      assert.equal(total.bytes, held.reduce((a, b) => a + b));
      assert.ok(total.bytes <= 200);
    }
  }));
});
