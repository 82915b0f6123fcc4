import assert from "node:assert/strict";
import vectors from "../../../tests/vector/link-v2.json" with { type: "json" };
import { concat, fromHex, toHex } from "../../base/bytes.ts";
import { Reader } from "../../base/varint.ts";
import {
  type MuxAddress,
  type MuxFrameHandler,
  OpenKind,
  packAck,
  packAddress,
  packDatagramHead,
  packDataHeader,
  packFin,
  packMove,
  packOpen,
  packOpenBody,
  packOpened,
  packPosition,
  packReset,
  packWindow,
  readMuxFrame,
} from "./frames.ts";

/** Known answers of tests/tools/link_vectors.py, which was written from docs/wire/link-v2.md alone. */
type Frame = (typeof vectors.stream_frames)[number]["frame"];

function pack(o: Frame): Uint8Array {
  switch (o.type) {
    case "open":
      return packOpen(
        o.stream!,
        packOpenBody({
          kind: o.kind as OpenKind,
          address: o.address as MuxAddress,
          ...(o.kind === OpenKind.accepted && { listener: o.listener! }),
          ...(o.kind === OpenKind.service && { service: o.service! }),
        }),
      );
    case "opened":
      return packOpened(o.stream!, o.code!, o.address as MuxAddress);
    case "data":
      return concat(packDataHeader(o.stream!, o.data!.length / 2), fromHex(o.data!));
    case "datagram": {
      const head = packDatagramHead(
        o.stream!,
        packAddress(o.address as MuxAddress),
        o.data!.length / 2,
      );
      return concat(head, fromHex(o.data!));
    }
    case "fin":
      return packFin(o.stream!);
    case "reset":
      return packReset(o.stream!, o.code!);
    case "window":
      return packWindow(o.stream!, o.limit!);
    case "position":
      return packPosition(o.next!);
    case "ack":
      return packAck(o.next!);
    case "move":
      return packMove(o.seconds!);
    default:
      throw new Error(`${o.type} is no frame`);
  }
}

function read(bytes: Uint8Array): unknown[] {
  const found: unknown[] = [];
  const handler: MuxFrameHandler = {
    open: (stream, open) => found.push({ type: "open", stream, ...open }),
    opened: (stream, code, address) => found.push({ type: "opened", stream, code, address }),
    data: (stream, data) => found.push({ type: "data", stream, data: toHex(data) }),
    datagram: (stream, address, data) =>
      found.push({ type: "datagram", stream, address, data: toHex(data) }),
    fin: (stream) => found.push({ type: "fin", stream }),
    reset: (stream, code) => found.push({ type: "reset", stream, code }),
    window: (stream, limit) => found.push({ type: "window", stream, limit }),
    position: (next) => found.push({ type: "position", next }),
    ack: (next) => found.push({ type: "ack", next }),
    move: (seconds) => found.push({ type: "move", seconds }),
  };
  const reader = new Reader(bytes);
  while (!reader.isAtEnd) assert(readMuxFrame(reader, handler));
  return found;
}

Deno.test("frames of streams are the known answers, and are read in any form", () => {
  const types = new Set<string>();
  for (const { frame, bytes, forms } of vectors.stream_frames) {
    const known = Object.fromEntries(
      Object.entries(frame).filter(([, value]) => value !== undefined),
    );
    assert.equal(toHex(pack(frame)), bytes, JSON.stringify(frame));
    for (const form of [bytes, ...forms]) assert.deepEqual(read(fromHex(form)), [known], form);
    types.add(frame.type);
  }
  assert.equal(types.size, 10);
});

Deno.test("frames stand behind each other in a record", () => {
  const record = vectors.stream_frames.map(({ bytes }) => bytes).join("");
  assert.equal(read(fromHex(record)).length, vectors.stream_frames.length);
});
