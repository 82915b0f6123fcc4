import assert from "node:assert/strict";
import { concat, fromHex, toHex } from "../../../base/bytes.ts";
import type { CipherName } from "../../../contract/cipher.ts";
import vectors from "../../../../tests/vector/link-v2.json" with { type: "json" };
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { packClose } from "./frames.ts";
import { ServerHandshake } from "./server_handshake.ts";
import { ClientHandshake } from "./client_handshake.ts";
import type { ClientIdentity } from "./identity.ts";
import type { HandshakeConfig, LinkSession } from "./handshake.ts";
import { readClientHello, readServerHello, timeUnits } from "./hello.ts";
import { resumeProof, sealText } from "./key_schedule.ts";
import { RECORD_HEADER, RECORD_TAG, type RecordOpener, RecordSealer } from "./record.ts";
import { fixedKey } from "../../../../tests/fake/fixed_key.ts";
import { derive } from "./secrets.ts";
import type { ClientSetup, Offer } from "./setup.ts";

/** Known answers of tests/tools/link_vectors.py, which was written from docs/wire/link-v2.md alone. */
type Case = (typeof vectors.cases)[number];

const CIPHERS: Record<number, CipherName> = { 1: "chacha20-poly1305", 2: "aes-256-gcm" };

function offerOf(o: Case["client_offer"]): Offer {
  return {
    capabilities: o.capabilities,
    windows: [o.first_stream_window, o.first_total_window, o.streams],
    deadTime: o.dead_time,
  };
}

/** Gives the bytes of a list, each when that many are asked for. */
function scripted(...answers: Uint8Array[]) {
  return (length: number) => {
    const next = answers.shift();
    assert.equal(next?.length, length, "randomness is drawn in the order of the flights");
    return next!;
  };
}

