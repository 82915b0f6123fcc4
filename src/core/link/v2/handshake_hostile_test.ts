import assert from "node:assert/strict";
import {
  clientLink,
  type Conversation,
  converse,
  firstRecord,
  flips,
  lengthOf,
  OFFER,
  recordsIn,
  SECRET,
  serverLink,
  SESSION_IDENTITY,
  trafficOf,
} from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, fromHex, toHex } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { packClose, packEcho, packRekey, packSetup } from "./frames.ts";
import { handshakeSecrets, sealHandshake, sealText } from "./key_schedule.ts";
import { packClientKeyMessage, packClientSetup } from "./setup.ts";
import { packTlv } from "./tlv.ts";

/** Enough behind whatever is sent for the longest record that a wrong length may ask for. */
const BEHIND = new Uint8Array(4200);
const PADS = { pads: true, padding: 5 };
const SETUP = packSetup(packClientSetup({ ...OFFER, ...SESSION_IDENTITY }));

/** Outcome of such bytes at the server: its interpretation, or its refusal. */
function atServer(all: Pick<Conversation, "nc" | "padding">, ...bytes: Uint8Array[]): string {
  using server = serverLink(concat(all.nc, all.padding));
  return outcome(() => server.feed(concat(...bytes)) === null ? "waits" : "accepted");
}

function atClient(o: Parameters<typeof clientLink>[0], ...bytes: Uint8Array[]): string {
  using client = clientLink(o);
  return outcome(() => {
    const steps = client.feed(concat(...bytes));
    for (const step of steps) if (step.kind === "done") step.session[Symbol.dispose]();
    return steps.map(({ kind }) => kind).join(", ") || "waits";
  });
}

function outcome(run: () => string): string {
  try {
    return run();
  } catch (error) {
    assert(error instanceof TtunError, String(error));
    if (error.message.includes("in the middle")) return "in the middle";
    if (error.message.includes("wrong key or damaged")) return "damaged";
    return error.kind;
  }
}

Deno.test("every flipped bit of what a client sends is refused where it is read", () => {
  using all = converse(PADS, { padding: 3 });
  const { padding, rc, setup } = all;
  const refused = (...bytes: Uint8Array[]) => {
    using server = serverLink(concat(all.nc, padding), { padding: 3 });
    return outcome(() => server.feed(concat(...bytes, BEHIND)) === null ? "waits" : "accepted");
  };
  assert.equal(refused(padding, rc, setup), "accepted");
  for (const { bytes, bit } of flips(padding)) {
    assert.equal(refused(bytes, rc, setup), "in the middle", `bit ${bit} of the p bytes`);
  }
  for (const { bytes, bit } of flips(rc)) {
    assert.equal(refused(padding, bytes, setup), "damaged", `bit ${bit} of Rc`);
  }
  for (const { bytes, bit } of flips(setup)) {
    assert.equal(refused(padding, rc, bytes), "in the middle", `bit ${bit} of the setup`);
  }
});

Deno.test("every flipped bit of what a server sends is refused where it is read", () => {
  using all = converse(PADS, { padding: 3 });
  const { ns, rs, serverSetup } = all;
  assert.equal(atClient(PADS, ns, rs, serverSetup, BEHIND), "send, done");
  for (const { bytes, bit } of flips(ns)) {
    assert.equal(atClient(PADS, bytes, rs), "stranger", `bit ${bit} of Ns`);
  }
  for (const { bytes, bit } of flips(rs)) {
    assert.equal(atClient(PADS, ns, bytes, BEHIND), "damaged", `bit ${bit} of Rs`);
  }
  for (const { bytes, bit } of flips(serverSetup)) {
    const found = atClient(PADS, ns, rs, bytes, BEHIND);
    assert.equal(found, "in the middle", `bit ${bit} of the setup`);
  }
});

Deno.test("what is cut off anywhere is waited for, and never taken for whole", () => {
  using all = converse(PADS);
  const up = concat(all.padding, all.rc, all.setup);
  for (let size = 0; size <= up.length; size++) {
    const found = atServer(all, up.subarray(0, size));
    assert.equal(found, size < up.length ? "waits" : "accepted", `${size} bytes`);
  }
  const flight2 = concat(all.ns, all.rs);
  const down = concat(flight2, all.serverSetup);
  for (let size = 0; size <= down.length; size++) {
    const found = atClient(PADS, down.subarray(0, size));
    const waited = size < flight2.length ? "waits" : "send";
    assert.equal(found, size < down.length ? waited : "send, done", `${size} bytes`);
  }
});

