import { strictEqual } from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { test } from "../../../tests/check.ts";
import { SCRYPT } from "../../core/link/v2/secrets.ts";
import { linkSecret } from "./link_secret.ts";

test("a link's secret is the same whatever works it out", async () => {
  const psk = new TextEncoder().encode("correct horse battery staple");
  const { salt, length, N, r, p } = SCRYPT;
  const byNode = scryptSync(psk, salt, length, { N, r, p, maxmem: 64 << 20 });
  strictEqual((await linkSecret(psk)).toHex(), new Uint8Array(byNode).toHex());
});
