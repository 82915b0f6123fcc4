import assert from "node:assert/strict";
import { CountedCiphers } from "../../../../tests/fake/ciphers.ts";
import { frameOf, handshakeKeys, textsIn, toSend } from "../../../../tests/fake/v1_session.ts";
import { concat } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { CIPHER_NAMES } from "../../../contract/cipher.ts";
import {
  HELLO_SIZE,
  PROOF_SIZE,
  type Session,
  V1ClientHandshake,
  V1ServerHandshake,
} from "./handshake.ts";

const protocol = { name: "TtunError", kind: "protocol" };
const auth = { name: "TtunError", kind: "auth" };
const internal = { name: "TtunError", kind: "internal" };

type Keys = Parameters<typeof handshakeKeys>[0];
const clientOf = (o: Keys = {}) => new V1ClientHandshake(handshakeKeys({ seed: 1, ...o }));
const serverOf = (o: Keys = {}) => new V1ServerHandshake(handshakeKeys({ seed: 2, ...o }));

/** Messages of both ends in an undisturbed handshake. */
function conversation(o: Keys = {}) {
  using client = clientOf(o);
  using server = serverOf(o);
  const clientNonce = client.hello();
  const serverNonce = toSend(server.feed(clientNonce));
  const clientProof = toSend(client.feed(serverNonce));
  server.feed(clientProof);
  const { proof: serverProof, session } = server.accept();
  session[Symbol.dispose]();
  return { clientNonce, serverNonce, clientProof, serverProof };
}

function doneOf(client: V1ClientHandshake, bytes: Uint8Array): Session {
  const done = client.feed(bytes).find((step) => step.kind === "done");
  assert.ok(done !== undefined);
  return done.session;
}

for (const cipher of CIPHER_NAMES) {
  Deno.test(`client and server come to one session, ${cipher}, and talk both ways`, () => {
    using client = clientOf({ cipher });
    using server = serverOf({ cipher });
    const hello = server.feed(client.hello());
    assert.deepEqual(hello.map(({ kind }) => kind), ["send"]);
    const proof = client.feed(toSend(hello));
    assert.deepEqual(proof.map(({ kind }) => kind), ["send"]);
    assert.deepEqual(server.feed(toSend(proof)), [{ kind: "authenticated" }]);
    const let_in = server.accept();
    using a = doneOf(client, let_in.proof);
    using b = let_in.session;
    for (let i = 0; i < 3; i++) {
      const text = Uint8Array.of(i);
      assert.deepEqual(textsIn(b.opener, frameOf(a.sealer, text)), [`0${i}`]);
      assert.deepEqual(textsIn(a.opener, frameOf(b.sealer, text)), [`0${i}`]);
    }
  });
}

Deno.test("each end opens a handshake with exactly 16 bytes, and the proof is 26", () => {
  const c = conversation();
  const lengths = [c.clientNonce, c.serverNonce, c.clientProof, c.serverProof].map((m) => m.length);
  assert.deepEqual(lengths, [HELLO_SIZE, HELLO_SIZE, PROOF_SIZE, PROOF_SIZE]);
  assert.deepEqual([HELLO_SIZE, PROOF_SIZE], [16, 26]);
});

Deno.test("a server shows its proof only to who has proved the key, and only when it lets him in", () => {
  const { clientNonce, serverNonce, clientProof } = conversation();
  using server = serverOf();
  assert.deepEqual(toSend(server.feed(clientNonce)), serverNonce);
  assert.equal(toSend(server.feed(clientProof)).length, 0);
});

Deno.test("accept() before the client has proved the key is refused, and costs no counter", () => {
  const { clientNonce, clientProof, serverProof } = conversation();
  using server = serverOf();
  assert.throws(() => server.accept(), internal);
  server.feed(clientNonce);
  assert.throws(() => server.accept(), internal);
  server.feed(clientProof.subarray(0, 25));
  assert.throws(() => server.accept(), internal);
  server.feed(clientProof.subarray(25));
  const { proof, session } = server.accept();
  using _session = session;
  assert.deepEqual(proof, serverProof);
});

Deno.test("accept() twice, after a refusal or after dispose is refused", () => {
  const { clientNonce, clientProof } = conversation();
  using twice = serverOf();
  twice.feed(clientNonce);
  twice.feed(clientProof);
  using _session = twice.accept().session;
  assert.throws(() => twice.accept(), internal);
  using refused = serverOf();
  refused.feed(clientNonce);
  assert.throws(() => refused.feed(new Uint8Array(26)), protocol);
  assert.throws(() => refused.accept(), internal);
  const disposed = serverOf();
  disposed.feed(clientNonce);
  disposed.feed(clientProof);
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.accept(), internal);
});

