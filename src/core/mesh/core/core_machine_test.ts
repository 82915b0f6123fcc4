import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { CoreBatch, CoreChange, CoreState } from "../../../contract/mesh_disk.ts";
import { CoreMachine, type CoreStep } from "./core_machine.ts";
import { CoreTable } from "./core_table.ts";
import { emptyCore } from "./core_state.ts";
import { encodeCoreAnswer } from "./message.ts";
import type { CoreAnswer, CoreRequest } from "./request.ts";

const V = new Uint8Array([1]);

/** A file with all that a core is. */
class Disk extends CoreTable {
  #changes: CoreChange[];
  #floor: number;

  constructor(state: CoreState) {
    super(state, 0);
    this.#changes = [...state.changes];
    this.#floor = state.floor;
  }

  override apply(batch: CoreBatch, nowMs: number): void {
    super.apply(batch, nowMs);
    const isForgotten = ({ rev, key }: CoreChange) =>
      batch.forgottenChanges.some((one) => one.rev === rev && one.key === key);
    this.#changes = [...this.#changes.filter((change) => !isForgotten(change)), ...batch.changes];
    this.#floor = batch.floor;
  }

  override snapshot(epoch: number): CoreState {
    return { ...super.snapshot(epoch), changes: this.#changes, floor: this.#floor };
  }
}

/** A machine with a disk that a test lets write. */
class World {
  now = 0;
  machine: CoreMachine;
  disk: Disk;
  stores: Extract<CoreStep, { type: "store" }>[] = [];
  answers = new Map<number, CoreAnswer>();
  #id = 0;

  constructor(state: CoreState = emptyCore()) {
    this.machine = new CoreMachine(state, 0);
    this.disk = new Disk(state);
  }

  ask(request: CoreRequest): number {
    const id = ++this.#id;
    this.take(this.machine.feed(id, request, this.now));
    return id;
  }

  /** Asks, lets the disk write, and returns the answer. */
  done(request: CoreRequest): CoreAnswer {
    const id = this.ask(request);
    this.write();
    return this.answers.get(id)!;
  }

  write(failure?: "limit"): void {
    for (let store = this.stores.shift(); store !== undefined; store = this.stores.shift()) {
      if (failure === undefined) this.disk.apply(copy(store.batch), 0);
      this.take(this.machine.stored(store.token, this.now, failure));
    }
  }

  pass(ms: number): void {
    this.now += ms;
    this.take(this.machine.tick(this.now));
    this.write();
  }

  take(steps: CoreStep[]): void {
    for (const step of steps) {
      if (step.type === "store") this.stores.push(step);
      else if (step.type === "reply") this.answers.set(step.id, step.answer);
    }
  }

