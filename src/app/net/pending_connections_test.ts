import assert from "node:assert/strict";
import { DEFAULT_PENDING, PendingConnections } from "./pending_connections.ts";

/** Adds a connection whose name comes to `dropped` when it is pushed out. */
function world(limits?: { total: number; perAddress: number }) {
  const pending = limits === undefined ? new PendingConnections() : new PendingConnections(limits);
  const dropped: string[] = [];
  const add = (name: string, host: string) =>
    pending.add({ host, port: 1 }, () => dropped.push(name));
  return { pending, dropped, add };
}

Deno.test("below the limits nobody is dropped", () => {
  const { pending, dropped, add } = world({ total: 3, perAddress: 2 });
  add("a", "192.0.2.1");
  add("b", "192.0.2.1");
  add("c", "192.0.2.2");
  assert.deepEqual([dropped, pending.size, pending.dropped], [[], 3, 0]);
});

Deno.test("over the limit of an address its own oldest connection goes, not another's", () => {
  const { pending, dropped, add } = world({ total: 10, perAddress: 2 });
  add("other", "192.0.2.2");
  add("a", "192.0.2.1");
  add("b", "192.0.2.1");
  add("c", "192.0.2.1");
  add("d", "192.0.2.1");
  assert.deepEqual(dropped, ["a", "b"]);
  assert.deepEqual([pending.size, pending.dropped], [3, 2]);
});

Deno.test("over the limit of all the oldest of all goes", () => {
  const { pending, dropped, add } = world({ total: 3, perAddress: 2 });
  for (let i = 1; i <= 5; i++) add(`${i}`, `192.0.2.${i}`);
  assert.deepEqual(dropped, ["1", "2"]);
  assert.equal(pending.size, 3);
});

Deno.test("one connection is dropped for one that comes, also where both limits are met", () => {
  const { pending, dropped, add } = world({ total: 2, perAddress: 2 });
  add("a", "192.0.2.1");
  add("b", "192.0.2.1");
  add("c", "192.0.2.1");
  assert.deepEqual([dropped, pending.size], [["a"], 2]);
});

Deno.test("a connection that is done with makes room, once, however often it says so", () => {
  const { pending, dropped, add } = world({ total: 2, perAddress: 2 });
  const a = add("a", "192.0.2.1");
  add("b", "192.0.2.1");
  a[Symbol.dispose]();
  a[Symbol.dispose]();
  assert.equal(pending.size, 1);
  add("c", "192.0.2.1");
  assert.deepEqual(dropped, []);
  add("d", "192.0.2.1");
  assert.deepEqual(dropped, ["b"]);
});

Deno.test("one that was dropped and then ends takes nobody else's room", () => {
  const { pending, dropped, add } = world({ total: 9, perAddress: 1 });
  const a = add("a", "192.0.2.1");
  add("b", "192.0.2.1");
  a[Symbol.dispose]();
  assert.deepEqual([dropped, pending.size], [["a"], 1]);
  add("c", "192.0.2.1");
  assert.deepEqual([dropped, pending.size], [["a", "b"], 1]);
});

Deno.test("dropOldest() drops the oldest there is, and without any nothing", () => {
  const { pending, dropped, add } = world();
  pending.dropOldest();
  assert.equal(pending.dropped, 0);
  add("a", "192.0.2.1");
  add("b", "192.0.2.2");
  pending.dropOldest();
  assert.deepEqual([dropped, pending.size, pending.dropped], [["a"], 1, 1]);
});

Deno.test("the addresses of one IPv6 /64 count together, those of another do not", () => {
  const { dropped, add } = world({ total: 9, perAddress: 2 });
  add("a", "2001:db8::1");
  add("b", "2001:db8:0:0:ffff::2");
  add("other", "2001:db8:0:1::1");
  add("c", "2001:DB8::3");
  assert.deepEqual(dropped, ["a"]);
});

Deno.test("IPv4 addresses of one network do not count together", () => {
  const { dropped, add } = world({ total: 9, perAddress: 1 });
  add("a", "192.0.2.1");
  add("b", "192.0.2.2");
  assert.deepEqual(dropped, []);
});

Deno.test("unix sockets count by their path", () => {
  const pending = new PendingConnections({ total: 9, perAddress: 1 });
  const dropped: string[] = [];
  for (const path of ["/a", "/b", "/a"]) pending.add({ path }, () => dropped.push(path));
  assert.deepEqual(dropped, ["/a"]);
});

Deno.test("as it is by default, no one address can take all the room", () => {
  assert.deepEqual(DEFAULT_PENDING, { total: 2048, perAddress: 512 });
  const { pending, dropped, add } = world();
  for (let i = 0; i < 3000; i++) add(`${i}`, "192.0.2.1");
  assert.equal(pending.size, 512);
  assert.deepEqual([dropped[0], dropped.at(-1), dropped.length], ["0", "2487", 2488]);
});

Deno.test("strangers of few addresses, however many they open, push out no other address's connection", () => {
  const { dropped, add } = world({ total: 2048, perAddress: 512 });
  add("client", "192.0.2.99");
  for (let i = 0; i < 50_000; i++) add(`stranger ${i}`, `198.51.100.${i % 8}`);
  assert.equal(dropped.includes("client"), false);
  assert.ok(dropped.length > 47_000);
});
