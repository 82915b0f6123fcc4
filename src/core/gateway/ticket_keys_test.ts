import assert from "node:assert/strict";
import { TICKET_KEY_MS, TICKET_NAME, ticketKeys } from "./ticket_keys.ts";

const SECRET = new Uint8Array(32).fill(1);
const NOW = 1_800_000_000_000 - 1_800_000_000_000 % TICKET_KEY_MS;

const keys = (ticket: Uint8Array | null, at = NOW, name = "shop", secret = SECRET) =>
  ticketKeys(secret, name, ticket, at);
const nameOf = (of: Uint8Array) => of.slice(0, TICKET_NAME);

Deno.test("keys change with time, name and secret, and are the same at all nodes", () => {
  const now = keys(null);
  assert.equal(now.length, 80);
  assert.deepEqual(keys(null, NOW + TICKET_KEY_MS - 1), now);
  const others = [
    keys(null, NOW + TICKET_KEY_MS),
    keys(null, NOW, "blog"),
    keys(null, NOW, "shop", new Uint8Array(32).fill(2)),
  ];
  for (const other of others) {
    for (const [from, to] of [[0, 16], [16, 48], [48, 80]]) {
      assert.notDeepEqual(other.slice(from, to), now.slice(from, to));
    }
  }
});

Deno.test("a ticket is opened by the keys that it was sealed with, while it is worth anything", () => {
  const now = keys(null);
  const ticket = nameOf(now);
  assert.deepEqual(keys(ticket, NOW + TICKET_KEY_MS), now);
  assert.deepEqual(keys(ticket, NOW - 1), now); // another node's clock was ahead
  const late = NOW + 2 * TICKET_KEY_MS;
  assert.deepEqual(keys(ticket, late), keys(null, late));
  assert.deepEqual(keys(ticket, NOW, "blog"), keys(null, NOW, "blog"));
  assert.deepEqual(keys(new Uint8Array(16)), now);
});