Deno.test("an end that hears itself takes nothing of it", () => {
  using all = converse();
  const { nc, ns, rs, rc, setup, serverSetup } = all;
  assert.equal(atClient({}, nc, rc, setup), "stranger");
  assert.equal(atClient({}, ns, rc, BEHIND), "damaged");
  assert.equal(atClient({}, ns, rs, setup, BEHIND), "in the middle");
  assert.equal(atServer(all, ns, rs, BEHIND), "damaged");
  assert.equal(atServer(all, rs, BEHIND), "damaged");
  assert.equal(atServer(all, rc, serverSetup, BEHIND), "in the middle");
  const { near, far } = all;
  const ping = packEcho("ping", seededRng(1)(8));
  for (const { sealer, opener } of [near, far]) {
    const own = concat(sealText(sealer, ping), new Uint8Array(70_000));
    assert.throws(() => recordsIn(opener, own), { kind: "protocol" });
  }
});

Deno.test("parts of one handshake are of no use in another", () => {
  using a = converse();
  using b = converse({ seed: 11 }, { seed: 12 });
  using c = converse({}, { seed: 12 }); // a's client, answered by another server
  assert.equal(atServer(a, b.rc, b.setup, BEHIND), "damaged");
  assert.equal(atServer(a, a.rc, b.setup, BEHIND), "in the middle");
  assert.equal(atServer(a, c.rc, c.setup, BEHIND), "damaged", "a replay of flight 1, then of 3");
  assert.equal(atServer(a, a.rc, c.setup, BEHIND), "in the middle");
  assert.equal(atServer(a, a.setup, a.rc, BEHIND), "damaged", "in another order");
  assert.equal(atServer(a, a.rc, a.rc, a.setup, BEHIND), "in the middle", "Rc twice");
  assert.equal(atClient({}, b.ns, b.rs), "stranger");
  assert.equal(atClient({}, a.ns, b.rs, BEHIND), "damaged");
  assert.equal(atClient({}, a.ns, c.rs, BEHIND), "damaged");
  assert.equal(atClient({}, a.ns, a.rs, c.serverSetup, BEHIND), "in the middle");
  assert.equal(atClient({}, a.ns, a.rs, a.rs, a.serverSetup, BEHIND), "in the middle", "Rs twice");
  assert.equal(atClient({}, a.ns, a.ns, a.rs, BEHIND), "damaged", "Ns twice");
});

Deno.test("a session's first record is a setup, and nothing else will do", () => {
  using all = converse();
  const traffic = trafficOf(all);
  const server = (text: Uint8Array) => atServer(all, all.rc, firstRecord(traffic.client, text));
  const client = (text: Uint8Array) =>
    atClient({}, all.ns, all.rs, firstRecord(traffic.server, text));
  const ping = packEcho("ping", new Uint8Array(8));
  const empty = packSetup(new Uint8Array());
  assert.equal(server(SETUP), "accepted");
  assert.equal(client(empty), "send, done");
  for (const before of [fromHex("00"), ping, fromHex("010145"), packRekey(), fromHex("07")]) {
    assert.equal(server(concat(before, SETUP)), "protocol", toHex(before));
    assert.equal(client(concat(before, empty)), "protocol", toHex(before));
  }
  for (const cut of [SETUP.subarray(0, 1), SETUP.subarray(0, -1), fromHex("06ffffffffffffffff")]) {
    assert.equal(server(cut), "protocol");
    assert.equal(client(cut), "protocol");
  }
  assert.equal(server(empty), "protocol");
  assert.equal(server(packClose(0, "bye")), "protocol");
  assert.equal(client(packClose(2, "full")), "busy");
  assert.equal(client(packSetup(packTlv(5, new Uint8Array(16)))), "protocol");
  for (const skipped of [fromHex("8000"), fromHex("ff0101")]) {
    assert.equal(server(concat(skipped, SETUP)), "accepted");
    assert.equal(client(concat(skipped, empty)), "send, done");
  }
  assert.equal(server(concat(SETUP, fromHex("07"))), "accepted", "what is behind is read later");
});

