/**
 * A WebAssembly module (core specification 2.0, section 5) with the inner loops of scrypt
 * (RFC 7914 sections 4 and 5) for r = 8. All `p` lanes are computed at once: they are independent,
 * and Salsa20/8 alone leaves half of a processor idle. Each 64-byte block is stored as its four
 * diagonals, as in Salsa20 for SIMD (https://cr.yp.to/snuffle.html).
 */

/** Bytes of a block of 2r pieces, each of 64 bytes. */
export const BLOCK = 1024;
const PIECE = 64;

export interface ScryptLayout {
  readonly N: number;
  /** How many lanes there are: the parameter p. */
  readonly lanes: number;
  /** Bytes of a lane: V, then the block X, then one for its successor. */
  readonly stride: number;
}

export function scryptLayout(N: number, p: number): ScryptLayout {
  return { N, lanes: p, stride: (N + 2) * BLOCK };
}

export interface ScryptLoops {
  /** Step 2 of scryptROMix for the blocks at `from` up to `to`, in bytes of a lane. */
  fill(from: number, to: number): void;
  /** Step 3, `count` times, an even number: X stays where it is. */
  mix(count: number): void;
}

/** Bytes, in the order of a walk through the arrays. */
type Code = readonly (number | Code)[];
type Local = number;

/** LEB128, unsigned. */
function u(value: number): Code {
  const low = value % 128;
  const rest = Math.floor(value / 128);
  return rest === 0 ? [low] : [low | 128, u(rest)];
}

/** LEB128, signed; for numbers that are not negative. */
function s(value: number): Code {
  return value < 64 ? [value] : [value % 128 | 128, s(Math.floor(value / 128))];
}

const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const LOOP = [0x03, 0x40];
const AGAIN = [0x0d, 0, END];
const LESS = [0x49];
const PLUS = [0x6a];
const MINUS = [0x6b];
const AND = [0x71];
const SHIFT_LEFT = [0x74];
const get = (local: Local): Code => [0x20, u(local)];
const set = (local: Local): Code => [0x21, u(local)];
const tee = (local: Local): Code => [0x22, u(local)];
const number = (value: number): Code => [0x41, s(value)];
const word = (offset: number): Code => [0x28, 2, u(offset)];
const step = (local: Local, by: number): Code => [
  get(local),
  number(by),
  PLUS,
  set(local),
];

const simd = (operation: number): Code => [0xfd, u(operation)];
const load = (offset: number): Code => [simd(0), 4, u(offset)];
const store = (offset: number): Code => [simd(11), 4, u(offset)];
const XOR = simd(81);
const SHL = simd(171);
const SHR = simd(173);
const ADD = simd(174);

/** Turns the words of a vector by `by` places. */
const turn = (by: number): Code => [
  simd(13),
  Array.from({ length: 16 }, (_, byte) => (byte + 16 - 4 * by) % 16),
];

/** Half a double round: target, two sources and the distance, for each quarter. */
const COLUMNS = [[1, 0, 3, 7], [2, 1, 0, 9], [3, 2, 1, 13], [0, 3, 2, 18]] as const;
const ROWS = [[3, 0, 1, 7], [2, 3, 0, 9], [1, 2, 3, 13], [0, 1, 2, 18]] as const;

/** Locals of a function that holds scryptBlockMix; `vectors` is the first of 27 for three lanes. */
interface Locals {
  readonly input: Local;
  readonly output: Local;
  /** Blocks that are XORed to the input, one for each lane. */
  readonly others: readonly Local[];
  readonly pieces: Local;
  readonly rounds: Local;
  readonly vectors: Local;
}

const vectorCount = ({ lanes }: ScryptLayout) => 9 * lanes;

