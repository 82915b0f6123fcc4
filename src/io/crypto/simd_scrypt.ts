import { setImmediate } from "node:timers";
import { BLOCK, scryptLayout, type ScryptLoops, scryptModule } from "./scrypt_module.ts";

/** Blocks between turns of the event loop: some two milliseconds. */
const SLICE = 1024;
const WASM_PAGE = 65_536;
const WORD = 4;

/** scrypt (RFC 7914) with r = 8. Needs memory for all p lanes at once. */
export class SimdScrypt {
  readonly #layout;
  readonly #loops: ScryptLoops;
  /** The caller gives it back after `derive`: it has traces of the key. */
  readonly memory: Uint8Array<ArrayBuffer>;

  /** `N` is a power of two. @throws {RangeError} if there is not that much memory */
  constructor({ N, p }: { readonly N: number; readonly r: 8; readonly p: number }) {
    this.#layout = scryptLayout(N, p);
    const initial = Math.ceil(p * this.#layout.stride / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial });
    const instance = new WebAssembly.Instance(scryptModule(this.#layout), { e: { m: memory } });
    this.#loops = instance.exports as unknown as ScryptLoops;
    this.memory = new Uint8Array(memory.buffer as ArrayBuffer);
  }

  /** Works on this thread, which takes its turn every few milliseconds. */
  async derive(password: Uint8Array, salt: Uint8Array, length: number): Promise<Uint8Array> {
    const { N, lanes } = this.#layout;
    const secret = Uint8Array.from(password);
    const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
    secret.fill(0);
    const blocks = await pbkdf2(key, Uint8Array.from(salt), lanes * BLOCK);
    this.#pair(blocks, 0, (words, at, laid, to) => laid[to] = words[at]!);
    const slice = Math.min(SLICE, N);
    for (let i = 0; i < N; i += slice) {
      this.#loops.fill(i * BLOCK, (i + slice) * BLOCK);
      await turn();
    }
    for (let i = 0; i < N; i += slice) {
      this.#loops.mix(slice);
      await turn();
    }
    this.#pair(blocks, N * BLOCK, (words, at, laid, from) => words[at] = laid[from]!);
    return await pbkdf2(key, blocks, length);
  }

  /** Calls `move` for each word of `blocks` and its place in the lanes' blocks at `offset`. */
  #pair(
    blocks: Uint8Array<ArrayBuffer>,
    offset: number,
    move: (words: Uint32Array, at: number, laid: Uint32Array, place: number) => void,
  ): void {
    const words = new Uint32Array(blocks.buffer);
    const laid = new Uint32Array(this.memory.buffer);
    for (let at = 0; at < words.length; at++) {
      const lane = Math.floor(at * WORD / BLOCK);
      const inBlock = at % (BLOCK / WORD);
      // Word 5i mod 16 of a piece is the i-th of its diagonals; 13 is the inverse of 5.
      const diagonal = (inBlock & ~15) + (inBlock * 13 & 15);
      move(words, at, laid, (lane * this.#layout.stride + offset) / WORD + diagonal);
    }
  }
}

async function pbkdf2(
  key: CryptoKey,
  salt: Uint8Array<ArrayBuffer>,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: 1 };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * length));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
