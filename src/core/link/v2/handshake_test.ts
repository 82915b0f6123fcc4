import assert from "node:assert/strict";
import { CountedCiphers } from "../../../../tests/fake/ciphers.ts";
import {
  bytesToSend,
  clientLink,
  converse,
  type EndOptions,
  firstRecord,
  NOW,
  OFFER,
  recordsIn,
  serverLink,
  SESSION_IDENTITY,
  sessionOf,
  trafficOf,
} from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, toHex } from "../../../base/bytes.ts";
import type { TtunError } from "../../../base/errors.ts";
import { CIPHER_NAMES, type CipherName } from "../../../contract/cipher.ts";
import { CloseCode, packEcho, packSetup } from "./frames.ts";
import { type LinkSession, refusal } from "./handshake.ts";
import { HELLO_SIZE } from "./hello.ts";
import { sealText, type TrafficSecrets } from "./key_schedule.ts";
import { packClientSetup } from "./setup.ts";

const protocol = { name: "TtunError", kind: "protocol" };
const auth = { name: "TtunError", kind: "auth" };
const internal = { name: "TtunError", kind: "internal" };
const ZEROS = new Uint8Array(32);

/** Both ends with flight 3 delivered: the client has proved the key, and nothing is answered. */
function proved(c: EndOptions = {}, s: EndOptions = {}) {
  const client = clientLink(c);
  const server = serverLink(client.hello(), s);
  const flight3 = bytesToSend(client.feed(server.answer()));
  server.feed(client.hello().subarray(HELLO_SIZE));
  const setup = server.feed(flight3);
  assert(setup !== null);
  return { client, server, flight3, setup };
}

function talk(near: LinkSession, far: LinkSession): void {
  for (const [from, to] of [[near, far], [far, near], [near, far]] as const) {
    const text = packEcho("ping", seededRng(from.sealer.counter)(8));
    assert.deepEqual(recordsIn(to.opener, sealText(from.sealer, text)), [toHex(text)]);
  }
}

for (const cipher of CIPHER_NAMES) {
  for (const pads of [false, true]) {
    Deno.test(`both ends come to one session, ${cipher}, ${pads ? "with" : "without"} p bytes`, () => {
      const theirs = { capabilities: 9, windows: [1, 2, 3] as const, deadTime: 4 };
      const c = { pads, padding: 200, ciphers: [cipher], binding: ZEROS };
      using all = converse(c, { padding: 1024, offer: theirs, binding: ZEROS });
      const { near, far } = all;
      assert.deepEqual([near.cipher, far.cipher], [cipher, cipher]);
      assert.deepEqual(near.resume, far.resume);
      assert.deepEqual(near.transcript, far.transcript);
      assert.notDeepEqual(near.resume, ZEROS);
      for (const [peer, offer] of [[near.peer, theirs], [far.peer, OFFER]] as const) {
        const { capabilities, windows, deadTime } = peer;
        assert.deepEqual({ capabilities, windows, deadTime }, offer);
      }
      for (const { firstFrames, rest } of [near, far]) {
        assert.equal(firstFrames.length + rest.length, 0);
      }
      assert.deepEqual([near.sealer.counter, far.sealer.counter], [1, 1]);
      talk(near, far);
      assert.equal(all.padding.length, pads ? 200 : 0);
    });
  }
}

Deno.test("the flights have the lengths that the page gives them", () => {
  using all = converse();
  assert.deepEqual([all.nc.length, all.ns.length], [16, 16]);
  const tlvs = 3 + 4 + 5 + 3;
  assert.equal(all.rs.length, 2 + 32 + tlvs + 16);
  assert.equal(all.rc.length, 2 + 32 + 3 + 16);
  using padded = converse({ padding: 1024 }, { padding: 1 });
  assert.deepEqual([padded.rs.length, padded.rc.length], [all.rs.length + 1, all.rc.length + 1024]);
});

Deno.test("a server shows nothing and lets nobody in before the client's setup has opened", () => {
  using all = converse({ pads: true, padding: 5 });
  const flight1 = concat(all.nc, all.padding);
  using server = serverLink(flight1);
  const bytes = concat(all.padding, all.rc, all.setup);
  for (let i = 0; i < bytes.length; i++) {
    assert.throws(() => server.accept({}), internal, `after ${i} bytes`);
    assert.throws(() => server.refuse(2, ""), internal);
    assert.throws(() => server.traffic, internal);
    const setup = server.feed(bytes.subarray(i, i + 1));
    assert.equal(setup !== null, i === bytes.length - 1);
  }
  assert.deepEqual(server.traffic.transcript, all.near.transcript);
  using session = server.accept({}).session;
  talk(all.near, session);
});

