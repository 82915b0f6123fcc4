import assert from "node:assert/strict";
import { LinkWorld } from "../../../tests/fake/link_world.ts";
import { sha256 } from "../../../tests/fake/sha256.ts";
import { MemoryFolder, MemorySources } from "../../../tests/fake/transfer_files.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Role } from "../../core/transfer/messages.ts";
import { receiveFiles } from "../transfer/receive_files.ts";
import { sendFiles } from "../transfer/send_files.ts";
import { newCount, type TransferCount, type Verdict } from "../transfer/transfer.ts";
import { type RunTransfer, runTransferClient, runTransferServer } from "./transfer_session.ts";

const FILES = { "d": null, "d/a": utf8("hello"), "d/b": new Uint8Array(3_000_000).fill(7) };
const ALL = { complete: 2, missing: 0 };

/** An end that listens, and ends that dial, each with the role that a test gives it. */
class World {
  readonly link = new LinkWorld();
  readonly folder = new MemoryFolder();
  readonly stop = new AbortController();
  readonly peers: string[] = [];
  count: TransferCount = newCount();
  /** Called instead of an answer at once. */
  ask = (): Promise<void> => Promise.resolve();

  listen(role: Role): Promise<Verdict | Error> {
    const { signal } = this.stop;
    return runTransferServer({
      ...this.link.server(signal),
      role,
      transfer: this.#transfer(role),
      isAgreed: () => this.count.acceptedAt !== null,
    }).catch((error: Error) => error);
  }

  dial(role: Role, signal = this.stop.signal, host = "192.0.2.2"): Promise<Verdict | Error> {
    return runTransferClient({
      ...this.link.client(signal, host),
      role,
      transfer: this.#transfer(role),
      peer: "the server",
    }).catch((error: Error) => error);
  }

  #transfer(role: Role): RunTransfer<Verdict> {
    const { clock } = this.link;
    return async ({ messages, stream, peer, signal }) => {
      this.peers.push(peer);
      const count = newCount();
      const common = { messages, stream, sha256, clock, count, tell: () => {}, signal };
      if (role === "sends") {
        const { manifest, openFile } = new MemorySources(FILES);
        return await sendFiles({ ...common, manifest, open: openFile });
      }
      this.count = count;
      const target = { folder: this.folder, overwrites: false };
      const agree = async () => {
        await this.ask();
        return { isAccepted: true, declined: new Set<string>() };
      };
      return await receiveFiles({ ...common, target, agree });
    };
  }
}

for (const listener of ["sends", "receives"] as const) {
  Deno.test(`files go over a session when the end that listens ${listener}`, async () => {
    const world = new World();
    const { clock } = world.link;
    const listening = world.listen(listener);
    const dialling = world.dial(listener === "sends" ? "receives" : "sends");
    assert.deepEqual(await clock.until(dialling), ALL);
    assert.deepEqual(await clock.until(listening), ALL);
    assert.deepEqual(world.folder.files.get("d/b"), FILES["d/b"]);
    assert.deepEqual(world.peers.sort(), ["192.0.2.2", "the server"]);
    assert.equal(clock.pending, 0);
  });
}

Deno.test("two ends of the same role are told so, and the one that listens goes on waiting", async () => {
  const world = new World();
  const { clock } = world.link;
  const listening = world.listen("receives");
  const wrong = await clock.until(world.dial("receives"));
  assert.match(String(wrong), /does not go on: both ends receive/);
  assert.deepEqual(await clock.until(world.dial("sends")), ALL);
  assert.deepEqual(await clock.until(listening), ALL);
});

Deno.test("a second sender is refused while the first is there, and takes over when it is gone", async () => {
  const world = new World();
  const { clock, net } = world.link;
  const asked = Promise.withResolvers<void>();
  world.ask = () => asked.promise;
  const listening = world.listen("receives");
  const first = world.dial("sends");
  await clock.settle();
  const second = await clock.until(world.dial("sends", undefined, "192.0.2.3"));
  assert.match(String(second), /another transfer is under way/);
  net.cable("192.0.2.2").pull();
  await clock.advance(40_000); // nobody is told: its connection is dead after a while
  world.ask = () => Promise.resolve();
  assert.deepEqual(await clock.until(world.dial("sends", undefined, "192.0.2.4")), ALL);
  assert.deepEqual(await clock.until(listening), ALL);
  assert.ok(await clock.until(first) instanceof TtunError);
});

Deno.test("a sender that goes before an answer is waited for again", async () => {
  const world = new World();
  const { clock } = world.link;
  const asked = Promise.withResolvers<void>();
  world.ask = () => asked.promise;
  const listening = world.listen("receives");
  const leaving = new AbortController();
  const gone = world.dial("sends", leaving.signal);
  await clock.settle();
  leaving.abort(new Error("it leaves"));
  assert.match(String(await clock.until(gone)), /it leaves/);
  asked.resolve();
  await clock.advance(1000);
  assert.deepEqual(await clock.until(world.dial("sends")), ALL);
  assert.deepEqual(await clock.until(listening), ALL);
});

Deno.test("an end that serves no transfers is told from one that is not there", async () => {
  const world = new World();
  const { clock } = world.link;
  const { runServiceServer } = await import("./service_server.ts");
  const { signal } = world.stop;
  const server = runServiceServer({ ...world.link.server(signal), services: {} }).catch(() => {});
  const refused = await clock.until(world.dial("sends"));
  assert.match(String(refused), /neither ttun send nor ttun receive/);
  world.stop.abort(new Error("the end"));
  await clock.advance(1000);
  await server;
});

Deno.test("an end that cannot connect tells why", async () => {
  const world = new World();
  const { clock, net } = world.link;
  net.cable("192.0.2.2").pull();
  const failed = await clock.until(world.dial("sends"));
  assert(failed instanceof TtunError && failed.kind === "timeout", String(failed));
});