Deno.test("feed() after the end, a refusal or dispose is refused", () => {
  const { serverNonce, serverProof } = conversation();
  using done = clientOf();
  done.feed(serverNonce);
  using _session = doneOf(done, serverProof);
  assert.throws(() => done.feed(serverProof), protocol);
  using refused = clientOf();
  refused.feed(serverNonce);
  assert.throws(() => refused.feed(new Uint8Array(2)), protocol);
  assert.throws(() => refused.feed(serverProof), protocol);
  const disposed = clientOf();
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.feed(serverNonce), protocol);
});

Deno.test("what comes behind the proof is kept for the session, at both ends", () => {
  using client = clientOf();
  using server = serverOf();
  const proof = toSend(client.feed(toSend(server.feed(client.hello()))));
  assert.equal(server.feed(concat(proof, Uint8Array.of(1, 2))).length, 1);
  const accepted = server.accept();
  using b = accepted.session;
  assert.deepEqual(b.rest, Uint8Array.of(1, 2));
  const frames = concat(frameOf(b.sealer, Uint8Array.of(7)), Uint8Array.of(0));
  const chunk = concat(accepted.proof, frames);
  using a = doneOf(client, chunk);
  chunk.fill(0); // the chunk was lent; what is kept is a copy
  assert.deepEqual(a.rest, frames);
  assert.deepEqual(textsIn(a.opener, a.rest.subarray(0, -1)), ["07"]);
});

Deno.test("a wrong key is refused as such, by the server and by the client", () => {
  using server = serverOf({ psk: "other" });
  const { clientNonce, clientProof, serverNonce, serverProof } = conversation();
  server.feed(clientNonce);
  assert.throws(() => server.feed(clientProof), auth);
  using client = clientOf({ psk: "other" });
  client.feed(serverNonce);
  assert.throws(() => client.feed(serverProof), /wrong key or cipher/);
});

Deno.test("the other cipher is refused like a wrong key", () => {
  const { clientNonce, clientProof, serverNonce, serverProof } = conversation();
  using server = serverOf({ cipher: "aes-256-gcm" });
  server.feed(clientNonce);
  assert.throws(() => server.feed(clientProof), auth);
  using client = clientOf({ cipher: "aes-256-gcm" });
  client.feed(serverNonce);
  assert.throws(() => client.feed(serverProof), auth);
});

Deno.test("the right key with other words than the magic is refused", () => {
  const wrong = [0, 7].map((at) => {
    const words = Uint8Array.from([0x54, 0x54, 0x55, 0x4e, 0x2f, 0x76, 0x31, 0x00]);
    words[at]! ^= 1;
    return words;
  });
  for (const words of wrong) {
    using server = serverOf();
    using client = clientOf({
      makeCipher: (name, key) => saying(words, handshakeKeys(), name, key),
    });
    const proof = toSend(client.feed(toSend(server.feed(client.hello()))));
    assert.throws(() => server.feed(proof), auth);
  }
});

/** A cipher that seals `words` whatever it is given. */
function saying(
  words: Uint8Array,
  { makeCipher }: ReturnType<typeof handshakeKeys>,
  ...[name, key]: Parameters<ReturnType<typeof handshakeKeys>["makeCipher"]>
) {
  const inner = makeCipher(name, key);
  const seal: typeof inner.seal = (nonce, aad, buf, start, end, tagAt) => {
    buf.set(words, start);
    inner.seal(nonce, aad, buf, start, end, tagAt);
  };
  return {
    tagSize: inner.tagSize,
    seal,
    open: inner.open.bind(inner),
    [Symbol.dispose]: () => inner[Symbol.dispose](),
  };
}

Deno.test("any bit flipped on the way to the server is refused", () => {
  const { clientNonce, clientProof } = conversation();
  const whole = concat(clientNonce, clientProof);
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    using server = serverOf();
    const damaged = whole.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const inLength = bit >> 3 === HELLO_SIZE || bit >> 3 === HELLO_SIZE + 1;
    assert.throws(() => server.feed(damaged), inLength ? protocol : auth, `bit ${bit}`);
  }
  using server = serverOf();
  assert.deepEqual(server.feed(whole).map(({ kind }) => kind), ["send", "authenticated"]);
});

Deno.test("any bit flipped on the way to the client is refused", () => {
  const { serverNonce, serverProof } = conversation();
  const whole = concat(serverNonce, serverProof);
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    using client = clientOf();
    const damaged = whole.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const inLength = bit >> 3 === HELLO_SIZE || bit >> 3 === HELLO_SIZE + 1;
    assert.throws(() => client.feed(damaged), inLength ? protocol : auth, `bit ${bit}`);
  }
  using client = clientOf();
  using _session = doneOf(client, whole);
});

