import { utf8 } from "../../../base/bytes.ts";

/** Numbers of RFC 9113 sections 6 and 7. */
export const Frame = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  /** RFC 8441: websockets by extended CONNECT. */
  enableConnectProtocol: 8,
  /** RFC 9218: no priorities by dependencies. */
  noPriorities: 9,
} as const;

export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export type ErrorCode = typeof ErrorCode[keyof typeof ErrorCode];

/** Bytes of a frame before its payload. */
export const HEADER_SIZE = 9;

/** Bytes of a frame's payload that this end takes, and the least that any end must take. */
export const MAX_FRAME = 16_384;

export const MAX_WINDOW = 2 ** 31 - 1;
export const DEFAULT_WINDOW = 65_535;

/** The first bytes of a client (section 3.4). */
export const PREFACE = utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
