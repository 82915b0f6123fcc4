import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp } from "../../base/addr.ts";
import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { fromHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import {
  formatTicket,
  MOST_CANDIDATES,
  parseTicket,
  type Ticket,
  ticketMeeting,
  ticketPsk,
} from "./ticket.ts";
import { ticketName } from "./ticket_text.ts";

/** Worked out by another program: Python's hashlib.blake2s and base64. */
const KNOWN: Ticket = {
  key: fromHex("000102030405060708090a0b0c0d0e0f"),
  candidates: [{ host: "192.0.2.7", port: 54312 }, { host: "2001:db8::1", port: 443 }],
  expires: 1_790_000_000,
  meets: true,
};

function refusal(text: string): string {
  try {
    parseTicket(text);
  } catch (error) {
    assert(error instanceof TtunError && error.kind === "usage", String(error));
    const isRepeated = text.length > 12 && error.message.includes(text.slice(-12));
    assert(!isRepeated, error.message);
    return error.message;
  }
  assert.fail(`${text} was not refused`);
}

Deno.test("a known ticket is written and read, with its scheme or not", () => {
  const text = "peer:AbVPosgBarE7gAABAgMEBQYHCAkKCwwNDg8CBMAAAgfUKAYgAQ24AAAAAAAAAAAAAAABAbs";
  assert.equal(formatTicket(KNOWN), text);
  for (const written of [text, text.slice(5), `PEER:${text.slice(5)}`, ` ${text}\n`]) {
    assert.deepEqual(parseTicket(written), KNOWN);
  }
  assert.equal(ticketName(text), `${text.slice(0, 11)}…`);
  assert.deepEqual(ticketPsk(KNOWN.key), utf8("AAECAwQFBgcICQoLDA0ODw"));
  assert.deepEqual(ticketMeeting(KNOWN.key), fromHex("3af92e1d4ecd15193b51cd21fd174f36"));
});

const ticket = fc.record({
  key: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  candidates: fc.array(
    fc.record({
      host: fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
      ).map(formatIp).filter((host) => !host.startsWith("::ffff:")),
      port: fc.integer({ min: 0, max: 65_535 }),
    }, { noNullPrototype: true }),
    { maxLength: MOST_CANDIDATES },
  ),
  expires: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  meets: fc.boolean(),
}, { noNullPrototype: true });

Deno.test("what was written is read", () => {
  fc.assert(fc.property(ticket, (one) => assert.deepEqual(parseTicket(formatTicket(one)), one)));
});

Deno.test("every changed bit and every cut is noticed, and nothing of the ticket is repeated", () => {
  const bytes = decodeBase64Url(formatTicket(KNOWN).slice(5))!;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    refusal(encodeBase64Url(changed));
  }
  for (let size = 0; size < bytes.length; size++) refusal(encodeBase64Url(bytes.slice(0, size)));
  refusal(encodeBase64Url(new Uint8Array([...bytes, 0])));
  assert.match(refusal(encodeBase64Url(Uint8Array.of(2, ...bytes.slice(1)))), /another version/);
  assert.match(refusal("x".repeat(4000)), /too long/);
});

Deno.test("nothing that is no ticket is read as one", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseTicket(text);
    } catch (error) {
      assert(error instanceof TtunError && error.kind === "usage", String(error));
    }
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    refusal(`peer:${encodeBase64Url(Uint8Array.of(1, ...bytes))}____________`);
  }));
});
