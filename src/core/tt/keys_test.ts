import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import vectors from "../../../tests/vector/tt-v1.json" with { type: "json" };
import { toHex, utf8 } from "../../base/bytes.ts";
import { minuteOf } from "../hop/minute.ts";
import { lifetimeOf, MAX_LIFETIME, minutesToTry, TtKeys } from "./keys.ts";
import { parsePortRange, portOf } from "../hop/port_range.ts";

const internal = { name: "TtunError", kind: "internal" };
const WIDE = parsePortRange("1024-65535");
const NARROW = parsePortRange("20000-30000");

for (const v of vectors.keys) {
  Deno.test(`known answers: ${v.password}, minute ${v.minute}, ${v.note}`, () => {
    using keys = new TtKeys(utf8(v.password));
    const { otp, lifetime, aeadKey, mask, minute } = keys.at(v.minute);
    assert.deepEqual([minute, otp, lifetime], [v.minute, v.otp, v.lifetime]);
    assert.deepEqual([toHex(aeadKey), toHex(mask)], [v.aeadKey, v.mask]);
    assert.equal(portOf(otp, WIDE), v.port);
    if (v.port_20000_30000 !== null) assert.equal(portOf(otp, NARROW), v.port_20000_30000);
    if (v.unix !== null) assert.equal(minuteOf(v.unix * 1000), v.minute);
  });
}

for (const v of vectors.schedule.rows) {
  Deno.test(`known answers: minute ${v.minute} of the schedule`, () => {
    using keys = new TtKeys(utf8(vectors.schedule.password));
    const { otp, lifetime } = keys.at(v.minute);
    const port = portOf(otp, parsePortRange(vectors.schedule.range));
    assert.deepEqual({ minute: v.minute, otp, port, lifetime }, v);
  });
}

Deno.test("the port table is that of the second implementation", () => {
  const { password, first_minute, minutes, ranges, sha256, rows } = vectors.port_table;
  const parsed = ranges.map(parsePortRange);
  using keys = new TtKeys(utf8(password));
  const rowOf = (minute: number) => {
    const { otp, lifetime } = keys.at(minute);
    return [minute, otp, ...parsed.map((range) => portOf(otp, range)), lifetime];
  };
  assert.ok(rows.length > 0);
  for (const row of rows) assert.deepEqual(rowOf(row[0]!), row);
  const digest = createHash("sha256");
  for (let i = 0; i < minutes; i++) digest.update(rowOf(first_minute + i).join(" ") + "\n");
  assert.equal(digest.digest("hex"), sha256);
});

Deno.test("minuteOf() counts whole minutes, and takes an unset clock for minute 0", () => {
  assert.equal(minuteOf(0), 0);
  assert.equal(minuteOf(59_999.999), 0);
  assert.equal(minuteOf(60_000), 1);
  assert.equal(minuteOf(1_570_407_719_999), 26173461);
  assert.equal(minuteOf(1_570_407_720_000), 26173462);
  assert.equal(minuteOf(-1), 0);
  assert.equal(minuteOf(-1e12), 0);
  for (const time of [NaN, Infinity, -Infinity]) assert.throws(() => minuteOf(time), internal);
});

Deno.test("minutesToTry() is T-2 to T+1, the likeliest first, and none before 1970", () => {
  assert.deepEqual(minutesToTry(100), [100, 99, 101, 98]);
  assert.deepEqual(minutesToTry(1), [1, 0, 2]);
  assert.deepEqual(minutesToTry(0), [0, 1]);
});

Deno.test("lifetimes are 1 to 15 minutes", () => {
  assert.deepEqual([0, 13, 14, 15, 999_999].map(lifetimeOf), [1, 14, 15, 1, 10]);
  assert.equal(MAX_LIFETIME, 15);
});

Deno.test("the minutes asked for last are kept, and no more than 32", () => {
  using keys = new TtKeys(utf8("password"));
  const first = keys.at(1000);
  const second = keys.at(1001);
  for (let i = 2; i < 32; i++) keys.at(1000 + i);
  assert.equal(keys.at(1000), first); // the 32 are kept, and this one is now the youngest
  keys.at(1032);
  assert.equal(keys.at(1000), first);
  const again = keys.at(1001);
  assert.notEqual(again, second);
  assert.deepEqual(again, second);
});

Deno.test("the password is copied, and overwritten in the end", () => {
  const lent = utf8("password");
  const keys = new TtKeys(lent);
  lent.fill(0);
  const held = keys.at(26173462);
  assert.equal(toHex(held.aeadKey), vectors.keys[0]!.aeadKey);
  keys[Symbol.dispose]();
  assert.deepEqual([toHex(held.aeadKey), toHex(held.mask)], ["00".repeat(32), "00".repeat(32)]);
  assert.throws(() => keys.at(26173462), internal);
});

Deno.test("what is no minute is a bug of the caller, and is not kept", () => {
  using keys = new TtKeys(utf8("password"));
  for (const minute of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => keys.at(minute), internal);
    assert.throws(() => keys.at(minute), internal);
  }
});
