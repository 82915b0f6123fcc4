import assert from "node:assert/strict";
import {
  DIALS,
  idOf,
  LISTENS,
  MeetingWorld,
  PORT,
  v6Of,
} from "../../../tests/fake/meeting_world.ts";
import { joinMeeting } from "../meet/meet.ts";
import { meetingIdOfNumber } from "../../core/meet/meeting_id.ts";

const ID = idOf("a ticket's");

for (const asDialer of [false, true]) {
  const how = asDialer ? ", as a plain dialer" : "";
  Deno.test(`two ends that name one meeting connect${how}`, async () => {
    await using world = new MeetingWorld();
    world.listen({ id: ID });
    const { outbound } = world.connect(world.dialer(ID), { asDialer });
    await world.exchange(outbound);
    assert(!world.lines().some((line) => /relay/.test(line)));
  });
}

Deno.test("the end that listens connects where the other cannot", async () => {
  await using world = new MeetingWorld({ passes: (from) => from === LISTENS });
  void world.listen({ id: ID });
  await world.exchange(world.connect(world.dialer(ID)).outbound);
});

Deno.test("a meeting has a number if the end that listens wants one", async () => {
  await using world = new MeetingWorld();
  const numbers: number[] = [];
  void world.listen({ onMeeting: (number) => numbers.push(number) });
  await world.clock.settle();
  assert.deepEqual(numbers, [1]);
  await world.exchange(world.connect(world.dialer(meetingIdOfNumber(1))).outbound);
});

Deno.test("the end that dials may be there first", async () => {
  await using world = new MeetingWorld();
  const { outbound } = world.connect(world.dialer(ID));
  await world.clock.advance(5000);
  void world.listen({ id: ID });
  await world.exchange(outbound);
});

Deno.test("without a direct way bytes go through the server where it permits that", async () => {
  await using world = new MeetingWorld({ passes: () => false, relayBytes: 1 << 20 });
  void world.listen({ id: ID });
  const { outbound } = world.connect(world.dialer(ID));
  const ms = await world.exchange(outbound);
  assert(ms > 2000 && ms < 2500, `both NATs change ports: one try is enough; ${ms} ms`);
  assert.equal(world.relayed(), 1);
  const lines = world.lines().join("\n");
  assert.match(lines, /warn no direct connection: it goes through the relay .*via\.example/);
  assert.match(lines, /info relaying between two clients/);
  assert(await world.exchange(outbound, 4 << 20) >= 6000, "the relay keeps to its rate");
});

Deno.test("a relayed session goes on directly once there is a way, and nothing is lost meanwhile", async () => {
  let isOpen = false;
  await using world = new MeetingWorld({ passes: () => isOpen, relayBytes: 64 << 10 });
  void world.listen({ id: ID });
  const { outbound } = world.connect(world.dialer(ID));
  await world.exchange(outbound);
  await world.clock.advance(100_000);
  assert.equal(world.relayed(), 1, "its tries are in vain, and take nothing away");
  isOpen = true;
  await world.exchange(outbound, 10 << 20);
  assert.match(world.lines().join("\n"), /info a direct connection takes the relay's place/);
  await world.clock.advance(20_000);
  assert.equal(world.relayed(), 0);
  assert(await world.exchange(outbound, 4 << 20) < 1000, "no relay limits it any more");
});

Deno.test("without a relay the failure says so, and what would help", async () => {
  await using world = new MeetingWorld({ passes: () => false });
  void world.listen({ id: ID });
  const { failed } = world.connect(world.dialer(ID));
  const error = await world.clock.until(failed);
  assert.equal(world.relayed(), undefined);
  assert.match(`${error}`, /NATs change ports.*--permit-relay at via\.example/);
});

Deno.test("nobody at the meeting: the deadline ends it", async () => {
  await using world = new MeetingWorld();
  const { failed } = world.connect(world.dialer(ID, { deadlineMs: 5000 }));
  const error = await world.clock.until(failed);
  assert.match(`${error}`, /within 5 s: is it there, and does it meet at via\.example too/);
  assert.equal(world.clock.now(), 5000);
});

Deno.test("an end that listens serves one after the other", async () => {
  await using world = new MeetingWorld({ passes: (_, to) => to.host !== DIALS, relayBytes: 1e6 });
  void world.listen({ id: ID });
  const dialer = world.dialer(ID);
  await world.exchange(world.connect(dialer).outbound);
  await world.exchange(world.connect(dialer).outbound);
});

Deno.test("a server that restarts has the end that listens again, at the same meeting", async () => {
  await using world = new MeetingWorld();
  const numbers: number[] = [];
  void world.listen({ onMeeting: (number) => numbers.push(number) });
  await world.clock.advance(1000);
  world.stopVia();
  await world.clock.advance(1000);
  world.startVia();
  await world.clock.advance(10_000);
  await world.exchange(world.connect(world.dialer(meetingIdOfNumber(1))).outbound);
  assert.deepEqual(numbers, [1]);
  assert.match(world.lines().join("\n"), /warn .*"retry_in_seconds":/);
});

Deno.test("an end that listens is there for hours, without a word", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  await world.clock.advance(3 * 3_600_000 + 1000);
  await world.exchange(world.connect(world.dialer(ID)).outbound);
  assert(!world.lines().some((line) => line.startsWith("warn")), world.lines().join("\n"));
});

