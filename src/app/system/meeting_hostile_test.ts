import assert from "node:assert/strict";
import { DIALS, idOf, LISTENS, MeetingWorld, PORT } from "../../../tests/fake/meeting_world.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import { packMessage, type Side } from "../../core/meet/messages.ts";
import { MEETING_LIMITS } from "../meet/meeting_server.ts";
import { joinMeeting } from "../meet/meet.ts";
import { accept, read, write } from "../loop/stream_io.ts";
import type { MuxOutbound } from "../mux/mux_outbound.ts";

const ID = idOf("a ticket's");
const STRANGER = "192.0.2.66";

/** Joins the meeting as an end that does what the test wants. */
function join(world: MeetingWorld, outbound: MuxOutbound, side: Side, token: number, id = ID) {
  const { clock, signal } = world;
  return joinMeeting(outbound, { side, id, end: new Uint8Array(16).fill(token), clock, signal });
}

/** Reads to the end; true if that was no reset. */
async function endsWell(stream: Stream): Promise<boolean> {
  const into = new Uint8Array(1000);
  try {
    while (await read(stream, into) !== null);
    return true;
  } catch {
    return false;
  }
}

Deno.test("garbage, too long messages and silence end a stream, and no other", async () => {
  await using world = new MeetingWorld();
  const outbound = world.openVia(STRANGER);
  const open = () => outbound.openService("meeting", { signal: world.signal });
  const flood = await world.clock.until(open());
  await write(flood, new Uint8Array(60_000).fill(0xff));
  const early = await world.clock.until(open());
  await write(early, packMessage({ kind: "relay" }));
  await world.clock.until(Promise.all([flood, early].map(endsWell)));
  const began = world.clock.now();
  const silent = await world.clock.until(open());
  assert(await world.clock.until(endsWell(silent)));
  assert.equal(world.clock.now() - began, 10_000);
  void world.listen({ id: ID });
  await world.exchange(world.connect(world.dialer(ID)).outbound);
  assert.match(world.lines().join("\n"), /warn meeting ended .*it is too long/);
});

Deno.test("an address has so many ends, and another one its own", async () => {
  await using world = new MeetingWorld();
  const outbound = world.openVia(STRANGER);
  const { perAddress } = MEETING_LIMITS;
  for (let i = 0; i < perAddress; i++) {
    await world.clock.until(join(world, outbound, "listens", i, idOf(`${i}`)));
  }
  await assert.rejects(
    world.clock.until(join(world, outbound, "listens", 1, idOf("more"))),
    /the server has no meetings: update it, or wait if too many are there/,
  );
  void world.listen({ id: ID });
  await world.exchange(world.connect(world.dialer(ID)).outbound);
});

Deno.test("a third end is refused, and does not disturb the two", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  const { outbound } = world.connect(world.dialer(ID, { deadlineMs: 600_000 }));
  await world.clock.settle();
  const stranger = world.openVia(STRANGER);
  await assert.rejects(world.clock.until(join(world, stranger, "listens", 1)), {
    kind: "busy",
    message: /another program is there in its place already/,
  });
  await world.exchange(outbound);
});

/** Has the end that listens connect, if it would. */
async function lure(
  world: MeetingWorld,
  outbound: MuxOutbound,
  candidates: readonly HostPort[],
): Promise<void> {
  await using meeting = await world.clock.until(join(world, outbound, "dials", 9));
  await meeting.ready({ keepsPort: true, candidates });
  const { kind } = await world.clock.until(meeting.news());
  assert.equal(kind, "signal");
  await world.clock.advance(7000);
}

Deno.test("nobody can have an end connect where it should not", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  const outbound = world.openVia(STRANGER);
  await lure(world, outbound, [
    { host: "127.0.0.1", port: 22 },
    { host: "10.0.0.1", port: 22 },
    { host: "169.254.169.254", port: 80 },
    { host: LISTENS, port: 22 },
    { host: "::1", port: 22 },
    { host: "9.9.9.9", port: 0 },
    { host: "fe80::1", port: 22 },
    { host: "9.9.9.9", port: 443 },
  ]);
  const tried = new Set(world.dialled.map(({ from, to }) => `${from} ${formatAddr(to)}`));
  assert.deepEqual([...tried], [`${LISTENS} 9.9.9.9:443`]);
});

