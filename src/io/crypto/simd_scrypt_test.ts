import { strictEqual } from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { SimdScrypt } from "./simd_scrypt.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("scrypt gives a vector of RFC 7914 section 12, of sixteen lanes", async () => {
  const key = await new SimdScrypt({ N: 1024, r: 8, p: 16 })
    .derive(bytes("password"), bytes("NaCl"), 64);
  strictEqual(
    key.toHex(),
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622e" +
      "af30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
  );
});

Deno.test("scrypt agrees with node:crypto, whatever N, p and the length", async () => {
  for (const [N, p, length] of [[2, 1, 1], [16, 2, 31], [4096, 3, 32], [2048, 4, 100]] as const) {
    const key = await new SimdScrypt({ N, r: 8, p }).derive(bytes("geheim"), bytes("Salz"), length);
    const expected = new Uint8Array(scryptSync("geheim", "Salz", length, { N, r: 8, p }));
    strictEqual(key.toHex(), expected.toHex(), `N ${N}, p ${p}`);
  }
});
