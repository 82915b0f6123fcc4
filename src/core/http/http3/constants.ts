/** Types of frames (RFC 9114 section 7.2; RFC 9218 section 7.2). */
export const Frame = {
  data: 0x00,
  headers: 0x01,
  cancelPush: 0x03,
  settings: 0x04,
  pushPromise: 0x05,
  goaway: 0x07,
  maxPushId: 0x0d,
} as const;

/** Types that HTTP/2 has for frames that HTTP/3 has not (RFC 9114 section 7.2.8). */
export const HTTP2_FRAMES: ReadonlySet<number> = new Set([0x02, 0x06, 0x08, 0x09]);

/** Types of streams of one direction (RFC 9114 section 6.2, RFC 9204 section 4.2). */
export const StreamType = { control: 0x00, push: 0x01, encoder: 0x02, decoder: 0x03 } as const;

export const Setting = {
  maxTableCapacity: 0x01,
  maxFieldSectionSize: 0x06,
  blockedStreams: 0x07,
  enableConnectProtocol: 0x08,
} as const;

/** Settings of HTTP/2 that a client of HTTP/3 must not send (RFC 9114 section 7.2.4.1). */
export const HTTP2_SETTINGS: ReadonlySet<number> = new Set([0x02, 0x03, 0x04, 0x05]);

/** Codes by which a connection ends (RFC 9114 section 8.1). */
export const ErrorCode = {
  none: 0x100,
  general: 0x101,
  internal: 0x102,
} as const;

/** Name in ALPN. */
export const HTTP3_PROTOCOL = "h3";

export const LIST_LIMITS = { bytes: 64 * 1024, fields: 256 };
