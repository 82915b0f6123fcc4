import assert from "node:assert/strict";
import { fromHex, toHex } from "../../base/bytes.ts";
import { ed25519Signer, verifyEd25519 } from "./ed25519.ts";

Deno.test("Ed25519 signs as in RFC 8032 section 7.1, test 2", () => {
  const seed = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const signer = ed25519Signer(seed);
  assert.equal(
    toHex(signer.publicKey),
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  );
  const signature = signer.sign(Uint8Array.of(0x72));
  assert.equal(
    toHex(signature),
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  assert(verifyEd25519(signer.publicKey, Uint8Array.of(0x72), signature));
});

Deno.test("Ed25519 refuses another message, another key, and what is neither key nor signature", () => {
  const [one, two] = [1, 2].map((byte) => ed25519Signer(new Uint8Array(32).fill(byte)));
  const message = new Uint8Array(100);
  const signature = one!.sign(message);
  assert(verifyEd25519(one!.publicKey, message, signature));
  assert(!verifyEd25519(two!.publicKey, message, signature));
  assert(!verifyEd25519(one!.publicKey, new Uint8Array(101), signature));
  assert(!verifyEd25519(one!.publicKey, message, new Uint8Array(64)));
  assert(!verifyEd25519(one!.publicKey, message, signature.subarray(1)));
  assert(!verifyEd25519(new Uint8Array(31), message, signature));
  assert(!verifyEd25519(new Uint8Array(32).fill(0xff), message, signature));
});
