import assert from "node:assert/strict";
import vectors from "../../../../tests/vector/udp.json" with { type: "json" };
import { fixedKey } from "../../../../tests/fake/fixed_key.ts";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { type CipherName, TAG_SIZE } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import type { HandshakeConfig } from "../v2/handshake.ts";
import { LEAST_FLIGHT_1, UdpClientHandshake } from "./client_handshake.ts";
import { DatagramOpener, DatagramSealer } from "./datagram.ts";
import { type Head, HEAD_SIZE, type HeadMask } from "./head.ts";
import { headMasks } from "./keys.ts";
import { UdpServerHandshake } from "./server_handshake.ts";

/** Known answers of tests/tools/udp_vectors.py, which was written from docs/wire/udp.md alone. */
type Case = (typeof vectors.cases)[number];

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
  const { capabilities, first_stream_window, first_total_window, streams, dead_time } = c.offer;
  return {
    s: fromHex(c.S),
    makeCipher: makePureCipher,
    keyExchange: fixedKey(side === "client" ? c.client_private : c.server_private),
    rng,
    binding: new Uint8Array(),
    offer: {
      capabilities,
      windows: [first_stream_window, first_total_window, streams],
      deadTime: dead_time,
      datagramId: side === "client" ? c.client_id : c.server_id,
    },
    ciphers: [c.cipher as CipherName],
  };
}

function clientOf(c: Case): UdpClientHandshake {
  const flight1 = fromHex(c.flight_1);
  const [, , rc, setup] = [0, 0, c.paddings[1]!, c.paddings[2]!];
  return new UdpClientHandshake({
    party: party(
      c,
      "client",
      scripted(
        drawn(flight1.length - LEAST_FLIGHT_1),
        fromHex(c.client_r),
        new Uint8Array([c.p]),
        flight1.slice(16),
        drawn(rc!),
        drawn(setup!),
      ),
    ),
    masks: headMasks(fromHex(c.S)),
    sessionIdentity: {
      instance: fromHex(c.instance),
      session: fromHex(c.session),
      carrier: c.resume === null ? 1 : 2,
    },
    resume: c.resume === null ? undefined : fromHex(c.resume),
    unixMs: () => c.unix_ms,
  });
}

function serverOf(c: Case): UdpServerHandshake {
  const rng = scripted(fromHex(c.server_r), drawn(c.paddings[0]!), drawn(c.paddings[3]!));
  return new UdpServerHandshake({
    party: party(c, "server", rng),
    masks: headMasks(fromHex(c.S)),
    flight1: fromHex(c.flight_1),
    unixMs: c.unix_ms,
  });
}

function headOf(mask: HeadMask, bytes: Uint8Array): Head {
  const head = { id: 0, phase: 0, counter: 0 };
  mask.read(bytes, 0, bytes.length, head);
  return head;
}

for (const c of vectors.cases) {
  const masks = headMasks(fromHex(c.S));

  Deno.test(`known answers of link version 2 over UDP: ${c.name}`, () => {
    using client = clientOf(c);
    using server = serverOf(c);
    assert.equal(toHex(client.due(0)!), c.flight_1);
    assert.equal(toHex(server.answer()), c.flight_2);
    assert.equal(client.receive(fromHex(c.flight_2)), null);
    const flight3 = client.due(0)!;
    assert.equal(toHex(flight3), c.flight_3);
    const head = headOf(masks.client, flight3);
    assert.deepEqual(head, { id: c.server_id, phase: 0, counter: 0 });
    const setup = server.receive(flight3, head)!;
    assert.deepEqual(setup.session, fromHex(c.session));
    assert.equal(setup.datagramId, c.client_id);
    if (c.refused !== null) {
      const { code, words } = c.refused;
      const flight4 = server.refuse(code, words);
      assert.equal(toHex(flight4), c.flight_4);
      assert.throws(() => client.receive(flight4), { kind: "busy", message: /taken/ });
      return;
    }
    const resume = c.resume === null ? undefined : fromHex(c.resume);
    if (resume !== undefined) {
      assert(server.isResumed(resume));
      assert(!server.isResumed(new Uint8Array(32)));
    }
    const accepted = server.accept({}, resume);
    using _far = accepted.session;
    assert.equal(toHex(accepted.flight4), c.flight_4);
    const done = client.receive(accepted.flight4)!;
    using near = done.session;
    assert.equal(near.cipher, c.cipher);
    for (const { datagram, text, ...head } of c.from_server.datagrams) {
      const bytes = fromHex(datagram);
      const found = headOf(masks.server, bytes);
      assert.deepEqual(found, { id: c.client_id, ...head });
      assert(near.keys.opener.open(bytes, HEAD_SIZE, bytes.length, found));
      assert.equal(toHex(bytes.slice(HEAD_SIZE, -TAG_SIZE)), text);
    }
  });

  for (const side of ["client", "server"] as const) {
    const d = side === "client" ? c.from_client : c.from_server;
    const all = [...d.datagrams, d.next_phase];
    const cipher = c.cipher as CipherName;
    const id = side === "client" ? c.server_id : c.client_id;
    const o = {
      secret: fromHex(d.secret),
      cipher,
      makeCipher: makePureCipher,
      mask: masks[side],
      id,
    };

    Deno.test(`known datagrams from the ${side}: ${c.name}`, () => {
      using opener = new DatagramOpener(o);
      for (const { datagram, text, phase, counter } of all) {
        // The last one is the first of a phase of its own.
        using sealer = new DatagramSealer(o, phase === 1 ? counter : undefined, counter);
        const bytes = new Uint8Array(HEAD_SIZE + text.length / 2 + TAG_SIZE);
        bytes.set(fromHex(text), HEAD_SIZE);
        sealer.seal(bytes, 0, bytes.length - TAG_SIZE);
        assert.equal(toHex(bytes), datagram);
        const head = headOf(masks[side], bytes);
        assert.deepEqual(head, { id, phase, counter });
        assert(opener.open(bytes, HEAD_SIZE, bytes.length, head));
        assert.equal(toHex(bytes.slice(HEAD_SIZE, -TAG_SIZE)), text);
        assert(!opener.open(fromHex(datagram), HEAD_SIZE, bytes.length, head), "a replay");
      }
    });
  }
}
