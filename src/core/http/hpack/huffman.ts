import { HpackError } from "./hpack_error.ts";

/**
 * Bits of each symbol's code (RFC 7541 Appendix B), of which the last is the end of a string. The code
 * is canonical: those of one length follow each other in the order of their symbols.
 */
// deno-fmt-ignore
const LENGTHS = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,);

const EOS = 256;
const MAX_LENGTH = 30;

const CODES = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  let code = 0;
  for (let length = 1; length <= MAX_LENGTH; length++) {
    code *= 2;
    for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
      if (LENGTHS[symbol] === length) codes[symbol] = code++;
    }
  }
  return codes;
}

/** A state's rows for each half of a byte: the next state, the symbol that ends there, and flags. */
const HAS_SYMBOL = 1 << 16;
const IS_FAILED = 1 << 17;

interface DecodingTable {
  /** For state × 16 + half: next state in bits 18 and above, flags, and the symbol. */
  readonly rows: Uint32Array;
  /** 1 for states in which a string may end: fewer than 8 bits behind a symbol, all of them 1. */
  readonly mayEnd: Uint8Array;
}

let table: DecodingTable | null = null;

/** Builds the table, which takes some hundred microseconds, when it is first needed. */
function decodingTable(): DecodingTable {
  return table ??= buildTable();
}

function buildTable(): DecodingTable {
  const { children, ending } = buildTree();
  const states = children.length / 2;
  const rows = new Uint32Array(states * 16);
  for (let state = 0; state < states; state++) {
    for (let half = 0; half < 16; half++) {
      rows[state * 16 + half] = rowOf(children, state, half);
    }
  }
  return { rows, mayEnd: ending };
}

/**
 * Builds the tree of codes: inner nodes by number, two children each. A child from 0 on is a node, and
 * below it the symbol -1 - child.
 */
function buildTree(): { children: Int16Array; ending: Uint8Array } {
  const children: number[] = [0, 0];
  const ending: number[] = [1];
  for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
    let node = 0;
    for (let bit = LENGTHS[symbol]! - 1; bit > 0; bit--) {
      const side = (CODES[symbol]! >>> bit) & 1;
      if (children[2 * node + side] === 0) {
        children[2 * node + side] = children.length / 2;
        children.push(0, 0);
        const depth = LENGTHS[symbol]! - bit;
        // Padding is the beginning of the end's code, which is ones alone.
        ending.push(depth < 8 && CODES[symbol]! >>> bit === 2 ** depth - 1 ? 1 : 0);
      }
      node = children[2 * node + side]!;
    }
    children[2 * node + (CODES[symbol]! & 1)] = -1 - symbol;
  }
  return { children: Int16Array.from(children), ending: Uint8Array.from(ending) };
}

function rowOf(children: Int16Array, state: number, half: number): number {
  let node = state;
  let row = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * node + ((half >>> bit) & 1)]!;
    if (child >= 0) node = child;
    else if (child === -1 - EOS) return IS_FAILED;
    else {
      row = HAS_SYMBOL | (-1 - child); // codes have five bits or more: one ends at the most
      node = 0;
    }
  }
  return (node * 2 ** 18 + row) >>> 0;
}

/**
 * Decodes a string to the front of `into`, which has room for 8/5 of its bytes; returns the length.
 * @throws {HpackError}
 */
export function decodeHuffman(
  bytes: Uint8Array,
  from: number,
  to: number,
  into: Uint8Array,
): number {
  const { rows, mayEnd } = decodingTable();
  let state = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const row = rows[state * 16 + ((byte >>> shift) & 15)]!;
      if ((row & IS_FAILED) !== 0) throw new HpackError("a string has its end's code in it");
      if ((row & HAS_SYMBOL) !== 0) into[length++] = row & 0xff;
      state = row >>> 18;
    }
  }
  if (mayEnd[state] === 0) throw new HpackError("a string ends within a code");
  return length;
}

/** Returns the bytes that a text takes when it is encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += LENGTHS[text.charCodeAt(at)]!;
  return Math.ceil(bits / 8);
}

/** Encodes a text of one byte a character; returns where the next byte goes. */
export function encodeHuffman(text: string, into: Uint8Array, at: number): number {
  let held = 0; // fewer than 8 bits between symbols
  let bits = 0;
  let to = at;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    let left = LENGTHS[symbol]!;
    while (left > 0) {
      const taken = Math.min(left, 8 - bits);
      left -= taken;
      held = (held << taken) | ((CODES[symbol]! >>> left) & (2 ** taken - 1));
      bits += taken;
      if (bits < 8) continue;
      into[to++] = held;
      held = bits = 0;
    }
  }
  if (bits > 0) into[to++] = (held << (8 - bits)) | (2 ** (8 - bits) - 1);
  return to;
}