  get(key: string): number | null {
    const answer = this.answers.get(this.ask({ type: "get", key }))!;
    return answer.type === "entry" ? answer.entry?.rev ?? null : null;
  }
}

/** A disk has bytes, not the objects that were written. */
function copy(batch: CoreBatch): CoreBatch {
  return structuredClone(batch);
}

function put(key: string, o: Partial<Extract<CoreRequest, { type: "put" }>> = {}): CoreRequest {
  return { type: "put", key, value: V, ...o };
}

Deno.test("core: nobody sees a write before it is safe", () => {
  const world = new World();
  const id = world.ask(put("name/a"));
  equal(world.get("name/a"), null);
  equal(world.answers.has(id), false);
  world.write();
  deepEqual(world.answers.get(id), { type: "written", rev: 1 });
  equal(world.get("name/a"), 1);
});

Deno.test("core: writes that come while the disk writes go together in the next commit", () => {
  const world = new World();
  world.ask(put("name/0"));
  const ids = Array.from({ length: 600 }, (_, i) => world.ask(put(`name/${i}`)));
  equal(world.stores.length, 1);
  const first = world.stores.shift()!;
  world.take(world.machine.stored(first.token, 0));
  equal(world.stores[0]!.batch.rows.length, 256);
  world.write();
  deepEqual(ids.map((id) => world.answers.get(id)?.type), ids.map(() => "written"));
  equal(world.machine.revision, 601);
});

Deno.test("core: without room on the disk writes are refused, reads go on, and nothing has changed", () => {
  const world = new World();
  world.done(put("name/a"));
  world.done({ type: "grant", session: "s", ttlMs: 5_000 });
  const id = world.ask(put("name/a", { if: 1 }));
  const other = world.ask(put("name/b", { requestId: "r" }));
  world.write("limit");
  for (const refused of [id, other]) {
    const answer = world.answers.get(refused)!;
    equal(answer.type === "error" && answer.reason, "limit");
  }
  deepEqual([world.get("name/a"), world.get("name/b"), world.machine.revision], [1, null, 1]);
  deepEqual(world.done(put("name/b", { requestId: "r" })), { type: "written", rev: 2 });
  // Expired keys are tried again once there is room.
  world.done(put("name/s", { session: "s" }));
  world.now += 6_000;
  world.take(world.machine.tick(world.now));
  world.write("limit");
  equal(world.get("name/s"), 3);
  equal(world.machine.due(), world.now + 1_000);
  world.pass(1_000);
  equal(world.get("name/s"), null);
});

Deno.test("core: a request that is repeated after a restart has one effect; ids are each key's own", () => {
  const world = new World();
  const request = put("name/a", { requestId: "7", if: 0 });
  deepEqual(world.done(request), { type: "written", rev: 1 });
  deepEqual(world.done(put("name/b", { requestId: "7" })), { type: "written", rev: 2 });
  const again = new World(world.disk.snapshot(1));
  deepEqual(again.done(request), { type: "written", rev: 1 });
  equal(again.machine.revision, 2);
});

Deno.test("core: a condition that did not hold does not hold for the repeated request either", () => {
  const world = new World();
  world.done(put("name/a"));
  const request = put("name/a", { requestId: "7", if: 0 });
  equal(world.done(request).type, "unmet");
  world.done({ type: "delete", key: "name/a" });
  equal(world.done(request).type, "unmet");
});

Deno.test("core: only the newest requests are remembered", () => {
  const world = new World();
  for (let i = 0; i < 20_300; i++) world.ask(put("name/a", { requestId: String(i) }));
  world.write();
  ok(world.disk.done.size <= 20_000, String(world.disk.done.size));
  deepEqual([...world.disk.done], [
    ...world.machine.snapshot().done.map(({ id, rev }) => [id, rev]),
  ]);
});

Deno.test("core: a session lives its full time again after a restart, and from each renewal", () => {
  const world = new World();
  world.done({ type: "grant", session: "s", ttlMs: 5_000 });
  world.done(put("lease/a", { session: "s", if: 0 }));
  world.pass(4_000);
  world.done({ type: "renew", session: "s" });
  world.pass(4_000);
  equal(world.get("lease/a"), 1);
  const again = new World(world.disk.snapshot(1));
  again.pass(4_999);
  equal(again.get("lease/a"), 1);
  again.pass(1);
  equal(again.get("lease/a"), null);
  equal(again.done({ type: "renew", session: "s" }).type, "error");
});

Deno.test("core: a session whose time is over takes no keys, also before it is gone", () => {
  const world = new World();
  world.done({ type: "grant", session: "s", ttlMs: 5_000 });
  world.now = 5_000;
  equal(world.done({ type: "renew", session: "s" }).type, "error");
  equal(world.done(put("lease/a", { session: "s" })).type, "error");
});

Deno.test("core: a session has 256 keys at most, and its end fits in one message", () => {
  const world = new World();
  world.done({ type: "grant", session: "s", ttlMs: 5_000 });
  const long = "x".repeat(240);
  const key = (i: number) => `name/${long}/${long}${i}`;
  for (let i = 0; i < 256; i++) world.ask(put(key(i), { session: "s" }));
  world.write();
  equal(world.done(put(key(256), { session: "s" })).type, "error");
  equal(world.done(put(key(0), { session: "s" })).type, "written");
  const from = world.machine.revision;
  world.done({ type: "end", session: "s" });
  const changes = world.done({ type: "changes", prefix: "", from });
  ok(changes.type === "changes" && changes.changes.length === 256);
  ok(encodeCoreAnswer({ epoch: 1, content: changes }).length < 500 * 1024);
});

Deno.test("core: a session that is granted again is the same one", () => {
  const world = new World();
  const grant = { type: "grant", session: "s", ttlMs: 5_000 } as const;
  deepEqual([world.done(grant), world.done(grant)], [{ type: "done" }, { type: "done" }]);
  equal(world.disk.sessions.size, 1);
  equal(world.done({ ...grant, session: "t", ttlMs: 4_999 }).type, "error");
  equal(world.done({ ...grant, session: "t", ttlMs: 120_001 }).type, "error");
  equal(world.done({ ...grant, session: "../x" }).type, "error");
});

Deno.test("core: a key that is refreshed leaves one deadline behind", () => {
  const world = new World();
  for (let i = 0; i < 50; i++) {
    world.done(put("name/a", { ttlMs: 10_000 }));
    world.pass(9_000);
  }
  ok(world.get("name/a") !== null);
  world.done(put("name/a", { ttlMs: 1_000 }));
  equal(world.machine.due(), world.now + 1_000);
  world.pass(1_000);
  equal(world.get("name/a"), null);
});

Deno.test("core: a frozen one reads on, writes nothing and lets nothing expire", () => {
  const world = new World();
  world.done(put("name/a", { ttlMs: 1_000 }));
  world.machine.freeze("It moves");
  const answer = world.done(put("name/b"));
  equal(answer.type === "error" && answer.outcome, "none");
  world.pass(5_000);
  equal(world.get("name/a"), 1);
  equal(world.machine.due(), Infinity);
  world.machine.freeze(null);
  world.pass(0);
  equal(world.get("name/a"), null);
});

type Model = Map<string, { rev: number; session: string }>;

const KEYS = ["name/a", "name/b", "lease/c"];
const commands = fc.array(
  fc.record({
    op: fc.constantFrom("put", "put", "delete", "grant", "end", "write", "full", "restart"),
    key: fc.constantFrom(...KEYS),
    session: fc.constantFrom("", "", "s", "t"),
    if: fc.constantFrom(undefined, 0, 1, 2, 3, 4),
  }),
  { maxLength: 60 },
);

Deno.test("core: whatever comes, memory is what the disk has, and what was answered is there", () => {
  fc.assert(fc.property(commands, (list) => {
    let world = new World();
    const model: Model = new Map();
    let acknowledged = 0;
    for (const { op, key, session, if: condition } of list) {
      const given = condition === undefined ? {} : { if: condition };
      if (op === "put") world.ask(put(key, { ...given, ...session && { session } }));
      else if (op === "delete") world.ask({ type: "delete", key, ...given });
      else if (op === "grant") world.ask({ type: "grant", session: session || "s", ttlMs: 5_000 });
      else if (op === "end") world.ask({ type: "end", session: session || "s" });
      else if (op === "write") world.write();
      else if (op === "full") {
        const store = world.stores.shift();
        if (store) world.take(world.machine.stored(store.token, 0, "limit"));
      } else world = new World(world.disk.snapshot(1)); // what was on its way is lost
      for (const answer of world.answers.values()) {
        if (answer.type === "written") acknowledged = Math.max(acknowledged, answer.rev);
      }
      ok(world.machine.revision >= acknowledged);
      equal(world.machine.revision, world.disk.revision);
      deepEqual(world.machine.snapshot(), world.disk.snapshot(1));
      model.clear();
      for (const row of world.disk.range("", undefined, 10)) {
        model.set(row.key, row);
        ok(row.session === "" || world.disk.sessions.has(row.session));
        ok(row.rev <= world.disk.revision && row.created <= row.rev);
      }
      for (const name of KEYS) equal(world.get(name), model.get(name)?.rev ?? null);
    }
  }));
});

Deno.test("core: changes from any revision lead from what was there to what is there", () => {
  fc.assert(fc.property(commands, (list) => {
    const world = new World();
    const history = [new Map<string, number>()];
    for (const { op, key, session, if: condition } of list) {
      const given = condition === undefined ? {} : { if: condition };
      if (op === "put") world.done(put(key, { ...given, ...session && { session } }));
      else if (op === "delete") world.done({ type: "delete", key, ...given });
      else if (op === "grant") world.done({ type: "grant", session: session || "s", ttlMs: 5_000 });
      else if (op === "end") world.done({ type: "end", session: session || "s" });
      history[world.machine.revision] = new Map(
        world.disk.range("", undefined, 10).map(({ key, rev }) => [key, rev]),
      );
    }
    const now = history.at(-1)!;
    const restarted = new World(world.disk.snapshot(1));
    for (const [from, then] of history.entries()) {
      const answer = world.done({ type: "changes", prefix: "", from });
      deepEqual(restarted.done({ type: "changes", prefix: "", from }), answer);
      ok(answer.type === "changes");
      const state = new Map(then);
      for (const { key, entry, rev } of answer.changes) {
        ok(rev > from);
        if (entry === null) state.delete(key);
        else state.set(key, rev);
      }
      deepEqual([...state].sort(), [...now].sort());
      equal(answer.cursor, world.machine.revision);
    }
    equal(world.done({ type: "changes", prefix: "", from: history.length }).type, "reset");
  }));
});
