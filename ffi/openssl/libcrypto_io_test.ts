import { test } from "../../tests/check.ts";
import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { TtunError } from "../../src/base/errors.ts";
import { CIPHER_NAMES } from "../../src/contract/cipher.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { agreementSuite, always, cipherSuite } from "../../tests/suite/cipher_suite.ts";
import { openLibcrypto } from "./libcrypto.ts";

cipherSuite("native", openLibcrypto, test);
agreementSuite("native and pure", openLibcrypto, always(makePureCipher), test);

const KEY = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(12);

test("openLibcrypto() tells the library's version", () => {
  using libcrypto = openLibcrypto();
  match(libcrypto.version, /^\w+SSL \d+\.\d+/);
});

test("closing libcrypto ends its ciphers, and each may still be disposed of", () => {
  const libcrypto = openLibcrypto();
  const ciphers = CIPHER_NAMES.map((name) => libcrypto.makeCipher(name, KEY));
  libcrypto[Symbol.dispose]();
  libcrypto[Symbol.dispose]();
  const buf = new Uint8Array(64);
  for (const cipher of ciphers) {
    throws(() => cipher.seal(NONCE, null, buf, 0, 10, 20), TtunError);
    throws(() => cipher.open(NONCE, null, buf, 0, 10, 20), TtunError);
    cipher[Symbol.dispose]();
  }
  throws(() => libcrypto.makeCipher("aes-256-gcm", KEY), TtunError);
  deepStrictEqual(buf, new Uint8Array(64));
});

test("a library that is open stays so when another handle of it is closed", () => {
  using kept = openLibcrypto();
  using cipher = kept.makeCipher("chacha20-poly1305", KEY);
  openLibcrypto()[Symbol.dispose]();
  const buf = new Uint8Array(64);
  cipher.seal(NONCE, null, buf, 0, 10, 20);
  strictEqual(cipher.open(NONCE, null, buf, 0, 10, 20), true);
});

test("ciphers made and disposed of leave no memory behind", () => {
  using libcrypto = openLibcrypto();
  const makeSome = (count: number) => {
    for (let i = 0; i < count; i++) {
      for (const name of CIPHER_NAMES) libcrypto.makeCipher(name, KEY)[Symbol.dispose]();
    }
  };
  makeSome(2_000);
  const before = Deno.memoryUsage().rss;
  makeSome(20_000); // 80,000 contexts of about 1 KiB each
  const grown = Deno.memoryUsage().rss - before;
  strictEqual(grown < 32 * 1024 * 1024, true, `grew by ${grown} bytes`);
});
