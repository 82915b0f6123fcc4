import assert from "node:assert/strict";
import fc from "fast-check";
import { FairGroups, type Member } from "./fair_groups.ts";

Deno.test("the oldest of the largest group is found, whoever came first", () => {
  const all = new FairGroups<number>();
  all.add("few", 1);
  for (let i = 2; i <= 5; i++) all.add("many", i);
  assert.equal(all.oldestOfLargest()?.item, 2);
  assert.equal(all.oldestOf("few")?.item, 1);
  assert.equal(all.oldestOf("none"), null);
  assert.deepEqual([all.size, all.sizeOf("many"), all.sizeOf("none")], [5, 4, 0]);
});

Deno.test("it is as slow counting says, whatever comes and goes", () => {
  const step = fc.oneof(
    fc.record({ add: fc.constantFrom("a", "b", "c", "d") }),
    fc.record({ remove: fc.nat(50) }),
    fc.constant({ push: true as const }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const all = new FairGroups<number>();
    let model: Member<number>[] = [];
    let next = 0;
    for (const it of steps) {
      if ("add" in it) model.push(all.add(it.add, next++));
      else if ("remove" in it && model.length > 0) {
        const gone = model.splice(it.remove % model.length, 1)[0]!;
        assert.equal(all.delete(gone), true);
        assert.equal(all.delete(gone), false);
      } else if ("push" in it) {
        const found = all.oldestOfLargest();
        const sizeOf = (group: Member<number>["group"]) =>
          model.filter((m) => m.group === group).length;
        const largest = Math.max(0, ...model.map((m) => sizeOf(m.group)));
        assert.equal(found === null, model.length === 0);
        if (found === null) continue;
        assert.equal(sizeOf(found.group), largest);
        assert.equal(found, model.find((m) => m.group === found.group));
        all.delete(found);
        model = model.filter((m) => m !== found);
      }
      assert.equal(all.size, model.length);
    }
  }));
});

Deno.test("however large a flood, a group of few is never pushed out by one of more", () => {
  const all = new FairGroups<string>();
  const honest = [0, 1, 2].map((i) => all.add("honest", `honest ${i}`));
  for (let i = 0; i < 20_000; i++) {
    if (all.size >= 64) all.delete(all.oldestOfLargest()!);
    all.add(`attacker ${i % 8}`, `${i}`);
  }
  assert.equal(honest.every((member) => all.delete(member)), true);
});

Deno.test("what has left names nobody who comes later", () => {
  const all = new FairGroups<number>();
  const members = [1, 2, 3].map((item) => all.add("group", item));
  for (const member of members) all.delete(member);
  assert.deepEqual(members.flatMap(({ previous, next }) => [previous, next]), Array(6).fill(null));
});