Deno.test("where both ends know their costs, the cipher is that whose slower end is fastest", () => {
  const costs = (chacha: number, aes: number) => ({
    costs: { "chacha20-poly1305": chacha, "aes-256-gcm": aes },
  });
  using fast = converse(costs(11, 4), costs(12, 5));
  assert.deepEqual([fast.near.cipher, fast.far.cipher], ["aes-256-gcm", "aes-256-gcm"]);
  assert.deepEqual([fast.near.cipherReason, fast.far.cipherReason], ["speed", null]);
  talk(fast.near, fast.far);
  using small = converse(costs(30, 200), costs(12, 5));
  assert.equal(small.near.cipher, "chacha20-poly1305");
  using named = converse({ costs: null, ciphers: ["chacha20-poly1305"] }, costs(12, 5));
  assert.deepEqual([named.near.cipher, named.near.cipherReason], ["chacha20-poly1305", "named"]);
  using closed = converse(costs(30, 200), { costs: null, ciphers: ["aes-256-gcm"] });
  assert.deepEqual([closed.near.cipher, closed.near.cipherReason], ["aes-256-gcm", "order"]);
});

Deno.test("the server's order decides the cipher, among those that both accept", () => {
  const taken = (c: CipherName[], s: CipherName[]) => {
    using all = converse({ ciphers: c }, { ciphers: s });
    assert.equal(all.near.cipher, all.far.cipher);
    talk(all.near, all.far);
    return all.near.cipher;
  };
  const [chacha, aes] = CIPHER_NAMES as [CipherName, CipherName];
  assert.equal(taken([chacha, aes], [aes, chacha]), aes);
  assert.equal(taken([aes, chacha], [chacha, aes]), chacha);
  assert.equal(taken([chacha], [aes, chacha]), chacha);
  assert.equal(taken([chacha, aes], [aes]), aes);
});

Deno.test("without a cipher in common the client ends with words, and sends nothing", () => {
  for (const [c, s] of [[["aes-256-gcm"], ["chacha20-poly1305"]], [CIPHER_NAMES, []]] as const) {
    const ciphers = new CountedCiphers();
    using client = clientLink({ ciphers: c, makeCipher: ciphers.factory });
    using server = serverLink(client.hello(), { ciphers: s });
    const ending = { ...protocol, message: /no cipher/ };
    assert.throws(() => client.feed(server.answer()), ending);
    assert.equal(ciphers.live, 0);
  }
});

Deno.test("ends that saw different certificates do not come together, and say what that may mean", () => {
  const [a, b] = [seededRng(1)(32), seededRng(2)(32)];
  const none = new Uint8Array();
  for (const [near, far] of [[a, b], [a, none], [none, b]] as const) {
    using client = clientLink({ binding: near });
    using server = serverLink(client.hello(), { binding: far });
    const flight3 = bytesToSend(client.feed(server.answer()));
    // The length of the setup is a random number there: it is refused, or its bytes do not open.
    const behind = concat(flight3, new Uint8Array(4096));
    assert.throws(() => server.feed(behind), { ...auth, message: /in the middle/ });
    // Nor does the client take what a server of the other connection says.
    using other = converse({ binding: far }, { binding: far });
    const answer = concat(other.serverSetup, new Uint8Array(4096));
    assert.throws(() => client.feed(answer), { ...auth, message: /in the middle/ });
  }
  using same = converse({ binding: a }, { binding: a.slice() });
  talk(same.near, same.far);
});

Deno.test("16 bytes that are no answer of version 2 are given back, with all behind them", () => {
  using client = clientLink();
  const bytes = seededRng(9)(40);
  assert.deepEqual(client.feed(bytes.subarray(0, 15)), []);
  assert.deepEqual(client.feed(bytes.subarray(15)), [
    { kind: "stranger", nonce: bytes.subarray(0, 16), rest: bytes.subarray(16) },
  ]);
});