/** Four bytes from which a number below a small limit is drawn. */
function drawn(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

function party(c: Case, side: "client" | "server", rng: HandshakeConfig["rng"]): HandshakeConfig {
  return {
    s: fromHex(c.S),
    makeCipher: makePureCipher,
    keyExchange: fixedKey(side === "client" ? c.client_private : c.server_private),
    rng,
    binding: fromHex(c.binding),
    offer: offerOf(side === "client" ? c.client_offer : c.server_offer),
    ciphers: side === "client" ? [CIPHERS[c.cipher]!] : c.ciphers_offered.map((n) => CIPHERS[n]!),
  };
}

function clientOf(c: Case): ClientHandshake {
  const pads = c.p > 0;
  const rng = pads
    ? scripted(drawn(c.p), fromHex(c.client_r), fromHex(c.p_bytes), drawn(c.client_padding))
    : scripted(fromHex(c.client_r), new Uint8Array(), drawn(c.client_padding));
  return new ClientHandshake(party(c, "client", rng), {
    sessionIdentity: {
      instance: fromHex(c.instance),
      session: fromHex(c.session),
      carrier: c.carrier_number,
      ...(c.identity === null ? {} : { identity: identityOf(c.identity) }),
    },
    ...(c.resume === null ? {} : {
      resume: {
        secret: fromHex(c.resume.session_resume_secret),
        expected: c.resume.client_expects,
      },
    }),
    pads,
    unixMs: () => c.client_unix_ms,
  });
}

function serverOf(c: Case): ServerHandshake {
  const rng = scripted(fromHex(c.server_r), drawn(c.server_padding));
  return new ServerHandshake(party(c, "server", rng), {
    hello: fromHex(c.client_hello),
    padding: c.p,
    unixMs: c.server_unix_ms,
  });
}

function identityOf(o: NonNullable<Case["identity"]>): ClientIdentity {
  return {
    id: o.id === "" ? null : fromHex(o.id),
    name: o.name,
    wishes: o.wishes.map(({ family, address, prefix_length }) => ({
      family: family as 4 | 6,
      bytes: fromHex(address),
      prefix: prefix_length,
    })),
  };
}

function addressesOf(c: Case): Uint8Array {
  return concat(
    ...c.addresses.map((a) =>
      concat(new Uint8Array([a.family]), fromHex(a.address), new Uint8Array([a.prefix_length]))
    ),
  );
}

function checkDirection(
  session: Pick<LinkSession, "sealer"> & { opener: RecordOpener },
  d: Case["client_to_server"],
): void {
  const sealed = (text: string) => toHex(sealText(session.sealer, fromHex(text)));
  assert.equal(sealed(d.record_1_text), d.record_1);
  assert.equal(sealed(d.record_2_text), d.record_2);
  session.sealer.rekey();
  assert.equal(sealed(d.after_rekey.record_0_text), d.after_rekey.record_0);
  const open = (hex: string) => {
    const bytes = fromHex(hex);
    const size = session.opener.sizeAt(bytes, 0, bytes.length)!;
    assert.equal(size, bytes.length);
    session.opener.open(bytes, 0, size);
    return toHex(bytes.subarray(RECORD_HEADER, size - RECORD_TAG));
  };
  assert.equal(open(d.record_1), d.record_1_text);
  assert.equal(open(d.record_2), d.record_2_text);
  session.opener.rekey();
  assert.equal(open(d.after_rekey.record_0), d.after_rekey.record_0_text);
}

for (const c of vectors.cases) {
  Deno.test(`known answers of link version 2: ${c.name}`, () => {
    const server = serverOf(c);
    using client = clientOf(c);
    assert.equal(toHex(client.hello()), c.flight_1);
    assert.equal(toHex(server.answer()), c.flight_2);
    const [flight3] = client.feed(fromHex(c.flight_2));
    assert(flight3?.kind === "send");
    assert.equal(toHex(flight3.bytes), c.flight_3);
    const setup = server.feed(fromHex(c.p_bytes + c.flight_3)) as ClientSetup;
    assert.deepEqual(setup.instance, fromHex(c.instance));
    assert.deepEqual(setup.session, fromHex(c.session));
    assert.equal(setup.carrier, c.carrier_number);
    assert.deepEqual(setup.identity, c.identity === null ? undefined : identityOf(c.identity));
    assert.deepEqual(setup.windows, offerOf(c.client_offer).windows);
    assert.equal(toHex(server.traffic.transcript), c.TH);
    if (c.resume === null) assert.equal(toHex(server.traffic.resume), c.resume_secret);
    else {assert.deepEqual(setup.resume, {
        expected: c.resume.client_expects,
        proof: fromHex(c.resume.proof_c),
      });}
    const addresses = addressesOf(c);
    const accepted = server.accept({
      ...(addresses.length === 0 ? {} : { addresses }),
      ...(c.resume === null ? {} : {
        resume: { expected: c.resume.server_expects, proof: fromHex(c.resume.proof_s) },
      }),
    });
    assert.equal(toHex(accepted.bytes), c.flight_4);
    const [done] = client.feed(accepted.bytes);
    assert(done?.kind === "done");
    using near = done.session;
    using far = accepted.session;
    checkDirection({ sealer: near.sealer, opener: far.opener }, c.client_to_server);
    checkDirection({ sealer: far.sealer, opener: near.opener }, c.server_to_client);
  });

  Deno.test(`a refusal has the known bytes, and its words reach the client: ${c.name}`, () => {
    using server = serverOf(c);
    using client = clientOf(c);
    client.feed(server.answer());
    server.feed(fromHex(c.p_bytes + c.flight_3));
    const bytes = server.refuse(c.close_code, c.close_words);
    assert.equal(toHex(bytes), c.server_close_record);
    assert.throws(() => client.feed(bytes), { kind: "busy", message: new RegExp(c.close_words) });
    assert.equal(toHex(packClose(c.close_code, c.close_words)), c.server_close_text);
  });

  Deno.test(`proofs of a resume: ${c.name}`, () => {
    if (c.resume === null) return assert.equal(c.carrier_number, 1);
    const secret = fromHex(c.resume.session_resume_secret);
    assert.equal(toHex(resumeProof(secret, "c", fromHex(c.TH))), c.resume.proof_c);
    assert.equal(toHex(resumeProof(secret, "s", fromHex(c.TH))), c.resume.proof_s);
  });

  Deno.test(`masks and secrets of a direction: ${c.name}`, () => {
    for (const d of [c.client_to_server, c.server_to_client]) {
      assert.equal(toHex(derive(fromHex(d.secret), "key")), d.key);
      assert.equal(toHex(derive(fromHex(d.secret), "next")), d.next_secret);
      using sealer = new RecordSealer(fromHex(d.secret), CIPHERS[c.cipher]!, makePureCipher);
      const masks: string[] = [];
      for (let i = 0; i <= 514; i++) {
        const record = sealText(sealer, new Uint8Array([5]));
        masks.push(toHex(new Uint8Array([record[0]!, record[1]! ^ 17]))); // n = 17
      }
      assert.equal(masks.slice(0, 41).join(""), d.masks_0_to_40);
      assert.equal(masks.slice(511, 515).join(""), d.masks_511_to_514);
    }
  });

  Deno.test(`hellos are read by whoever has the key: ${c.name}`, () => {
    const s = fromHex(c.S);
    const nc = fromHex(c.client_hello);
    assert.equal(readClientHello(s, nc, c.client_unix_ms)?.padding, c.p);
    assert.equal(readServerHello(s, nc, fromHex(c.server_hello), c.server_unix_ms)?.skewSeconds, 0);
    assert.equal(timeUnits(c.client_unix_ms), c.client_time_units);
  });
}

for (const t of vectors.times) {
  Deno.test(`clocks: ${t.note}`, () => {
    assert.equal(timeUnits(t.own_unix_ms), t.own_time_units);
    assert.equal(timeUnits(t.peer_unix_ms), t.peer_time_units);
    const c = vectors.cases[0]!;
    const rng = scripted(fromHex(c.client_r), new Uint8Array());
    using client = new ClientHandshake(party(c, "client", rng), {
      sessionIdentity: { instance: fromHex(c.instance), session: fromHex(c.session), carrier: 1 },
      pads: false,
      unixMs: () => t.peer_unix_ms,
    });
    const hello = readClientHello(fromHex(c.S), client.hello(), t.own_unix_ms);
    assert.equal(hello?.skewSeconds, t.skew_seconds);
    assert.equal(hello?.isStale, t.stale);
  });
}
