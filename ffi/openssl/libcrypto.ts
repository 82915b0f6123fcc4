import { checkRoom, checkSize, checkSpans } from "../../src/base/aead_bounds.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { Cipher, CipherFactory, CipherName, Nonce } from "../../src/contract/cipher.ts";
import { type Library, openLibrary } from "../library.ts";

/** The sizes that EVP takes by default for both ciphers. */
const KEY_SIZE = 32;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** openssl/evp.h */
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const OPENSSL_VERSION = 0;

/** Lengths are C ints here, so a text may not be longer. */
const MAX_INT = 0x7fff_ffff;

/**
 * The calls of OpenSSL 1.1 and 3 (their names and numbers are the same in both). What is given
 * twice has one entry with `pointer` where the call gets NULL, one with `buffer` where it gets
 * bytes.
 */
const TABLE = {
  // const char *OpenSSL_version(int type)
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  // unsigned long ERR_peek_last_error(void): the codes have 32 bits, and so has a long of Windows
  ERR_peek_last_error: { parameters: [], result: "u32" },
  ERR_clear_error: { parameters: [], result: "void" },
  // const EVP_CIPHER *EVP_aes_256_gcm(void)
  EVP_aes_256_gcm: { parameters: [], result: "pointer" },
  EVP_chacha20_poly1305: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  // int EVP_EncryptInit_ex(ctx, const EVP_CIPHER *, ENGINE *, const uint8_t *key, const uint8_t *iv)
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
  // int EVP_EncryptUpdate(ctx, uint8_t *out, int *outl, const uint8_t *in, int inl)
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
  // int EVP_EncryptFinal_ex(ctx, uint8_t *out, int *outl)
  EVP_EncryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_DecryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  // int EVP_CIPHER_CTX_ctrl(ctx, int type, int arg, void *ptr)
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/**
 * Names to try, best first. On macOS never the bare `libcrypto.dylib`: loading Apple's own copy
 * ends the process.
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

/** An open libcrypto. Dispose ends all ciphers made from it, then closes the library. */
export interface Libcrypto extends Disposable {
  /** As the library says it, such as "OpenSSL 3.0.19 27 Jan 2026". */
  readonly version: string;
  /**
   * Makes a cipher that keeps its key inside the library until it is disposed of.
   * @throws {TtunError} `system` when the library does not offer it (FIPS mode, for one),
   * `internal` after dispose or when the key has not 32 bytes.
   */
  readonly makeCipher: CipherFactory;
}

/**
 * Opens OpenSSL's libcrypto.
 * @throws {TtunError} `system` where there is none that can be opened.
 */
export function openLibcrypto(): Libcrypto {
  const library = openLibrary(NAMES[Deno.build.os] ?? UNIX_NAMES, TABLE);
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
      for (const cipher of living) cipher[Symbol.dispose](); // their contexts are the library's memory
      library[Symbol.dispose]();
    },
  };
}

function versionOf(library: Library<typeof TABLE>): string {
  const text = library.symbols.OpenSSL_version(OPENSSL_VERSION);
  return text === null ? library.path : new Deno.UnsafePointerView(text).getCString();
}

/** `int *outl` of every call, and where Final writes the nothing that it has to write. */
const WRITTEN = new Int32Array(1);
const NOTHING = new Uint8Array(TAG_SIZE);
/** The tag of the record at hand: copying it costs less than a view of it. */
const TAG = new Uint8Array(TAG_SIZE);

/**
 * One key in two contexts, one per direction, so that the key is set up once and a record sets
 * only its nonce. Four calls a record, five with associated data, and no copy.
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
    const evp = name === "aes-256-gcm" ? call.EVP_aes_256_gcm() : call.EVP_chacha20_poly1305();
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
    if (size > 0) { // an empty array may come as NULL, which Update takes for associated data
      const text = buf.subarray(start, end);
      const done = call.EVP_EncryptUpdate(context, text, WRITTEN, from ?? text, size);
      if (done !== 1 || WRITTEN[0] !== size) throw failed(call, "EVP_EncryptUpdate");
    }
    if (call.EVP_EncryptFinal_ex(context, NOTHING, WRITTEN) !== 1) {
      throw failed(call, "EVP_EncryptFinal_ex");
    }
    if (call.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, TAG) !== 1) {
      throw failed(call, "EVP_CIPHER_CTX_ctrl");
    }
    for (let i = 0; i < TAG_SIZE; i++) buf[tagAt + i] = TAG[i]!;
  }

  /** Has decrypted the text already when it finds that the tag is wrong. */
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
    return call.EVP_DecryptFinal_ex(context, NOTHING, WRITTEN) === 1; // all else was checked above
  }

  [Symbol.dispose](): void {
    if (this.#sealing === null) return;
    this.#free();
    this.#onDispose();
  }

  /** The library wipes the key as it frees a context; NULL is a no-op to it. */
  #free(): void {
    this.#call.EVP_CIPHER_CTX_free(this.#sealing);
    this.#call.EVP_CIPHER_CTX_free(this.#opening);
    this.#sealing = null;
    this.#opening = null;
  }
}

/** Size of the text. The library would believe whatever offset it is given. */
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

/** The library's own code for it; `openssl errstr` turns it into words. */
function failed(call: Symbols, name: string): TtunError {
  const code = call.ERR_peek_last_error();
  call.ERR_clear_error();
  return new TtunError(
    "system",
    `Cannot use libcrypto's cipher: ${name} failed with error ${code.toString(16).toUpperCase()}`,
  );
}
