import assert from "node:assert/strict";
import { TunWorld } from "../../../tests/fake/tun_programs.ts";
import { parseCidr, parseIp } from "../../base/addr.ts";
import { NOTHING_PUSHED, type PushedSettings } from "../../core/link/v2/pushed.ts";

const PUSHED: PushedSettings = {
  routes: Array.from({ length: 64 }, (_, i) => parseCidr(`fd00:${i}::/32`)),
  nameServers: ["10.1.1.1", "fc11::1"].map((text) => parseIp(text)!),
};

async function sessionsOf(wire: "v1" | "v2", pushed?: PushedSettings): Promise<unknown[]> {
  await using world = new TunWorld();
  const seen: unknown[] = [];
  const server = world.server({ wire, pushed });
  world.client({
    wire,
    takeAddresses: (_addresses, { pushed }) => void seen.push(pushed),
    sessionEnded: () => void seen.push("ended"),
  });
  await world.clock.settle();
  await server.stop();
  await world.clock.advance(100);
  return seen;
}

Deno.test("a client of version 2 gets what the server pushes, and is told when the session ends", async () => {
  assert.deepEqual(await sessionsOf("v2", PUSHED), [PUSHED, "ended"]);
  assert.deepEqual(await sessionsOf("v2"), [NOTHING_PUSHED, "ended"]);
});

Deno.test("under version 1 nothing is pushed", async () => {
  assert.deepEqual(await sessionsOf("v1", PUSHED), [NOTHING_PUSHED, "ended"]);
});
