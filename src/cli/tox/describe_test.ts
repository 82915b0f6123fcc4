import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeToxNode } from "../../../tests/fake/tox_node.ts";
import { SessionList } from "../../core/status/session_list.ts";
import { ToxLink } from "../../io/tox/tox_link.ts";
import { ToxFriends } from "./describe.ts";

Deno.test("friends are counted by their ways, and those that are tuntox are sessions", async () => {
  const [clock, sessions, node] = [new FakeClock(), new SessionList(), new FakeToxNode()];
  const friends = new ToxFriends(sessions, clock);
  const open = (peer: string, number: number, way: "udp" | "tcp") => {
    const link = new ToxLink(node, peer);
    link.up(number, way);
    return link;
  };
  const [one, other] = [open("tox:A", 0, "udp"), open("tox:B", 1, "tcp")];
  let isTtun = false;
  using _first = friends.add(one, () => null, () => false);
  const second = friends.add(other, () => null, () => isTtun);
  one.send(Uint8Array.of(162, 1, 2));
  await clock.advance(5000);
  const told = () => friends.describe("ID", "udp");
  assert.deepEqual(told(), { id: "ID", network: "udp", friends: { udp: 1, relay: 1 } });
  assert.deepEqual(sessions.describe().map(({ peer, wire }) => `${peer} ${wire}`), [
    ...["tox:A tuntox", "tox:B tuntox"],
  ]);
  const [session] = sessions.describe();
  assert.deepEqual([session!.seconds, session!.sentBytes, session!.receivedBytes], [5, 3, 0]);
  assert.deepEqual(session!.carriers, [{ number: 1, peer: "udp" }]);

  isTtun = true; // its sessions are listed by themselves
  assert.equal(told().friends.relay, 1);
  assert.deepEqual(sessions.describe().map(({ peer }) => peer), ["tox:A"]);
  second[Symbol.dispose]();
  assert.deepEqual([told().friends.relay, friends.count], [0, 1]);
});
