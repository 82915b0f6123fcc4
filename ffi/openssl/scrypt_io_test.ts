import { test } from "../../tests/check.ts";
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { opensslScrypt } from "./scrypt.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("libcrypto's scrypt gives the vectors of RFC 7914 section 12", async () => {
  const o = { N: 1024, r: 8, p: 16, most: 64 << 20 };
  const key = await opensslScrypt(bytes("password"), bytes("NaCl"), 64, o);
  strictEqual(
    key?.toHex(),
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622e" +
      "af30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
  );
});

test("scrypt that would take more memory than it may is refused", async () => {
  const o = { N: 2 ** 15, r: 8, p: 1, most: 1 << 20 };
  deepStrictEqual(await opensslScrypt(bytes("password"), bytes("NaCl"), 32, o), null);
});
