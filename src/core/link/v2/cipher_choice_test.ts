import assert from "node:assert/strict";
import { CIPHER_NAMES } from "../../../contract/cipher.ts";
import { chooseCipher, type CipherCosts } from "./cipher_choice.ts";

const [CHACHA, AES] = CIPHER_NAMES;
const BOTH = [CHACHA!, AES!];

const costs = (chacha: number, aes: number): CipherCosts => ({
  "chacha20-poly1305": chacha,
  "aes-256-gcm": aes,
});

Deno.test("of both the cipher is taken whose slower end is fastest", () => {
  const pick = (server: CipherCosts, own: CipherCosts) =>
    chooseCipher({ ciphers: BOTH, costs: server }, { ciphers: BOTH, costs: own })!.name;
  assert.equal(pick(costs(20, 5), costs(20, 5)), AES);
  assert.equal(pick(costs(20, 5), costs(30, 200)), CHACHA); // a small client has no AES in hardware
  assert.equal(pick(costs(30, 200), costs(20, 5)), CHACHA);
  assert.equal(pick(costs(100, 90), costs(20, 95)), AES);
  assert.equal(pick(costs(7, 7), costs(7, 7)), CHACHA); // a tie is the server's order
});

Deno.test("a server that does not leave it open, or has measured nothing, has its order", () => {
  for (const own of [costs(20, 5), null, undefined]) {
    const chosen = chooseCipher({ ciphers: [AES!, CHACHA!] }, { ciphers: BOTH, costs: own });
    assert.deepEqual(chosen, { name: AES, reason: "order" });
  }
});

Deno.test("a client whose user has named a cipher takes it where the server leaves it open", () => {
  const server = { ciphers: BOTH, costs: costs(20, 5) };
  assert.deepEqual(chooseCipher(server, { ciphers: BOTH, costs: null }), {
    name: CHACHA,
    reason: "named",
  });
  const other = chooseCipher({ ...server, ciphers: [AES!] }, { ciphers: BOTH, costs: null });
  assert.deepEqual(other, { name: AES, reason: "order" });
});

Deno.test("a client that has measured nothing goes by the server's costs; unknown ciphers are passed over", () => {
  const server = { ciphers: BOTH, costs: costs(20, 5) };
  assert.deepEqual(chooseCipher(server, { ciphers: BOTH }), { name: AES, reason: "speed" });
  assert.deepEqual(chooseCipher(server, { ciphers: [CHACHA!] })!.name, CHACHA);
  assert.equal(chooseCipher({ ciphers: [AES!] }, { ciphers: [CHACHA!] }), null);
});
