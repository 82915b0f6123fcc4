import assert from "node:assert/strict";
import { MeetingWorld } from "../../../tests/fake/meeting_world.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { FinalError, TtunError, UnreachableError } from "../../base/errors.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { refusal } from "../../core/link/v2/handshake.ts";
import type { Meeting, Reach } from "../net/reach.ts";
import { openLinkClient } from "./link_client.ts";
import { endsWithTicket, type ReachedServer } from "./ticket_server.ts";

const UNTIL = 600_000;
const HOUR = 3_600_000;

const PATIENT = { giveUpMs: null, clock: { now: () => 0 } };

/** A server whose attempts end by turns as `ends` says; null = it lets the client in. */
function serverOf(ends: (TtunError | null)[]): ReachedServer {
  const reach: Reach = <T>() => {
    const end = ends.shift()!;
    return end === null ? Promise.resolve(null as T) : Promise.reject(end);
  };
  const start = () => assert.fail("nobody dials it");
  return { name: "peer:AbVPos…", dialer: { start }, reach };
}

function attempt(signal = new AbortController().signal): Meeting<null> {
  return { signal, isLeaving: false, meet: () => Promise.resolve(null), discard: () => {} };
}

async function failure(server: ReachedServer): Promise<TtunError> {
  return await server.reach(attempt()).then(() => assert.fail("it is reached"), (error) => error);
}

Deno.test("attempts with a ticket are final from the end of its time on", async () => {
  let now = 0;
  const gone = () => new UnreachableError("host", "Cannot reach the peer");
  const inner = serverOf([gone(), gone()]);
  const server = endsWithTicket(inner, { untilMs: UNTIL, wallClock: () => now, ...PATIENT });
  assert(!(await failure(server) instanceof FinalError));
  now = UNTIL;
  const last = await failure(server);
  assert(last instanceof FinalError);
  assert.equal(last.kind, "unreachable");
  assert.match(last.message, /^Cannot reach the peer\. The time of peer:AbVPos… is over: ask for/);
});

Deno.test("a ticket that another has come with is told at once", async () => {
  const used = refusal(CloseCode.notAllowed, "this ticket has been used already");
  const server = endsWithTicket(serverOf([used]), {
    untilMs: UNTIL,
    wallClock: () => 0,
    ...PATIENT,
  });
  const error = await failure(server);
  assert(error instanceof FinalError);
  assert.equal(error.kind, "auth");
  assert.match(error.message, /used already/);
});

Deno.test("whoever was let in comes again after the ticket's time", async () => {
  const inner = serverOf([null, new TtunError("lost", "gone")]);
  const server = endsWithTicket(inner, { untilMs: UNTIL, wallClock: () => UNTIL + 1, ...PATIENT });
  await server.reach(attempt());
  assert(!(await failure(server) instanceof FinalError));
});

Deno.test("a client that may try for ever ends when its ticket's time does", async () => {
  await using world = new MeetingWorld();
  const { clock, kept: { log }, signal } = world;
  const inner = serverOf(Array.from({ length: 100 }, () => new TtunError("timeout", "silent")));
  using stack = new DisposableStack();
  const client = openLinkClient({
    ...{ clock, log, signal, keepMs: 60_000, retries: Infinity, endsWithSession: false },
    server: endsWithTicket(inner, { untilMs: UNTIL, wallClock: () => clock.now(), ...PATIENT }),
    dialer: world.net.dialer("192.0.2.9"),
    resolver: { resolve: () => Promise.resolve([]) },
    secrets: world.secrets("ticket"),
    instance: seededRng(1)(16),
  }, stack);
  const error = await clock.until(client.run(signal).catch((error) => error));
  assert.equal(`${error}`, "TtunError: silent. The time of peer:AbVPos… is over: ask for another");
  assert(clock.now() >= UNTIL && clock.now() < UNTIL + 60_000, `${clock.now()}`);
});

Deno.test("whoever was in gives up an hour after the server was there last, and not before", async () => {
  const gone = () => new UnreachableError("host", "Cannot reach the peer");
  const clock = { now: () => now };
  let now = 1_000_000;
  const inner = serverOf([null, gone(), gone(), null, gone(), gone(), gone(), null]);
  const server = endsWithTicket(inner, {
    ...{ untilMs: 0, wallClock: () => 1 },
    giveUpMs: HOUR,
    clock,
  });
  await server.reach(attempt());
  now += 5 * HOUR; // connected all the time
  assert(!(await failure(server) instanceof FinalError));
  now += HOUR - 1;
  assert(!(await failure(server) instanceof FinalError));
  await server.reach(attempt());
  now += HOUR;
  assert(!(await failure(server) instanceof FinalError));
  now += HOUR - 1;
  assert(!(await failure(server) instanceof FinalError));
  now += 1;
  const last = await failure(server);
  assert(last instanceof FinalError);
  assert.equal(last.kind, "unreachable");
  assert.match(last.message, /^Cannot reach the peer\. .* has not been there for 60 minutes: /);
});