Deno.test("a handshake record has an n of 17 to 4096, and a message in it", () => {
  using all = converse();
  const { client, server } = handshakeSecrets(SECRET, all.nc, all.ns);
  const key = packClientKeyMessage({
    publicKey: new Uint8Array(32).fill(9),
    cipher: "aes-256-gcm",
  });
  const rc = (text: Uint8Array, padding = 0) =>
    sealHandshake(client, text, padding, makePureCipher);
  const fill = 4096 - 16 - key.length;
  assert.equal(atServer(all, rc(key, fill)), "waits", "for the setup");
  assert.equal(atServer(all, rc(key, fill).subarray(0, -1)), "waits", "for Rc");
  assert.equal(
    atServer(all, rc(key, fill + 1).subarray(0, 2)),
    "damaged",
    "before memory is taken",
  );
  for (
    const text of [
      key.subarray(0, 1),
      key.subarray(0, 31),
      key.subarray(0, 32),
      key.subarray(0, 34),
    ]
  ) {
    assert.equal(atServer(all, rc(text)), "protocol", `${text.length} bytes`);
  }
  assert.equal(atServer(all, rc(key.subarray(0, 32), 100)), "protocol", "no cipher is taken");
  for (const n of [0, 1, 16, 4097, 65_535]) {
    assert.equal(atServer(all, lengthOf(client, n)), "damaged", `n = ${n}`);
    assert.equal(atClient({}, all.ns, lengthOf(server, n)), "damaged", `n = ${n}`);
  }
  for (const n of [17, 4096]) {
    for (const [size, found] of [[n + 1, "waits"], [n + 2, "damaged"]] as const) {
      const up = concat(lengthOf(client, n), BEHIND).subarray(0, size);
      const down = concat(lengthOf(server, n), BEHIND).subarray(0, size);
      assert.equal(atServer(all, up), found, `${size} bytes`);
      assert.equal(atClient({}, all.ns, down), found, `${size} bytes`);
    }
  }
});

Deno.test("the record of a setup has an n of 17 to 4096 too", () => {
  using all = converse();
  const traffic = trafficOf(all);
  const fill = 4096 - 16 - SETUP.length;
  const padded = (more: number) => concat(SETUP, new Uint8Array(fill + more));
  assert.equal(atServer(all, all.rc, firstRecord(traffic.client, padded(0))), "accepted");
  const long = firstRecord(traffic.client, padded(1));
  assert.equal(atServer(all, all.rc, long.subarray(0, 2)), "in the middle");
  for (const n of [0, 16, 4097, 65_535]) {
    assert.equal(atServer(all, all.rc, lengthOf(traffic.client, n)), "in the middle");
    assert.equal(atClient({}, all.ns, all.rs, lengthOf(traffic.server, n)), "in the middle");
  }
});

Deno.test("whoever has no key makes neither end hold more than 4.3 KiB, whatever he sends", () => {
  using all = converse({ pads: true, padding: 255 });
  const worst = { server: 0, client: 0, setup: 0 };
  for (let seed = 0; seed < 300; seed++) {
    const garbage = seededRng(seed)(5000);
    const until = (feed: (chunk: Uint8Array) => unknown): number => {
      for (let i = 0; i < garbage.length; i += 10) {
        if (outcome(() => (feed(garbage.subarray(i, i + 10)), "waits")) !== "waits") return i + 10;
      }
      return Infinity;
    };
    using server = serverLink(all.nc);
    worst.server = Math.max(worst.server, until((chunk) => server.feed(chunk)));
    using client = clientLink({ pads: true, padding: 255 });
    client.feed(all.ns);
    worst.client = Math.max(worst.client, until((chunk) => client.feed(chunk)));
    using later = serverLink(all.nc);
    later.feed(concat(all.padding, all.rc));
    worst.setup = Math.max(worst.setup, until((chunk) => later.feed(chunk)));
  }
  assert(worst.server <= 255 + 4098 + 10, `${worst.server}`);
  assert(worst.client <= 4098 + 10 && worst.setup <= 4098 + 10, JSON.stringify(worst));
  assert(worst.server > 1000 && worst.client > 1000, "some were waited for");
});

Deno.test("of wrong setups 15 in 16 are refused at their length: few are waited for", () => {
  let waits = 0;
  using all = converse();
  for (let seed = 0; seed < 400; seed++) {
    if (atServer(all, all.rc, seededRng(seed)(2)) === "waits") waits++;
  }
  assert(waits < 50, `${waits} of 400`);
});
