import { TtunError } from "./errors.ts";

/** Checks before native code, where a wrong offset would be a write outside of the buffer. */

/** @throws {TtunError} `internal` when `what` has not exactly `wanted` bytes. */
export function checkSize(what: string, size: number, wanted: number): void {
  if (size !== wanted) {
    throw new TtunError("internal", `Cannot use ${what} of ${size} bytes: it has ${wanted}`);
  }
}

export function checkRoom(room: number, least: number): void {
  if (!(room >= least)) {
    throw new TtunError("internal", `Cannot open a text of ${least} bytes to ${room} bytes`);
  }
}

/** Text and tag must lie in the buffer and apart from each other. @throws {TtunError} `internal` */
export function checkSpans(
  bufferSize: number,
  start: number,
  end: number,
  tagAt: number,
  tagSize: number,
): void {
  const whole = Number.isInteger(start) && Number.isInteger(end) && Number.isInteger(tagAt);
  const inside = start >= 0 && start <= end && end <= bufferSize &&
    tagAt >= 0 && tagAt + tagSize <= bufferSize;
  const apart = tagAt + tagSize <= start || tagAt >= end;
  if (!(whole && inside && apart)) {
    throw new TtunError(
      "internal",
      `Cannot use text ${start}..${end} and tag at ${tagAt} in a buffer of ${bufferSize} bytes`,
    );
  }
}
