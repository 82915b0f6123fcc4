import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { drain } from "../../../tests/fake/drain.ts";
import { OFFER } from "../../../tests/fake/link_session.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import {
  ABLE,
  arriving,
  layOutAs,
  type Parcel,
  receiveAll,
  UNABLE,
} from "../../../tests/fake/v2_pair.ts";
import vectors from "../../../tests/vector/link-v2.json" with { type: "json" };
import { concat, fromHex, toHex } from "../../base/bytes.ts";
import { CIPHER_NAMES, type CipherName, CIPHERS } from "../../contract/cipher.ts";
import type { Connection } from "../../contract/connection.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { readFrames } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import {
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "../../core/link/v2/record.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { acceptHeader } from "../../core/ip/virtio_net.ts";
import { V2Link } from "./v2_link.ts";
import { write } from "../loop/stream_io.ts";

/** Known answers of tests/tools/link_vectors.py for frame 02, from docs/wire/link-v2.md alone. */
type Case = (typeof vectors.super_packets)[number];

/** Byte k is 7 k + floor(k / 256) modulo 256, but the first is 45. */
function longPacket(length: number): Uint8Array {
  const packet = Uint8Array.from({ length }, (_, k) => 7 * k + (k >>> 8));
  packet[0] = 0x45;
  return packet;
}

function cipherOf(c: Case): CipherName {
  return CIPHER_NAMES.find((name) => CIPHERS[name].wireNumber === c.cipher)!;
}

function parcelsOf(c: Case): Parcel[] {
  return c.packets.map((one) => ({
    header: fromHex(one.header),
    packet: "packet" in one ? fromHex(one.packet) : longPacket(one.long_packet),
  }));
}

/** A session of which each direction is under the case's secret, from record 0 on. */
function linkOf(c: Case, stream: Connection): V2Link {
  const cipher = cipherOf(c);
  const { tun, tcpOffload, udpOffload } = Capability;
  const session: LinkSession = {
    sealer: new RecordSealer(fromHex(c.secret), cipher, makePureCipher),
    opener: new RecordOpener(fromHex(c.secret), cipher, makePureCipher),
    cipher,
    cipherReason: null,
    peer: { ...OFFER, capabilities: tun | (c.offload ? tcpOffload | udpOffload : 0) },
    meshBinding: new Uint8Array(32),
    packetKeys: null,
    resume: new Uint8Array(32),
    transcript: new Uint8Array(32),
    firstFrames: new Uint8Array(),
    rest: new Uint8Array(),
    [Symbol.dispose]: () => {},
  };
  const device = c.offload ? ABLE : UNABLE;
  return new V2Link(stream, session, { clock: new FakeClock(), rng: seededRng(1), device });
}

/** The records of what one batch makes. */
async function sentOf(c: Case): Promise<Uint8Array> {
  const [near, far] = memoryPair();
  const link = linkOf(c, near);
  const all = c.offload ? parcelsOf(c) : parcelsOf(c).map((one) => ({ ...one, header: null }));
  await link.send(layOutAs(link.layout, all));
  return await drain(far);
}

for (const c of vectors.super_packets) {
  if (c.as_sent) {
    Deno.test(`known answers of frame 02, sent: ${c.name}`, async () => {
      const bytes = await sentOf(c);
      if (c.records !== undefined) return assert.equal(toHex(bytes), c.records.join(""));
      assert.equal(bytes.length, c.record_sizes!.reduce((sum, size) => sum + size, 0));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), c.records_sha256);
    });
  }

  Deno.test(`known answers of frame 02, received: ${c.name}`, async () => {
    const [near, far] = memoryPair();
    await write(far, c.records === undefined ? await sentOf(c) : fromHex(c.records.join("")));
    await far.closeWrite();
    assert.deepEqual(await receiveAll(linkOf(c, near)), arriving(parcelsOf(c)));
  });

  if (c.texts === undefined) continue;
  Deno.test(`known answers of frame 02, texts and frames: ${c.name}`, () => {
    const opener = new RecordOpener(fromHex(c.secret), cipherOf(c), makePureCipher);
    const bodies: Uint8Array[] = [];
    for (const [i, hex] of c.texts.entries()) {
      const record = fromHex(c.records![i]!);
      opener.open(record, 0, record.length);
      assert.equal(toHex(record.subarray(RECORD_HEADER, record.length - RECORD_TAG)), hex);
      const text = fromHex(hex);
      for (const frame of readFrames(text, 0, text.length)) {
        if (frame.kind === "ping") continue;
        assert(frame.kind === "gsoPacket" || frame.kind === "packet");
        bodies.push(text.subarray(frame.at, frame.at + frame.length));
      }
    }
    assert.deepEqual(concat(...bodies), concat(...parcelsOf(c).map(({ packet }) => packet)));
  });
}

Deno.test("the headers of the known answers are sound, and say how long the headers are", () => {
  const seen = new Set<number>();
  for (const { packets } of vectors.super_packets) {
    for (const one of packets) {
      if (!("packet" in one) || /^0+$/.test(one.header)) continue;
      const bytes = fromHex(one.header + one.packet);
      assert(acceptHeader(bytes, 10, bytes.length - 10, ABLE.takes));
      assert.equal(toHex(bytes), one.header + one.packet, "hdr_len was right");
      seen.add(bytes[1]!);
    }
  }
  assert.deepEqual([...seen].sort((x, y) => x - y), [0, 4, 5, 0x81]);
});
