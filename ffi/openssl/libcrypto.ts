import { checkRoom, checkSize, checkSpans } from "../../src/base/aead_bounds.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { Cipher, CipherFactory, CipherName, Nonce } from "../../src/contract/cipher.ts";
import { type Library, openLibrary } from "../library.ts";
import { cString } from "../native.ts";

/** Bytes for every cipher; EVP takes as much of the key as the cipher has. */
const KEY_SIZE = 32;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** These constants are of openssl/evp.h and openssl/crypto.h. */
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const OPENSSL_VERSION = 0;

/** Lengths are C ints. */
const MAX_INT = 0x7fff_ffff;

/**
 * OpenSSL 1.1 and 3 are alike here. A function that is listed twice has a `pointer` where it is
 * called with NULL and a `buffer` where it is called with bytes.
 */
const TABLE = {
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  // The codes have 32 bits, as has a long on Windows.
  ERR_peek_last_error: { parameters: [], result: "u32" },
  ERR_clear_error: { parameters: [], result: "void" },
  EVP_get_cipherbyname: { parameters: ["buffer"], result: "pointer" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_EncryptInit_ex_key: {
    name: "EVP_EncryptInit_ex",
    parameters: ["pointer", "pointer", "pointer", "buffer", "pointer"],
    result: "i32",
  },
  EVP_EncryptInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "pointer", "buffer"],
    result: "i32",
  },
  EVP_DecryptInit_ex_key: {
    name: "EVP_DecryptInit_ex",
    parameters: ["pointer", "pointer", "pointer", "buffer", "pointer"],
    result: "i32",
  },
  EVP_DecryptInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "pointer", "buffer"],
    result: "i32",
  },
  EVP_EncryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_EncryptUpdate_aad: {
    name: "EVP_EncryptUpdate",
    parameters: ["pointer", "pointer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_DecryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_DecryptUpdate_aad: {
    name: "EVP_DecryptUpdate",
    parameters: ["pointer", "pointer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_EncryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_DecryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/**
 * File names, the best first. The bare `libcrypto.dylib` must not be loaded on macOS: Apple's own
 * copy ends the process.
 */
const NAMES: Readonly<Partial<Record<typeof Deno.build.os, readonly string[]>>> = {
  darwin: [
    "libcrypto.3.dylib",
    "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
    "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
    "/opt/local/lib/libcrypto.3.dylib",
  ],
  windows: ["libcrypto-3-x64.dll", "libcrypto-3-arm64.dll", "libcrypto-1_1-x64.dll"],
};
const UNIX_NAMES = ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"];

export const LIBCRYPTO_NAMES = NAMES[Deno.build.os] ?? UNIX_NAMES;

/** Dispose disposes of all ciphers made from it, then closes the library. */
export interface Libcrypto extends Disposable {
  /** The library's own text, such as "OpenSSL 3.0.19 27 Jan 2026". */
  readonly version: string;
  /**
   * The key stays inside the library until the cipher is disposed of.
   * @throws {TtunError} `system` if the library does not offer the cipher (for example in FIPS
   * mode), `internal` after dispose or if the key is not 32 bytes long
   */
  readonly makeCipher: CipherFactory;
}

/** @throws {TtunError} `system` if none can be opened */
export function openLibcrypto(): Libcrypto {
  const library = openLibrary(LIBCRYPTO_NAMES, TABLE);
  const living = new Set<EvpCipher>();
  let closed = false;
  return {
    version: versionOf(library),
    makeCipher: (name, key) => {
      if (closed) throw new TtunError("internal", "Cannot make a cipher: libcrypto is closed");
      const cipher: EvpCipher = new EvpCipher(
        library.symbols,
        name,
        key,
        () => living.delete(cipher),
      );
      living.add(cipher);
      return cipher;
    },
    [Symbol.dispose]: () => {
      if (closed) return;
      closed = true;
      // their contexts are memory of the library
      for (const cipher of living) cipher[Symbol.dispose]();
      library[Symbol.dispose]();
    },
  };
}

function versionOf(library: Library<typeof TABLE>): string {
  const text = library.symbols.OpenSSL_version(OPENSSL_VERSION);
  return text === null ? library.path : new Deno.UnsafePointerView(text).getCString();
}

/** Scratch: `int *outl` of every call, and the output of Final, which writes 0 bytes. */
const WRITTEN = new Int32Array(1);
const NO_OUTPUT = new Uint8Array(TAG_SIZE);
/** Scratch: copying 16 bytes costs less than creating a view. */
const TAG = new Uint8Array(TAG_SIZE);

/**
 * A context per direction: the key is set up once, a record only sets its nonce. Costs four native
 * calls per record, five with associated data, and no copy.
 */
class EvpCipher implements Cipher {
  readonly tagSize = TAG_SIZE;
  readonly #call: Symbols;
  readonly #onDispose: () => void;
  #sealing: Deno.PointerValue;
  #opening: Deno.PointerValue;

  constructor(call: Symbols, name: CipherName, key: Uint8Array, onDispose: () => void) {
    checkSize("key", key.length, KEY_SIZE);
    this.#call = call;
    this.#onDispose = onDispose;
    this.#sealing = call.EVP_CIPHER_CTX_new();
    this.#opening = call.EVP_CIPHER_CTX_new();
    try {
      this.#setKey(name, key);
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  #setKey(name: CipherName, key: Uint8Array): void {
    const call = this.#call;
    const evp = call.EVP_get_cipherbyname(cString(name));
    if (evp === null) throw failed(call, "EVP_get_cipherbyname");
    if (this.#sealing === null || this.#opening === null) {
      throw failed(call, "EVP_CIPHER_CTX_new");
    }
    if (call.EVP_EncryptInit_ex_key(this.#sealing, evp, null, key, null) !== 1) {
      throw failed(call, "EVP_EncryptInit_ex");
    }
    if (call.EVP_DecryptInit_ex_key(this.#opening, evp, null, key, null) !== 1) {
      throw failed(call, "EVP_DecryptInit_ex");
    }
  }

  seal(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    from?: Uint8Array,
  ): void {
    const call = this.#call;
    const context = this.#sealing;
    const size = checked(context, nonce, aad, buf, start, end, tagAt);
    if (from !== undefined) checkSize("text", from.length, size);
    if (call.EVP_EncryptInit_ex(context, null, null, null, nonce) !== 1) {
      throw failed(call, "EVP_EncryptInit_ex");
    }
    if (aad !== null && aad.length > 0) {
      if (call.EVP_EncryptUpdate_aad(context, null, WRITTEN, aad, aad.length) !== 1) {
        throw failed(call, "EVP_EncryptUpdate");
      }
    }
    if (size > 0) { // an empty array may be passed as NULL, which Update takes for associated data
      const text = buf.subarray(start, end);
      const done = call.EVP_EncryptUpdate(context, text, WRITTEN, from ?? text, size);
      if (done !== 1 || WRITTEN[0] !== size) throw failed(call, "EVP_EncryptUpdate");
    }
    if (call.EVP_EncryptFinal_ex(context, NO_OUTPUT, WRITTEN) !== 1) {
      throw failed(call, "EVP_EncryptFinal_ex");
    }
    if (call.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, TAG) !== 1) {
      throw failed(call, "EVP_CIPHER_CTX_ctrl");
    }
    for (let i = 0; i < TAG_SIZE; i++) buf[tagAt + i] = TAG[i]!;
  }

  /** Decrypts before the tag is verified; after false, the text must not be used. */
  open(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    into?: Uint8Array,
  ): boolean {
    const call = this.#call;
    const context = this.#opening;
    const size = checked(context, nonce, aad, buf, start, end, tagAt);
    if (into !== undefined) checkRoom(into.length, size);
    if (call.EVP_DecryptInit_ex(context, null, null, null, nonce) !== 1) {
      throw failed(call, "EVP_DecryptInit_ex");
    }
    for (let i = 0; i < TAG_SIZE; i++) TAG[i] = buf[tagAt + i]!;
    if (call.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, TAG) !== 1) {
      throw failed(call, "EVP_CIPHER_CTX_ctrl");
    }
    if (aad !== null && aad.length > 0) {
      if (call.EVP_DecryptUpdate_aad(context, null, WRITTEN, aad, aad.length) !== 1) {
        throw failed(call, "EVP_DecryptUpdate");
      }
    }
    if (size > 0) {
      const text = buf.subarray(start, end);
      const done = call.EVP_DecryptUpdate(context, into ?? text, WRITTEN, text, size);
      if (done !== 1 || WRITTEN[0] !== size) throw failed(call, "EVP_DecryptUpdate");
    }
    // only the tag can be wrong here
    return call.EVP_DecryptFinal_ex(context, NO_OUTPUT, WRITTEN) === 1;
  }

  [Symbol.dispose](): void {
    if (this.#sealing === null) return;
    this.#free();
    this.#onDispose();
  }

  /** Wipes the keys; freeing NULL is a no-op. */
  #free(): void {
    this.#call.EVP_CIPHER_CTX_free(this.#sealing);
    this.#call.EVP_CIPHER_CTX_free(this.#opening);
    this.#sealing = null;
    this.#opening = null;
  }
}

/** Checks all offsets, which the library would trust. */
function checked(
  context: Deno.PointerValue,
  nonce: Nonce,
  aad: Uint8Array | null,
  buf: Uint8Array,
  start: number,
  end: number,
  tagAt: number,
): number {
  if (context === null) throw new TtunError("internal", "Cannot use a cipher after its end");
  checkSize("nonce", nonce.length, NONCE_SIZE);
  checkSpans(buf.length, start, end, tagAt, TAG_SIZE);
  if (end - start > MAX_INT || (aad !== null && aad.length > MAX_INT)) {
    throw new TtunError("internal", "Cannot use a text or associated data of 2 GiB or more");
  }
  return end - start;
}

/** `openssl errstr` explains the library's code. */
function failed(call: Symbols, name: string): TtunError {
  const code = call.ERR_peek_last_error();
  call.ERR_clear_error();
  return new TtunError(
    "system",
    `Cannot use libcrypto's cipher: ${name} failed with error ${code.toString(16).toUpperCase()}`,
  );
}
