import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "../../../../tests/check.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { refuses } from "../../../../tests/suite/mesh_store.ts";
import { TtunError } from "../../../base/errors.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { CORE_PLACE, readCorePlace } from "../../../core/mesh/core/core_state.ts";
import { openCoreFile } from "../../../io/mesh/core_file.ts";
import { activateCore, pendingEpoch, putPendingCore } from "../../../io/mesh/pending_core.ts";
import { DenoClock } from "../../../io/reactor/deno_clock.ts";
import { CoreDriver } from "./core_driver.ts";
import { moveCore, receivedCore } from "./core_move.ts";
import { localStore } from "./memory_store.ts";
import { ParcelReceiver } from "./parcel_receiver.ts";
import { type AskNode, ParcelSender } from "./parcel_sender.ts";

const clock = new DenoClock();
const rng = seededRng(5);
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);

/** Two nodes: the core is at `a`, and `b` has a folder of its own. */
class World implements AsyncDisposable {
  readonly folder: string;
  readonly a: string;
  readonly b: string;
  readonly receiver: ParcelReceiver;
  /** Fails the request with this number. */
  failAt = Infinity;
  /** True if the failing request is done, and only its answer is lost. */
  isAnswerLost = false;
  asked = 0;
  refusal: string | null = null;

  constructor(folder: string) {
    this.folder = folder;
    this.a = `${folder}/a.db`;
    this.b = `${folder}/b.db`;
    this.receiver = new ParcelReceiver({
      refusal: () => this.refusal,
      take: (_kind, parcel) => putPendingCore(this.b, receivedCore(parcel, "b")),
      activate: (epoch) => activateCore(this.b, epoch),
    });
  }

  readonly ask: AskNode = async (_node, body) => {
    const isLost = ++this.asked === this.failAt;
    const lost = new MeshError("unavailable", "The link broke", { outcome: "unknown" });
    if (isLost && !this.isAnswerLost) throw lost;
    const answer = await this.receiver.answer("a", body);
    if (isLost) throw lost;
    return answer;
  };

  async openA() {
    const { disk, state } = await openCoreFile(this.a, { create: true });
    const core = new CoreDriver(state, { disk, clock });
    return { disk, core, store: localStore(core, { clock, rng }) };
  }

  async openB() {
    const opened = await openCoreFile(this.b, { create: false });
    return localStore(new CoreDriver(opened.state, { ...opened, clock }), { clock, rng });
  }

  get sender(): ParcelSender {
    return new ParcelSender(this.ask, rng);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function world(): Promise<World> {
  return new World(await Deno.makeTempDir({ prefix: "ttun-move-" }));
}

test("core move: everything is at the other node, leases are held on, and the old file does not start", async () => {
  await using w = await world();
  const { disk, core, store } = await w.openA();
  await using _ = store;
  const session = await store.session(60_000, { signal });
  const lease = (await store.acquire("job", session, { signal }))!;
  const first = await store.put("name/a", bytes("1"), { signal, requestId: "one" });
  for (let i = 0; i < 9; i++) await store.put(`name/large${i}`, new Uint8Array(65_536), { signal });
  const { cursor } = await store.list("name/", { signal, limit: 1 });
  await store.put("name/last", bytes("1"), { signal });
  equal(await moveCore({ core, disk, sender: w.sender, node: "b" }, signal), 2);
  ok(w.asked > 10, "in chunks");
  await refuses("unavailable", store.put("name/b", bytes("1"), { signal }));
  await store[Symbol.asyncDispose]();
  await rejects(openCoreFile(w.a, { create: false }), /moved to the node b \(epoch 2\)/);

  await using there = await w.openB();
  deepEqual(await there.put("name/a", bytes("1"), { signal, requestId: "one" }), first);
  const held = (await there.get("lease/job", { signal }))!;
  equal(held.version, lease.token);
  const other = await there.session(60_000, { signal });
  equal(await there.acquire("job", other, { signal }), null);
  const place = (await there.get(CORE_PLACE, { signal }))!;
  deepEqual(readCorePlace(place.value), { node: "b", epoch: 2 });
  // A watch goes on from where it was, with what the old node had told nobody.
  const ending = AbortSignal.timeout(60_000);
  for await (const change of there.watch("name/", { signal: ending, from: cursor! })) {
    ok(change.kind === "put" && change.entry.key === "name/last", change.kind);
    break;
  }
});

test("core move: whichever message is lost before the file is marked, the core goes on where it was", async () => {
  for (const isAnswerLost of [false, true]) {
    for (const failAt of [1, 2]) {
      await using w = await world();
      Object.assign(w, { failAt, isAnswerLost });
      const { disk, core, store } = await w.openA();
      await using _ = store;
      await store.put("name/a", bytes("1"), { signal });
      await refuses("unavailable", moveCore({ core, disk, sender: w.sender, node: "b" }, signal));
      ok((await store.put("name/a", bytes("2"), { signal })).ok);
      // Tried again it works, also where the other node has a core that waits.
      equal(await moveCore({ core, disk, sender: w.sender, node: "b" }, signal), 2);
      await using there = await w.openB();
      equal((await there.get("name/a", { signal }))?.value[0], 0x32);
    }
  }
});

test("core move: if the last message is lost, the core waits at the other node and is started by another try", async () => {
  await using w = await world();
  w.failAt = 3;
  const { disk, core, store } = await w.openA();
  await using _ = store;
  await rejects(
    moveCore({ core, disk, sender: w.sender, node: "b" }, signal),
    (error) => error instanceof TtunError && error.kind === "partial",
  );
  await store[Symbol.asyncDispose]();
  equal(await pendingEpoch(w.b), 2);
  await rejects(w.sender.activate("b", 3, signal), /no core of epoch 3/);
  await w.sender.activate("b", 2, signal);
  await w.sender.activate("b", 2, signal);
  equal(await pendingEpoch(w.b), null);
  await using there = await w.openB();
  ok(await there.get(CORE_PLACE, { signal }) !== null);
});

test("core move: a node that takes no parcels, and what was changed on the way, leave all as it was", async () => {
  await using w = await world();
  const { disk, core, store } = await w.openA();
  await using _ = store;
  w.refusal = "This node is no core";
  await refuses("denied", moveCore({ core, disk, sender: w.sender, node: "b" }, signal));
  w.refusal = null;
  const flip: AskNode = (node, body, signal) => {
    const changed = body.slice();
    if (changed[1] === 0) changed[changed.length - 20]! ^= 1;
    return w.ask(node, changed, signal);
  };
  const sender = new ParcelSender(flip, rng);
  await refuses("denied", moveCore({ core, disk, sender, node: "b" }, signal));
  ok((await store.put("name/a", bytes("1"), { signal })).ok);
  equal(await pendingEpoch(w.b), null);
});