Deno.test("what stands behind a setup, in its record and after it, is handed on", () => {
  const ping = packEcho("ping", seededRng(1)(8));
  const more = seededRng(2)(9);
  using all = converse();
  const traffic = trafficOf(all);
  using server = serverLink(all.nc);
  const setup = packSetup(packClientSetup({ ...OFFER, ...SESSION_IDENTITY }));
  const record = firstRecord(traffic.client, concat(setup, ping));
  assert.notEqual(server.feed(concat(all.rc, record, more)), null);
  using far = server.accept({}).session;
  assert.deepEqual([far.firstFrames, far.rest], [ping, more]);
  using client = clientLink();
  client.feed(concat(all.ns, all.rs));
  const answer = firstRecord(traffic.server, concat(packSetup(new Uint8Array()), ping));
  using near = sessionOf(client.feed(concat(answer, more)));
  assert.deepEqual([near.firstFrames, near.rest], [ping, more]);
});

const KINDS = ["lost", "protocol", "busy", "auth", "busy", "lost", "lost", "lost", "lost"];
for (const [code, kind] of KINDS.entries()) {
  Deno.test(`a refusal with code ${code} is "${kind}" at the client, in the server's words`, () => {
    const ciphers = new CountedCiphers();
    const { client, server } = proved(
      { makeCipher: ciphers.factory },
      { makeCipher: ciphers.factory },
    );
    const bytes = server.refuse(code, "so\x1b it is");
    assert.throws(() => client.feed(bytes), { kind, message: /so it is/ });
    assert.equal(ciphers.live, 0);
  });
}

Deno.test("a refusal without words tells its code", () => {
  assert.match((refusal(CloseCode.busy, "") as TtunError).message, /code 2/);
});

Deno.test("a handshake ends once: accept or refuse, and nothing after either", () => {
  for (const end of ["accept", "refuse", "dispose"]) {
    const { server, client } = proved();
    using _client = client;
    if (end === "accept") server.accept({}).session[Symbol.dispose]();
    else if (end === "refuse") server.refuse(2, "");
    else server[Symbol.dispose]();
    assert.throws(() => server.accept({}), internal, end);
    assert.throws(() => server.refuse(2, ""), internal, end);
    assert.throws(() => server.traffic, internal, end);
    assert.throws(() => server.feed(new Uint8Array(1)), protocol, end);
  }
});

Deno.test("a client that is done, refused or disposed of takes nothing more", () => {
  using all = converse();
  const flight2 = concat(all.ns, all.rs);
  using done = clientLink();
  done.feed(flight2);
  using _session = sessionOf(done.feed(all.serverSetup));
  assert.throws(() => done.feed(all.serverSetup), protocol);
  using stranger = clientLink();
  assert.equal(stranger.feed(ZEROS)[0]?.kind, "stranger");
  assert.throws(() => stranger.feed(flight2), protocol, "no second hello");
  using refused = clientLink();
  assert.throws(() => refused.feed(concat(all.ns, new Uint8Array(5000))), protocol);
  assert.throws(() => refused.feed(all.rs), protocol);
  const disposed = clientLink();
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.feed(flight2), protocol);
});

Deno.test("an accept that does not fit in a record changes nothing: there may still be a refusal", () => {
  const { client, server } = proved();
  const tooMuch = { addresses: new Uint8Array(70_000) };
  assert.throws(() => server.accept(tooMuch), protocol);
  const bytes = server.refuse(5, "later");
  assert.throws(() => client.feed(bytes), { kind: "lost", message: /later/ });
});

Deno.test("the first secrets of a session are overwritten as soon as its keys are made", () => {
  const { server, client } = proved();
  using _client = client;
  const traffic = server.traffic as TrafficSecrets;
  assert.deepEqual([traffic.client, traffic.server], [ZEROS, ZEROS]);
  assert.notDeepEqual(traffic.resume, ZEROS);
  const { session } = server.accept({});
  assert.equal(session.resume, traffic.resume, "this one the session keeps");
  assert.notDeepEqual(session.resume, ZEROS);
  session[Symbol.dispose]();
  assert.deepEqual(session.resume, ZEROS);
  const other = proved();
  using _other = other.client;
  const { resume } = other.server.traffic;
  other.server.refuse(2, "");
  assert.deepEqual(resume, ZEROS);
});

Deno.test("a client whose clock is far off hears by how much, and goes no further", () => {
  for (const [ms, words] of [[600_000, /600 s ahead of/], [-180_000, /180 s behind/]] as const) {
    using client = clientLink();
    using server = serverLink(client.hello(), { unixMs: NOW + ms });
    assert.throws(() => client.feed(server.answer()), { kind: "clock", message: words });
    assert.throws(() => client.feed(server.answer()), protocol);
  }
});
