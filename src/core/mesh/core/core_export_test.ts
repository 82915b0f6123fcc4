import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { CoreChange, CoreState } from "../../../contract/mesh_disk.ts";
import { BackupPlan } from "./backup_plan.ts";
import { exportCore, parseCoreExport } from "./core_export.ts";
import { CORE_PLACE, movedCore, readCorePlace, restoredCore } from "./core_state.ts";

const number = fc.nat({ max: 2 ** 50 });
const row = fc.record({
  key: fc.string(),
  value: fc.uint8Array(),
  rev: number,
  created: number,
  session: fc.string(),
  ttlMs: number,
}, { noNullPrototype: true });
const change: fc.Arbitrary<CoreChange> = fc.oneof(
  row.map((row) => ({ rev: row.rev, key: row.key, row })),
  fc.record({ rev: number, key: fc.string(), row: fc.constant(null) }, { noNullPrototype: true }),
);
const some: fc.Arbitrary<CoreState> = fc.record({
  epoch: number,
  revision: number,
  rows: fc.array(row),
  sessions: fc.array(fc.record({ id: fc.string(), ttlMs: number }, { noNullPrototype: true })),
  done: fc.array(fc.record({ id: fc.string(), rev: number }, { noNullPrototype: true })),
  changes: fc.array(change),
  floor: number,
}, { noNullPrototype: true });

const STATE: CoreState = {
  epoch: 3,
  revision: 9,
  rows: [
    { key: "name/a", value: utf8("1"), rev: 9, created: 2, session: "", ttlMs: 0 },
    { key: "conf/core", value: utf8("{}"), rev: 1, created: 1, session: "", ttlMs: 0 },
  ],
  sessions: [{ id: "s", ttlMs: 5000 }],
  done: [{ id: "r", rev: 9 }],
  changes: [{ rev: 9, key: "name/b", row: null }],
  floor: 8,
};

Deno.test("core export: everything comes out as it went in", () => {
  fc.assert(fc.property(some, (state) => {
    deepEqual(parseCoreExport(exportCore(state, { withChanges: true })), state);
    // A backup has no changes: its watches begin anew.
    const backup = { ...state, changes: [], floor: state.revision };
    deepEqual(parseCoreExport(exportCore(state)), backup);
  }));
});

Deno.test("core export: one that is cut, changed or something else is refused", () => {
  const bytes = exportCore(STATE);
  for (let length = 0; length < bytes.length; length++) {
    throws(() => parseCoreExport(bytes.subarray(0, length)), TtunError);
  }
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    throws(() => parseCoreExport(changed), TtunError);
  }
  for (const text of ["", "\n", "{}\n{}\n", "null\nnull\n", "hello"]) {
    throws(() => parseCoreExport(utf8(text)), TtunError);
  }
});

Deno.test("core: after a move or a restore it has a new epoch, and says where it is", () => {
  const moved = movedCore(STATE, "abc");
  deepEqual([moved.epoch, moved.revision], [4, 10]);
  const row = moved.rows.filter(({ key }) => key === CORE_PLACE);
  equal(row.length, 1);
  deepEqual(readCorePlace(row[0]!.value), { node: "abc", epoch: 4 });
  equal(row[0]!.created, 1);
  // No revision that clients may have seen after the backup is given again.
  ok(restoredCore(STATE, "abc").revision > STATE.revision + 2 ** 32);
  for (const text of ["", "null", "[]", '{"node":1,"epoch":1}']) {
    equal(readCorePlace(utf8(text)), null);
  }
});

Deno.test("backups: soon after the start, after a change of names, each hour, and again if one fails", () => {
  const hour = 3_600_000;
  const plan = new BackupPlan(hour, 0);
  equal(plan.due(), 5_000);
  plan.began(5_000);
  equal(plan.due(), 5_000 + hour);
  plan.changed("txt/a", 6_000);
  equal(plan.due(), 5_000 + hour);
  plan.changed("name/a", 7_000);
  plan.changed("name/b", 9_000);
  equal(plan.due(), 12_000);
  plan.began(12_000);
  plan.failed(13_000);
  equal(plan.due(), 73_000);
});
