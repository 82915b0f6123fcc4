import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import { KeyOrder } from "./key_order.ts";

const key = fc.stringMatching(/^[ab\/.]{0,4}$/);

Deno.test("key order: a range is what sorting and filtering all keys gives", () => {
  fc.assert(fc.property(
    fc.array(key),
    fc.array(key),
    key,
    fc.option(key, { nil: undefined }),
    fc.nat(5),
    (added, removed, prefix, after, limit) => {
      const order = new KeyOrder(new Set(added.slice(0, 3)));
      const all = new Set(added);
      for (const name of added) order.add(name);
      for (const name of removed) {
        order.remove(name);
        all.delete(name);
      }
      const expected = [...all].filter((name) =>
        name.startsWith(prefix) && (after === undefined || name > after)
      ).sort().slice(0, limit);
      deepEqual(order.range(prefix, after, limit), expected);
    },
  ));
});