Deno.test("a first frame of any other length is refused at its second byte", () => {
  const { clientNonce, serverNonce } = conversation();
  for (const n of [...Array(100).keys(), 256 + 24, 24 << 8, 1280, 32768, 65535]) {
    if (n === 24) continue;
    const header = Uint8Array.of(n >> 8, n & 0xff);
    for (const [end, nonce] of [[serverOf(), clientNonce], [clientOf(), serverNonce]] as const) {
      end.feed(nonce);
      assert.deepEqual(end.feed(header.subarray(0, 1)), []);
      assert.throws(() => end.feed(header.subarray(1)), protocol, `n = ${n}`);
    }
  }
});

Deno.test("a server that sends the client's own bytes back is refused", () => {
  using client = clientOf();
  const proof = toSend(client.feed(client.hello()));
  assert.throws(() => client.feed(proof), auth);
});

Deno.test("a client that sends the server's own bytes back is refused", () => {
  const { serverNonce, serverProof } = conversation();
  using server = serverOf();
  server.feed(serverNonce);
  assert.throws(() => server.feed(serverProof), auth);
});

Deno.test("proofs of an earlier handshake are refused in another one", () => {
  const earlier = conversation();
  using server = serverOf({ seed: 3 });
  server.feed(earlier.clientNonce);
  assert.throws(() => server.feed(earlier.clientProof), auth);
  using client = clientOf({ seed: 4 });
  client.feed(earlier.serverNonce);
  assert.throws(() => client.feed(earlier.serverProof), auth);
});

Deno.test("every cipher that is made is disposed of, whatever the handshake comes to", () => {
  const ciphers = new CountedCiphers();
  const makeCipher = ciphers.factory;
  const { clientNonce, clientProof, serverNonce, serverProof } = conversation();
  const ends: Record<string, () => void> = {
    "nothing came": () => clientOf({ makeCipher })[Symbol.dispose](),
    "only the nonce came": () => {
      using server = serverOf({ makeCipher });
      server.feed(clientNonce);
    },
    "wrong key": () => {
      using server = serverOf({ makeCipher, psk: "other" });
      server.feed(concat(clientNonce, clientProof));
    },
    "impossible length": () => {
      using client = clientOf({ makeCipher });
      client.feed(concat(serverNonce, Uint8Array.of(0, 0)));
    },
    "proved, but not let in": () => {
      using server = serverOf({ makeCipher });
      server.feed(concat(clientNonce, clientProof));
    },
    "a session, server": () => {
      using server = serverOf({ makeCipher });
      server.feed(concat(clientNonce, clientProof));
      using _session = server.accept().session;
    },
    "a session, client": () => {
      using client = clientOf({ makeCipher });
      using _session = doneOf(client, concat(serverNonce, serverProof));
    },
  };
  for (const [name, run] of Object.entries(ends)) {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof TtunError, name);
    }
    assert.equal(ciphers.live, 0, name);
  }
  assert.equal(ciphers.made, 6);
});

Deno.test("a refusal disposes of the cipher by itself", () => {
  const ciphers = new CountedCiphers();
  const server = serverOf({ makeCipher: ciphers.factory });
  assert.throws(() => server.feed(new Uint8Array(16 + 26)), protocol);
  assert.deepEqual([ciphers.made, ciphers.live], [1, 0]);
});

Deno.test("the session outlives its handshake, and ends with its own dispose", () => {
  const ciphers = new CountedCiphers();
  const { clientNonce, clientProof } = conversation();
  const server = serverOf({ makeCipher: ciphers.factory });
  server.feed(concat(clientNonce, clientProof));
  const { session } = server.accept();
  server[Symbol.dispose]();
  assert.equal(ciphers.live, 1);
  frameOf(session.sealer, Uint8Array.of(1));
  session[Symbol.dispose]();
  assert.equal(ciphers.live, 0);
  assert.throws(() => frameOf(session.sealer, Uint8Array.of(1)), internal);
});

Deno.test("the session key does not stay in the array that ciphers are made from", () => {
  let key = new Uint8Array();
  const { makeCipher } = handshakeKeys();
  const keep = (...[name, given]: Parameters<typeof makeCipher>) =>
    makeCipher(name, key = given as typeof key);
  using server = serverOf({ makeCipher: keep });
  server.feed(new Uint8Array(16));
  assert.deepEqual(key, new Uint8Array(32));
});
