import { allocSmall } from "../../../base/small_alloc.ts";
import { Reader, varintSize, writeVarint } from "../../../base/varint.ts";
import type { Answer, Failure, Frame, NodeState, RelayRequest, RequestType } from "../frame.ts";
import * as bodies from "./bodies.ts";
import { type Codec, damaged, uint, word } from "./codec.ts";
import { ANSWER, encodeOfPut, PUT, readOfPut, STATES } from "./put_frames.ts";
import { required, struct } from "./struct.ts";

/** Types of frames (docs/wire/mesh.md). */
export const TYPES = {
  hello: 0x01,
  answer: ANSWER,
  error: 0x03,
  ping: 0x10,
  stab: 0x11,
  next: 0x12,
  hint: 0x13,
  left: 0x14,
  relay: 0x15,
  put: PUT,
  get: 0x21,
  digest: 0x22,
  names: 0x23,
  push: 0x24,
  sub: 0x25,
  event: 0x26,
  core: 0x30,
  bye: 0x38,
} as const satisfies Record<Frame["type"], number>;

/** Frames of types from here on are skipped where they are not known; others end the link. */
const SKIPPABLE = 0x80;

const NAMES: ReadonlyMap<number, Frame["type"]> = new Map(
  Object.entries(TYPES).map(([name, code]) => [code, name as Frame["type"]]),
);

/** Frames without an answer have number 0, all others another. */
const UNNUMBERED: readonly Frame["type"][] = ["hello", "bye", "hint", "left", "event"];

type Relayed = RelayRequest["frame"];

interface AnswerFields {
  readonly state: NodeState;
  /** Unix milliseconds. */
  readonly stamp: number;
  readonly to: RequestType;
  readonly body: Uint8Array;
}

const answerFields = struct<AnswerFields>({
  state: required(1, word<NodeState>(STATES, "warming")),
  stamp: required(2, uint()),
  to: required(3, {
    write: (to) => Uint8Array.of(TYPES[to]),
    read: (bytes) => {
      const name = bytes.length === 1 ? NAMES.get(bytes[0]!) : undefined;
      if (name === undefined || !isAnswered(name)) throw damaged("an answer is to no request");
      return name;
    },
  }),
  body: required(4, { write: (bytes) => bytes, read: (bytes) => bytes }),
});

function isAnswered(name: Frame["type"]): name is RequestType {
  return name === "relay" || Object.hasOwn(bodies.ANSWERS, name);
}

const relay = struct<bodies.Content<RelayRequest>>({
  to: required(1, bodies.nodeKey),
  frame: required<Relayed>(2, { write: encodeContent, read: readRelayed }),
});

const relayAnswer = struct<{ readonly frame: Answer | Failure }>({
  frame: required<Answer | Failure>(1, { write: encodeContent, read: readRelayedAnswer }),
});

/** Codecs of contents by type, but for that of answers, whose bodies are as many. */
const CONTENTS: Record<Exclude<Frame["type"], "answer">, Codec<object>> = {
  hello: bodies.hello as Codec<object>,
  error: bodies.failure as Codec<object>,
  ping: bodies.ping as Codec<object>,
  stab: bodies.stab as Codec<object>,
  next: bodies.next as Codec<object>,
  hint: bodies.hint as Codec<object>,
  left: bodies.left as Codec<object>,
  relay: relay as Codec<object>,
  put: bodies.put as Codec<object>,
  get: bodies.get as Codec<object>,
  digest: bodies.digest as Codec<object>,
  names: bodies.names as Codec<object>,
  push: bodies.push,
  sub: bodies.sub as Codec<object>,
  event: bodies.event as Codec<object>,
  core: bodies.core as Codec<object>,
  bye: bodies.bye as Codec<object>,
};

/** Returns a frame without its length: type u8, request v, TLVs. */
export function encodeContent(frame: Frame): Uint8Array {
  return encode(frame, false);
}

/** Returns a frame as it goes on a link: length v, then its content. */
export function encodeFrame(frame: Frame): Uint8Array {
  return encodeOfPut(frame) ?? encode(frame, true);
}

function encode(frame: Frame, hasLength: boolean): Uint8Array {
  const { type, request } = frame;
  const tlvs = type === "answer" ? encodeAnswer(frame) : CONTENTS[type].write(frame);
  const size = 1 + varintSize(request) + tlvs.length;
  const before = hasLength ? varintSize(size) : 0;
  const bytes = allocSmall(before + size);
  if (hasLength) writeVarint(bytes, 0, size);
  bytes[before] = TYPES[type];
  bytes.set(tlvs, writeVarint(bytes, before + 1, request));
  return bytes;
}

function encodeAnswer({ state, stamp, body }: Answer): Uint8Array {
  const { to } = body;
  return answerFields.write({ state, stamp, to, body: answerCodec(to).write(body) });
}

function answerCodec(to: RequestType): Codec<object> {
  return (to === "relay" ? relayAnswer : bodies.ANSWERS[to]) as Codec<object>;
}

/**
 * Reads a frame without its length; null = one of a later version that is to be skipped.
 * @throws {ProtocolError}
 */
export function readContent(bytes: Uint8Array): Frame | null {
  return readOfPut(bytes) ?? readFields(bytes);
}

/** Does as `readContent`, field by field. @throws {ProtocolError} */
export function readFields(bytes: Uint8Array): Frame | null {
  const reader = new Reader(bytes);
  const code = reader.u8();
  const type = NAMES.get(code);
  if (type === undefined) {
    if (code >= SKIPPABLE) return null;
    throw damaged(`type ${code} is not known here`);
  }
  const request = reader.varint();
  if ((request === 0) !== UNNUMBERED.includes(type)) throw damaged(`a wrong number of a ${type}`);
  const tlvs = reader.take(reader.end - reader.at);
  if (type === "answer") return readAnswer(request, tlvs);
  return { type, request, ...CONTENTS[type].read(tlvs) } as Frame;
}

function readAnswer(request: number, tlvs: Uint8Array): Answer {
  const { state, stamp, to, body } = answerFields.read(tlvs);
  const read = { to, ...answerCodec(to).read(body) } as Answer["body"];
  return { type: "answer", request, state, stamp, body: read };
}

/** Looks at the type first, so that relays in relays are not read. */
function readRelayed(bytes: Uint8Array): Relayed {
  const type = NAMES.get(bytes[0] ?? 0);
  if (type === undefined || !Object.hasOwn(bodies.ANSWERS, type)) {
    throw damaged("a frame is relayed that is no request");
  }
  return readContent(bytes) as Relayed;
}

function readRelayedAnswer(bytes: Uint8Array): Answer | Failure {
  const type = NAMES.get(bytes[0] ?? 0);
  if (type !== "answer" && type !== "error") {
    throw damaged("an answer is relayed that is none");
  }
  const frame = readContent(bytes) as Answer | Failure;
  if (frame.type === "answer" && frame.body.to === "relay") {
    throw damaged("an answer is relayed twice");
  }
  return frame;
}