Deno.test("nobody can have an end connect to one address after the other", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  const outbound = world.openVia(STRANGER);
  for (let i = 0; i < 60; i++) await lure(world, outbound, [{ host: `9.9.9.${i}`, port: 443 }]);
  const tried = new Set(world.dialled.map(({ to }) => formatAddr(to)));
  const minutes = world.clock.now() / 60_000;
  assert(tried.size <= 10 + 4 * minutes, `${tried.size} addresses in ${minutes} minutes`);
  assert.match(world.lines().join("\n"), /others come too often: not connecting to this one/);
});

Deno.test("a wrong machine at an address of the other end does not win", async () => {
  await using world = new MeetingWorld();
  const wrong = { host: "192.0.2.77", port: PORT };
  const { signal } = world;
  const listener = world.net.listen(wrong, { signal });
  const silent = async (): Promise<never> => {
    for (;;) await accept(listener, { signal });
  };
  silent().catch(() => {}); // the test is over
  // The end that listens says that it may be reached there, and at its own address.
  const outbound = world.openVia(LISTENS);
  const meeting = await world.clock.until(join(world, outbound, "listens", 5));
  await meeting.ready({ keepsPort: true, candidates: [wrong, { host: LISTENS, port: PORT }] });
  void world.listen({ id: idOf("another") });
  await world.exchange(world.connect(world.dialer(ID)).outbound);
  assert(world.dialled.some(({ from, to }) => from === DIALS && to.host === wrong.host));
});

Deno.test("another key than the other end's does not get in, and it is said", async () => {
  await using world = new MeetingWorld({ relayBytes: 1e6 });
  void world.listen({ id: ID });
  const { failed } = world.connect(world.dialer(ID), { psk: "guessed" });
  const error = await world.clock.until(failed);
  assert.match(`${error}`, /Cannot authenticate with the other end.*another ticket, code or key/);
});

Deno.test("a relay does not make another key's end much slower to hear of it", async () => {
  for (const passes of [true, false]) {
    await using world = new MeetingWorld({ passes: () => passes, relayBytes: 1e6 });
    void world.listen({ id: ID });
    const { failed } = world.connect(world.dialer(ID), { psk: "another" });
    const error = await world.clock.until(failed);
    assert.match(`${error}`, /it is there, but has another ticket, code or key/);
    assert(world.clock.now() < 11_000, `${world.clock.now()} ms`);
  }
});

Deno.test("an end that is relayed and lost is a loss at the other, and no end of its bytes", async () => {
  await using world = new MeetingWorld({ relayBytes: 1e6 });
  const [one, other] = [world.openVia(LISTENS), world.openVia(DIALS)];
  const relayed = await Promise.all(
    ([["listens", one], ["dials", other]] as const).map(async ([side, outbound]) => {
      const meeting = await world.clock.until(join(world, outbound, side, side.length));
      await meeting.ready({ keepsPort: true, candidates: [] });
      return meeting;
    }),
  );
  const [listens, dials] = relayed as [typeof relayed[0], typeof relayed[0]];
  assert.equal((await world.clock.until(listens.news())).kind, "signal");
  assert.equal((await world.clock.until(dials.news())).kind, "signal");
  await dials.askRelay();
  assert.equal((await world.clock.until(listens.news())).kind, "relayed");
  assert.equal((await world.clock.until(dials.news())).kind, "relayed");
  await write(dials.stream, new Uint8Array(5000));
  listens.stream.reset();
  assert.equal(await world.clock.until(endsWell(dials.stream)), false);
  assert.match(world.lines().join("\n"), /info relay ended/);
});

Deno.test("a server that answers what nobody has asked for is told as that", async () => {
  await using world = new MeetingWorld();
  await world.startHostileVia(async ({ stream }) => {
    await write(stream, packMessage({ kind: "joined", number: 0, observed: null }));
    await write(stream, packMessage({ kind: "refused", reason: "relayOff" }));
    await read(stream, new Uint8Array(1000));
    await read(stream, new Uint8Array(1000));
  });
  const { failed } = world.connect(world.dialer(ID));
  const error = await world.clock.until(failed);
  assert(error instanceof TtunError);
  assert.equal(error.kind, "protocol");
  assert.match(error.message, /it comes at the wrong time/);
});
