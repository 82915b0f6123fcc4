import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeDevice } from "../../../tests/fake/device.ts";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { FakeLink, Hold } from "../../../tests/fake/link.ts";
import { between, marksAtEnd, PoolRouterWorld, SERVER4 } from "../../../tests/fake/pool_router.ts";
import { onePeer } from "../../../tests/fake/port.ts";
import { ClientNetworks, parseClientNetwork } from "../../core/ip/client_networks.ts";
import { PeerRouter } from "./peer_router.ts";

/** A router of one peer that runs, with links of one session. */
function peerWorld() {
  const clock = new FakeClock();
  const device = new FakeDevice(1280);
  const router = new PeerRouter(device, clock, { mssClamp: false, longest: 1400 });
  const stop = new AbortController();
  const running = router.run(stop.signal).catch((error: unknown) => error);
  const session = {};
  const join = () => {
    const link = new FakeLink();
    const ended = router.session(link, { ...onePeer(), session }).then(
      () => null,
      (error: unknown) => error,
    );
    return { link, ended };
  };
  const end = async () => {
    stop.abort(new Error("the test is over"));
    await running;
  };
  return { clock, device, router, join, end };
}

const marks = (packets: readonly Uint8Array[]) => packets.map(markOf);

Deno.test("packets for the peer go by the newest link of its session, and come by all", async () => {
  const { clock, device, join, end } = peerWorld();
  const [first, second] = [join(), join()];
  device.inject(flowPacket(1, 1));
  first.link.deliver(flowPacket(1, 2));
  second.link.deliver(flowPacket(1, 3));
  await clock.settle();
  assert.deepEqual(marks(first.link.sent), []);
  assert.deepEqual(marks(second.link.sent), [1]);
  assert.deepEqual(marks(device.written), [2, 3]);
  first.link.end();
  assert.equal(await first.ended, null);
  device.inject(flowPacket(1, 4));
  await clock.settle();
  assert.deepEqual(marks(second.link.sent), [1, 4]);
  second.link.end();
  await second.ended;
  await end();
});

Deno.test("when the newest link ends packets go by the one before again", async () => {
  const { clock, device, router, join, end } = peerWorld();
  const [first, second, third] = [join(), join(), join()];
  second.link.end();
  third.link.end();
  await Promise.all([second.ended, third.ended]);
  device.inject(flowPacket(1, 1));
  await clock.settle();
  assert.deepEqual(marks(first.link.sent), [1]);
  first.link.end();
  await first.ended;
  device.inject(flowPacket(1, 2));
  await clock.settle();
  assert.equal(router.counters.droppedWithoutPeer, 1);
  await end();
});

Deno.test("a link of another session is refused while there is one", async () => {
  const { router, join, end } = peerWorld();
  const first = join();
  for (const other of [onePeer(), { ...onePeer(), session: {} }]) {
    await assert.rejects(() => router.session(new FakeLink(), other), /two links at once/);
  }
  first.link.end();
  await first.ended;
  await end();
});

Deno.test("a link that stands and is replaced does not hold back what is for the new one", async () => {
  const { clock, device, join, end } = peerWorld();
  const first = join();
  const hold = new Hold();
  first.link.onSend = hold.onSend;
  const packet = (i: number) => flowPacket(1, i, 1200);
  let i = 0;
  const some = () => device.inject(...Array.from({ length: 100 }, () => packet(i++)));
  while (device.queued === 0) { // until its queue is full
    some();
    await clock.advance(10);
    assert(i < 20_000);
  }
  const second = join();
  await clock.settle();
  const from = i;
  some();
  await clock.settle();
  assert.deepEqual(
    marks(second.link.sent).slice(-100),
    Array.from({ length: 100 }, (_, n) => from + n),
  );
  assert.equal(device.queued, 0);
  for (const { link, ended } of [first, second]) {
    link.end();
    await link[Symbol.asyncDispose]();
    await ended;
  }
  await clock.advance(10_000);
  await end();
});

const NETWORK = "192.168.7.0/24";
const INSIDE = "192.168.7.9";

function poolWorld() {
  const networks = new ClientNetworks([parseClientNetwork(`a=${NETWORK}`)]);
  const w = new PoolRouterWorld({ networks });
  const session = {};
  const join = (o: { session?: object } = { session }) =>
    w.join("a", ["10.8.0.2/24"], { ...o, name: "a" });
  return Object.assign(w, { joinA: join, networks });
}

Deno.test("a client's addresses and networks are at the newest link of its session, and go back", async () => {
  await using w = poolWorld();
  const first = w.joinA();
  const other = w.join("a", ["10.8.0.3/24"], { name: "a" });
  const second = w.joinA();
  w.device.inject(between(SERVER4, "10.8.0.2", 1), between(SERVER4, INSIDE, 2));
  for (const [i, { link }] of [first, second, other].entries()) {
    link.deliver(between(INSIDE, SERVER4, 10 + i));
  }
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(first.link.sent), []);
  assert.deepEqual(marksAtEnd(second.link.sent), [1, 2]);
  assert.deepEqual(marksAtEnd(w.device.written), [10, 11]); // the network is not the other's
  await second.leave();
  w.device.inject(between(SERVER4, "10.8.0.2", 3), between(SERVER4, INSIDE, 4));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(first.link.sent), [3, 4]);
  await first.leave();
  w.device.inject(between(SERVER4, INSIDE, 5));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(other.link.sent), [5]);
});

Deno.test("an older link that ends takes nothing from the newest one of its session", async () => {
  await using w = poolWorld();
  const [first, second] = [w.joinA(), w.joinA()];
  await first.leave();
  w.device.inject(between(SERVER4, "10.8.0.2", 1), between(SERVER4, INSIDE, 2));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(second.link.sent), [1, 2]);
});

Deno.test("networks that change are at the newest link of the first session of their client", async () => {
  await using w = poolWorld();
  const [first, second] = [w.joinA(), w.joinA()];
  const other = w.join("a", ["10.8.0.3/24"], { name: "a" });
  w.networks.replace(["b=10.7.0.0/16", "a=10.6.0.0/16"].map(parseClientNetwork));
  w.router.networksChanged();
  w.device.inject(between(SERVER4, INSIDE, 1), between(SERVER4, "10.6.0.9", 2));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(second.link.sent), [2]);
  await second.leave();
  w.device.inject(between(SERVER4, "10.6.0.9", 3));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(first.link.sent), [3]);
  await first.leave();
  w.device.inject(between(SERVER4, "10.6.0.9", 4));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(other.link.sent), [4]);
});