/** scryptBlockMix of one block of each lane. Moves the pointers on. */
function blockMix({ lanes, stride }: ScryptLayout, l: Locals): Code {
  const x = (lane: number, i: number) => l.vectors + 4 * lane + i;
  const before = (lane: number, i: number) => l.vectors + 4 * (lanes + lane) + i;
  const sum = (lane: number) => l.vectors + 8 * lanes + lane;
  const all = (make: (lane: number) => Code): Code =>
    Array.from({ length: lanes }, (_, lane) => make(lane));
  const each = (make: (lane: number, i: number) => Code): Code =>
    all((lane) => [0, 1, 2, 3].map((i) => make(lane, i)));
  const read = (lane: number, i: number, at: number): Code => {
    const offset = lane * stride + at + 16 * i;
    const other = l.others[lane];
    const own = [get(l.input), load(offset)];
    return other === undefined ? own : [own, get(other), load(offset), XOR];
  };
  const quarters = (half: typeof COLUMNS | typeof ROWS): Code =>
    half.map(([to, a, b, bits]) =>
      all((lane) => [
        [get(x(lane, a)), get(x(lane, b)), ADD, tee(sum(lane))],
        [number(bits), SHL, get(x(lane, to)), XOR],
        [get(sum(lane)), number(32 - bits), SHR, XOR, set(x(lane, to))],
      ])
    );
  const turns = (...by: number[]): Code =>
    all((lane) =>
      by.map((places, i) => {
        const vector = x(lane, i + 1);
        return [get(vector), get(vector), turn(places), set(vector)];
      })
    );
  const salsa20Core8 = [
    [number(4), set(l.rounds), LOOP],
    [quarters(COLUMNS), turns(1, 2, 3), quarters(ROWS), turns(3, 2, 1)],
    [get(l.rounds), number(1), MINUS, tee(l.rounds), AGAIN],
  ];
  const piece = (half: 0 | 1): Code => [
    each((lane, i) => [
      [read(lane, i, half * PIECE), get(x(lane, i)), XOR],
      [tee(x(lane, i)), set(before(lane, i))],
    ]),
    salsa20Core8,
    each((lane, i) => [
      [get(l.output), get(x(lane, i)), get(before(lane, i)), ADD],
      [tee(x(lane, i)), store(lane * stride + half * BLOCK / 2 + 16 * i)],
    ]),
  ];
  return [
    each((lane, i) => [read(lane, i, BLOCK - PIECE), set(x(lane, i))]),
    [number(BLOCK / PIECE / 2), set(l.pieces), LOOP],
    [piece(0), piece(1), step(l.input, 2 * PIECE), step(l.output, PIECE)],
    l.others.map((other) => step(other, 2 * PIECE)),
    [get(l.pieces), number(1), MINUS, tee(l.pieces), AGAIN],
  ];
}

/** fill(from, to) */
function fillCode(layout: ScryptLayout): Code {
  const [from, to, pieces, rounds, output, vectors] = [0, 1, 2, 3, 4, 5] as const;
  return functionBody(3, vectorCount(layout), [
    [LOOP, get(from), number(BLOCK), PLUS, set(output)],
    blockMix(layout, { input: from, output, others: [], pieces, rounds, vectors }),
    [get(from), get(to), LESS, AGAIN],
  ]);
}

/** mix(count) */
function mixCode(layout: ScryptLayout): Code {
  const { N, lanes, stride } = layout;
  const [count, input, output, pieces] = [0, 1, 2, 3] as const;
  const [rounds, x, next, firstOther] = [4, 5, 6, 7] as const;
  const others = Array.from({ length: lanes }, (_, lane) => firstOther + lane);
  // Integerify(X) mod N is the address of V's block in its lane.
  const choose = others.map((other, lane) => [
    [get(x), word(lane * stride + BLOCK - PIECE), number(N - 1), AND],
    [number(Math.log2(BLOCK)), SHIFT_LEFT, set(other)],
  ]);
  return functionBody(6 + lanes, vectorCount(layout), [
    [number(N * BLOCK), set(x), number((N + 1) * BLOCK), set(next), LOOP],
    [choose, get(x), set(input), get(next), set(output)],
    blockMix(layout, { input, output, others, pieces, rounds, vectors: firstOther + lanes }),
    [get(x), get(next), set(x), set(next)],
    [get(count), number(1), MINUS, tee(count), AGAIN],
  ]);
}

function functionBody(numbers: number, vectors: number, code: Code): Code {
  return sized([2, u(numbers), I32, u(vectors), V128, code, END]);
}

const section = (id: number, ...items: Code[]): Code => [id, sized([u(items.length), items])];

function sized(content: Code): Code {
  const bytes = flat(content);
  return [u(bytes.length), bytes];
}

/** `into` gets the bytes and is returned. */
function flat(code: Code, into: number[] = []): number[] {
  for (const part of code) {
    if (typeof part === "number") into.push(part);
    else flat(part, into);
  }
  return into;
}

const name = (text: string): Code => [text.length, Array.from(new TextEncoder().encode(text))];

/** Imports its memory as `e.m`. */
export function scryptModule(layout: ScryptLayout): WebAssembly.Module {
  return new WebAssembly.Module(Uint8Array.from(flat([
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, [0x60, 2, I32, I32, 0], [0x60, 1, I32, 0]),
    section(2, [name("e"), name("m"), 2, 0, 1]),
    section(3, [0], [1]),
    section(7, [name("fill"), 0, 0], [name("mix"), 0, 1]),
    section(10, fillCode(layout), mixCode(layout)),
  ])));
}
