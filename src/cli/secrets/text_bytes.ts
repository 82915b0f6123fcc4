import { TtunError } from "../../base/errors.ts";

/** U+FEFF in UTF-8, which editors of Windows put before a text. */
const MARK = [0xef, 0xbb, 0xbf] as const;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
/** How much of a file is looked at to tell its encoding, in bytes. */
const SAMPLE = 512;

/**
 * The bytes of a UTF-8 text that a person has written, without byte order marks before it. A view
 * of `bytes`. `what` names the file in the error.
 * @throws {TtunError} usage, on text in UTF-16 or UTF-32
 */
export function utf8Text(bytes: Uint8Array, what: string): Uint8Array {
  if (!isWide(bytes)) return withoutMarks(bytes);
  throw new TtunError(
    "usage",
    `Cannot use ${what}: it is UTF-16 text (Windows calls it "Unicode", and PowerShell's > writes ` +
      "it); save it as UTF-8",
  );
}

/** Without byte order marks before it and without one line end behind it: LF, CR LF or CR. */
export function oneLine(bytes: Uint8Array): Uint8Array {
  const text = withoutMarks(bytes);
  if (text.at(-1) === RETURN) return text.subarray(0, -1);
  if (text.at(-1) !== LINE_FEED) return text;
  return text.subarray(0, text.at(-2) === RETURN ? -2 : -1);
}

/** Files that were joined may have more than one mark. */
function withoutMarks(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (MARK.every((byte, i) => bytes[at + i] === byte)) at += MARK.length;
  return bytes.subarray(at);
}

/**
 * UTF-16 and UTF-32 begin with U+FEFF, which is no UTF-8 in either byte order. Without it the text
 * is known by the zeros of its Latin letters, which stand on one side of each pair of bytes.
 */
function isWide(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  const sample = bytes.subarray(0, SAMPLE);
  const zeros = [0, 0];
  sample.forEach((byte, i) => zeros[i % 2]! += byte === 0 ? 1 : 0);
  const [low, high] = [Math.min(...zeros), Math.max(...zeros)];
  return low === 0 && high > 0 && high >= sample.length / 4;
}
