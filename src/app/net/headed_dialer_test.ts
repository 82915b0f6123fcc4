import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import type { Addr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { dial } from "./dial_events.ts";
import { HeadedDialer } from "./headed_dialer.ts";

const { signal } = new AbortController();

async function headerFor(visitor: Addr, to: Addr, connection?: Partial<Connection>) {
  const [near, far] = memoryPair();
  const inner: Dialer = {
    start: (_to, _o, events) => events.connected(Object.assign(near, connection)),
  };
  const stream = await dial(new HeadedDialer(inner, 1, visitor), to, { signal });
  await stream[Symbol.asyncDispose]();
  return new TextDecoder().decode(readNowAll(far).bytes);
}

Deno.test("a service is told who its visitor is before anything else", async () => {
  const visitor = { host: "192.0.2.1", port: 4000 };
  const header = await headerFor(visitor, { host: "10.0.0.1", port: 80 });
  assert.equal(header, "PROXY TCP4 192.0.2.1 10.0.0.1 4000 80\r\n");
  const local = await headerFor(visitor, { path: "/run/app.sock" });
  assert.equal(local, "PROXY TCP4 192.0.2.1 0.0.0.0 4000 0\r\n");
  const zone = await headerFor({ host: "fe80::1%eth0", port: 1 }, {
    host: "fe80::2%eth0",
    port: 2,
  });
  assert.equal(zone, "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
  const unknown = await headerFor({ path: "" }, { host: "localhost", port: 80 });
  assert.equal(unknown, "PROXY UNKNOWN\r\n");
});

Deno.test("a connection that takes no header is none", async () => {
  const full = { writeNow: () => 5 };
  const dialled = headerFor({ path: "" }, { host: "10.0.0.1", port: 80 }, full);
  await assert.rejects(dialled, /Cannot tell the service/);
});
