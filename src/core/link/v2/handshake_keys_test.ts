import assert from "node:assert/strict";
import { CountedCiphers } from "../../../../tests/fake/ciphers.ts";
import {
  bytesToSend,
  clientLink,
  type Conversation,
  converse,
  type EndOptions,
  firstRecord,
  SECRET,
  serverLink,
  SESSION_IDENTITY,
  sessionOf,
  trafficOf,
} from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, fromHex } from "../../../base/bytes.ts";
import type { CipherFactory } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { packSetup } from "./frames.ts";
import type { ServerHandshake } from "./server_handshake.ts";
import { handshakeSecrets, resumeProof, sealHandshake, trafficSecrets } from "./key_schedule.ts";
import type { KeyExchange } from "./secrets.ts";
import {
  type ClientSetup,
  packClientKeyMessage,
  packServerKeyMessage,
  packServerSetup,
  type ServerSetup,
} from "./setup.ts";

const protocol = { name: "TtunError", kind: "protocol" };
const auth = { name: "TtunError", kind: "auth" };
const notAKey = { ...auth, message: /public key/ };
const ZEROS = new Uint8Array(32);

/** Points of low order on Curve25519 and its twist, and other spellings of them. */
const LOW_ORDER = [
  "00".repeat(32),
  "01" + "00".repeat(31),
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ec" + "ff".repeat(30) + "7f",
  "ed" + "ff".repeat(30) + "7f",
  "ee" + "ff".repeat(30) + "7f",
  "00".repeat(31) + "80",
  "ec" + "ff".repeat(31),
];

Deno.test("a public key of low order is refused by either end", () => {
  using all = converse();
  const { client, server } = handshakeSecrets(SECRET, all.nc, all.ns);
  for (const hex of LOW_ORDER) {
    const publicKey = fromHex(hex);
    const rc = packClientKeyMessage({ publicKey, cipher: "aes-256-gcm" });
    using far = serverLink(all.nc);
    assert.throws(() => far.feed(sealHandshake(client, rc, 0, makePureCipher)), notAKey, hex);
    const rs = packServerKeyMessage({
      publicKey,
      ciphers: ["aes-256-gcm"],
      capabilities: 1,
      windows: [0, 0, 0],
      deadTime: 15,
    });
    using near = clientLink();
    const flight2 = concat(all.ns, sealHandshake(server, rs, 0, makePureCipher));
    assert.throws(() => near.feed(flight2), notAKey, hex);
  }
});

Deno.test("a key exchange that comes to nothing but zeros is refused, and leaves nothing open", () => {
  const publicKey = seededRng(1)(32);
  const zeros: KeyExchange = { newKeyPair: () => ({ publicKey, shared: () => ZEROS.slice() }) };
  const ciphers = new CountedCiphers();
  using client = clientLink({ keyExchange: zeros, makeCipher: ciphers.factory });
  using server = serverLink(client.hello());
  assert.throws(() => client.feed(server.answer()), notAKey);
  using honest = clientLink();
  using other = serverLink(honest.hello(), { keyExchange: zeros, makeCipher: ciphers.factory });
  const flight3 = bytesToSend(honest.feed(other.answer()));
  assert.throws(() => other.feed(flight3), notAKey);
  assert.throws(() => other.accept({}), { kind: "internal" });
  assert.equal(ciphers.live, 0);
});

Deno.test("what the key exchange gave, and HK, are overwritten", () => {
  const given: Uint8Array[] = [];
  const publicKey = seededRng(1)(32);
  const watched: KeyExchange = {
    newKeyPair: () => ({
      publicKey,
      shared: () => {
        given.push(seededRng(2)(32));
        return given.at(-1)!;
      },
    }),
  };
  using _all = converse({ keyExchange: watched }, { keyExchange: watched });
  assert.deepEqual(given, [ZEROS, ZEROS]);
  const secrets = handshakeSecrets(SECRET, publicKey.subarray(16), publicKey.subarray(16));
  const empty = new Uint8Array();
  trafficSecrets(secrets, seededRng(2)(32), empty, empty, empty, empty, empty);
  assert.deepEqual(secrets.hk, ZEROS);
});

Deno.test("every input of the transcript counts, and where one ends and the next begins", () => {
  const inputs = [1, 2, 3, 4, 5].map((seed) => seededRng(seed)(20));
  const found = new Set<string>();
  const add = ([b, hello, ns, rs, rc]: Uint8Array[], z = 9) => {
    const secrets = handshakeSecrets(SECRET, new Uint8Array(16), new Uint8Array(16));
    const t = trafficSecrets(secrets, seededRng(z)(32), b!, hello!, ns!, rs!, rc!);
    for (const secret of [t.client, t.server, t.resume]) found.add(secret.join());
  };
  add(inputs);
  add(inputs, 10);
  for (let i = 0; i < 5; i++) {
    add(inputs.with(i, seededRng(50 + i)(20)));
    if (i === 4) break;
    const joined = concat(inputs[i]!, inputs[i + 1]!);
    add(inputs.with(i, joined.subarray(0, 19)).with(i + 1, joined.subarray(19)));
  }
  assert.equal(found.size, 3 * 11);
});

Deno.test("a cipher that was not offered cannot be taken", () => {
  using all = converse();
  const { client } = handshakeSecrets(SECRET, all.nc, all.ns);
  const publicKey = seededRng(1)(32);
  const rc = packClientKeyMessage({ publicKey, cipher: "aes-256-gcm" });
  const ciphers = new CountedCiphers();
  using server = serverLink(all.nc, {
    ciphers: ["chacha20-poly1305"],
    makeCipher: ciphers.factory,
  });
  // Another list makes another Rs, but Ns, and with it the handshake's secret, is the same.
  assert.throws(
    () => server.feed(sealHandshake(client, rc, 0, makePureCipher)),
    { ...protocol, message: /not offered/ },
  );
  assert.equal(ciphers.live, 0);
});