Deno.test("a server that cannot be reached at the beginning is the end", async () => {
  await using world = new MeetingWorld();
  world.stopVia();
  await world.clock.settle();
  const refused = /Cannot connect to 192\.0\.2\.1:20203: refused/;
  assert.match(`${await world.clock.until(world.listen({ id: ID }))}`, refused);
  const { failed } = world.connect(world.dialer(ID));
  assert.match(`${await world.clock.until(failed)}`, refused);
});

Deno.test("an end that goes on without the server is at the meeting once that is there", async () => {
  await using world = new MeetingWorld();
  world.stopVia();
  await world.clock.settle();
  let absent = 0;
  const onAbsent = () => void absent++;
  void world.listen({ id: ID, onAbsent });
  await world.clock.advance(20_000);
  assert(absent > 2, `${absent} times`);
  assert.match(world.lines().join("\n"), /warn .*refused.*"retry_in_seconds":/);
  const known = [{ host: LISTENS, port: PORT }];
  await world.exchange(world.connect(world.dialer(ID, { known })).outbound);
  world.startVia();
  await world.clock.advance(40_000);
  await world.exchange(world.connect(world.dialer(ID)).outbound);
  assert.match(world.lines().join("\n"), /debug at the server where both ends meet/);
});

Deno.test("without the server the addresses that are known are tried, and it is said", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  await world.clock.advance(100);
  world.stopVia();
  await world.clock.settle();
  const known = [{ host: "192.0.2.77", port: PORT }, { host: LISTENS, port: PORT }];
  await world.exchange(world.connect(world.dialer(ID, { known })).outbound);
  assert.match(
    world.lines().join("\n"),
    /warn the server where both ends meet is not there.*refused/,
  );
});

Deno.test("a silent server keeps nobody from the known addresses for long", async () => {
  await using world = new MeetingWorld();
  void world.listen({ id: ID });
  await world.clock.advance(100);
  world.net.cable("192.0.2.1").pull();
  const began = world.clock.now();
  const known = [{ host: LISTENS, port: PORT }];
  await world.exchange(world.connect(world.dialer(ID, { known })).outbound);
  assert(world.clock.now() - began < 4000, `${world.clock.now() - began} ms`);
});

Deno.test("a server that answers late has both begin at once all the same", async () => {
  await using world = new MeetingWorld({ passes: (from) => from === LISTENS });
  void world.listen({ id: ID });
  await world.clock.advance(100);
  const cable = world.net.cable("192.0.2.1");
  cable.pull();
  const known = [{ host: LISTENS, port: PORT }];
  const { outbound } = world.connect(world.dialer(ID, { known }));
  await world.clock.advance(4000);
  cable.plug();
  await world.exchange(outbound);
});

Deno.test("neither server nor known addresses: both are told", async () => {
  await using world = new MeetingWorld();
  world.stopVia();
  await world.clock.settle();
  const known = [{ host: LISTENS, port: PORT }];
  const { failed } = world.connect(world.dialer(ID, { known }));
  const error = await world.clock.until(failed);
  assert.match(
    `${error}`,
    /192\.0\.2\.1:20203: refused; and nothing answers at .*192\.0\.2\.2:7000/,
  );
});

Deno.test("an end that stops in the middle of anything leaves nothing behind", async () => {
  for (const relayBytes of [undefined, 1e6]) {
    for (const ms of [0, 1, 15, 30, 500, 2100, 5000, 6050, 6100, 7000, 20_000]) {
      await using world = new MeetingWorld({
        passes: () => false,
        ...(relayBytes && { relayBytes }),
      });
      void world.listen({ id: ID });
      void world.connect(world.dialer(ID));
      await world.clock.advance(ms);
    }
  }
});

Deno.test("an end that stops while it does without the server leaves nothing behind", async () => {
  const known = [{ host: LISTENS, port: PORT }, { host: "192.0.2.77", port: PORT }];
  for (const isSilent of [true, false]) {
    for (const ms of [0, 1, 500, 2999, 3001, 4000, 9000, 10_050, 12_000]) {
      await using world = new MeetingWorld({ passes: () => ms % 2 === 0 });
      if (isSilent) world.net.cable("192.0.2.1").pull();
      else world.stopVia();
      void world.connect(world.dialer(ID, { known }));
      await world.clock.advance(ms);
    }
  }
});

Deno.test("an end tells where it may be reached by either family of IP", async () => {
  await using world = new MeetingWorld({ hasBoth: true });
  void world.listen({ id: ID });
  const { clock, signal } = world;
  const join = { side: "dials", id: ID, end: new Uint8Array(16), clock, signal } as const;
  const meeting = await clock.until(joinMeeting(world.openVia("192.0.2.66"), join));
  await meeting.ready({ keepsPort: true, candidates: [] });
  const news = await clock.until(meeting.news());
  assert(news.kind === "signal");
  const found = news.peer.candidates.map(({ host, port }) =>
    `${host} ${port === PORT ? "its own port" : "as the server sees it"}`
  );
  assert.deepEqual(found, [
    `${LISTENS} as the server sees it`,
    `${v6Of(LISTENS)} as the server sees it`,
    `${LISTENS} its own port`,
    `${v6Of(LISTENS)} its own port`,
  ]);
});

Deno.test("a server whose other family is silent costs two seconds, and no more", async () => {
  await using world = new MeetingWorld({ hasBoth: true });
  world.net.cable("2620:fe::1").pull();
  void world.listen({ id: ID });
  await world.clock.advance(2100);
  const began = world.clock.now();
  await world.exchange(world.connect(world.dialer(ID)).outbound);
  assert(world.clock.now() - began < 2500, `${world.clock.now() - began} ms`);
});