const RS = seededRng(20)(32);
const LATER: EndOptions = {
  sessionIdentity: { ...SESSION_IDENTITY, carrier: 2 },
  resume: { secret: RS, expected: 7 },
};
const answerWith = (secret: Uint8Array) => (server: ServerHandshake): ServerSetup => ({
  resume: { expected: 5, proof: resumeProof(secret, "s", server.traffic.transcript) },
});

Deno.test("a client comes back to its session when both ends know its secret", () => {
  let seen: ClientSetup | null = null;
  const secret = RS.slice();
  const c = { ...LATER, resume: { secret, expected: 7 } };
  using client = clientLink(c);
  using server = serverLink(client.hello());
  secret.fill(0); // the machine has its own copy
  seen = server.feed(bytesToSend(client.feed(server.answer())));
  const { transcript } = server.traffic;
  assert.deepEqual(seen?.resume, { expected: 7, proof: resumeProof(RS, "c", transcript) });
  assert.equal(seen?.carrier, 2);
  const [done] = client.feed(server.accept(answerWith(RS)(server)).bytes);
  assert(done?.kind === "done");
  assert.deepEqual(done.setup.resume, { expected: 5, proof: resumeProof(RS, "s", transcript) });
  done.session[Symbol.dispose]();
});

Deno.test("a client goes on with no server that does not know its session's secret", () => {
  const wrong: Record<string, (server: ServerHandshake) => ServerSetup> = {
    "another secret": answerWith(ZEROS),
    "the client's own proof": ({ traffic: { transcript } }) => ({
      resume: { expected: 5, proof: resumeProof(RS, "c", transcript) },
    }),
    "the proof of another handshake": () => ({
      resume: { expected: 5, proof: resumeProof(RS, "s", ZEROS) },
    }),
    "no proof": () => ({}),
  };
  for (const [name, answer] of Object.entries(wrong)) {
    const kind = name === "no proof" ? protocol : auth;
    assert.throws(() => converse(LATER, {}, answer), kind, name);
  }
  for (let bit = 0; bit < 128; bit++) {
    assert.throws(
      () =>
        converse(LATER, {}, (server) => {
          const { resume } = answerWith(RS)(server);
          resume!.proof[bit >>> 3]! ^= 1 << (bit & 7);
          return { resume: resume! };
        }),
      auth,
      `bit ${bit} of the proof`,
    );
  }
  assert.throws(
    () => converse({}, {}, answerWith(RS)),
    protocol,
    "an answer that nobody asked for",
  );
});

Deno.test("proofs differ with the end, the session and the handshake", () => {
  const one = resumeProof(RS, "c", ZEROS);
  assert.equal(one.length, 16);
  for (
    const other of [
      resumeProof(RS, "s", ZEROS),
      resumeProof(ZEROS, "c", ZEROS),
      resumeProof(RS, "c", RS),
    ]
  ) assert.notDeepEqual(other, one);
});

/** Runs both ends up to the setups with bytes that `change` may spoil; nothing may stay open. */
function run(makeCipher: CipherFactory, change: (flight: number, bytes: Uint8Array) => Uint8Array) {
  using client = clientLink({ makeCipher });
  using server = serverLink(client.hello(), { makeCipher });
  const flight3 = bytesToSend(client.feed(change(2, server.answer())));
  if (server.feed(change(3, flight3)) === null) return;
  const { bytes, session } = server.accept({});
  using _far = session;
  using _near = sessionOf(client.feed(change(4, bytes)));
}

Deno.test("every cipher is disposed of, wherever a handshake breaks off", () => {
  const ciphers = new CountedCiphers();
  const ends: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    "is right": (bytes) => bytes,
    "is cut": (bytes) => bytes.subarray(0, bytes.length - 1),
    "is damaged": (bytes) => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1),
    "has more behind it": (bytes) => concat(bytes, new Uint8Array(4200)),
  };
  for (const [name, end] of Object.entries(ends)) {
    for (const flight of [2, 3, 4]) {
      try {
        run(ciphers.factory, (i, bytes) => i === flight ? end(bytes) : bytes);
      } catch {
        // Only what stays open counts here.
      }
      assert.equal(ciphers.live, 0, `flight ${flight} ${name}`);
    }
  }
});

Deno.test("every cipher is disposed of, whichever of them cannot be made", () => {
  const ciphers = new CountedCiphers();
  run(ciphers.factory, (_, bytes) => bytes);
  const needed = ciphers.made;
  assert(needed >= 8);
  for (let last = 0; last < needed; last++) {
    let made = 0;
    const failing: CipherFactory = (name, key) => {
      if (made++ === last) throw new Error("no memory");
      return ciphers.factory(name, key);
    };
    assert.throws(() => run(failing, (_, bytes) => bytes), { message: "no memory" });
    assert.equal(ciphers.live, 0, `cipher ${last}`);
  }
});

Deno.test("a setup that opens but does not read ends the client's handshake and its ciphers", () => {
  const ciphers = new CountedCiphers();
  using all: Conversation = converse();
  const resume = { expected: 1, proof: new Uint8Array(16) };
  const text = packSetup(packServerSetup({ resume }));
  const client = clientLink({ makeCipher: ciphers.factory });
  client.feed(concat(all.ns, all.rs));
  assert.throws(() => client.feed(firstRecord(trafficOf(all).server, text)), protocol);
  assert.equal(ciphers.live, 0);
});
