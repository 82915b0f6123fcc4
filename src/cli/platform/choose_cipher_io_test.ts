import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { type LogRecord, makeLogger } from "../../base/log.ts";
import { openLibcrypto } from "../../../ffi/openssl/libcrypto.ts";
import type { CipherFactory } from "../../contract/cipher.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { makeNodeCipher } from "../../io/crypto/node_cipher.ts";
import { agreementSuite, always, cipherSuite } from "../../../tests/suite/cipher_suite.ts";
import {
  chooseCiphers,
  CIPHER_IMPLEMENTATIONS,
  type CipherCandidate,
  type CipherCandidates,
} from "./choose_cipher.ts";
import { test } from "../../../tests/check.ts";

agreementSuite("native and node", openLibcrypto, always(makeNodeCipher));

cipherSuite("chosen", () => {
  const chosen = chooseCiphers("auto", recorder().log);
  return { makeCipher: chosen.factory, [Symbol.dispose]: () => chosen[Symbol.dispose]() };
});

test("chooseCiphers() takes the native ciphers when they are there, and says nothing", () => {
  const { log, records } = recorder();
  using chosen = chooseCiphers("auto", log);
  strictEqual(chosen.name, "native");
  match(chosen.detail, /SSL/);
  deepStrictEqual(records, []);
});

test("chooseCiphers() takes the one that is named", () => {
  for (const name of CIPHER_IMPLEMENTATIONS) {
    using chosen = chooseCiphers(name, recorder().log);
    strictEqual(chosen.name, name);
  }
});

// Without permissions descriptors cannot be compared.
Deno.test({
  name: "chooseCiphers() does not ask for a permission that is missing",
  permissions: { ffi: false },
  fn: () => {
    const { log, records } = recorder();
    using chosen = chooseCiphers("auto", log);
    strictEqual(chosen.name, "node");
    deepStrictEqual(records.map((r) => r.level), ["debug"]);
    throws(() => chooseCiphers("native", log), { kind: "system", message: /--allow-ffi/ });
  },
});

test("chooseCiphers() warns of ciphers that give wrong answers, closes them, takes the next", () => {
  const { log, records } = recorder();
  const native = candidate(spoiled);
  const node = candidate(makePureCipher);
  using chosen = chooseCiphers("auto", log, { ...fakes(), native, node });
  strictEqual(chosen.name, "node");
  strictEqual(native.openCount, 0);
  strictEqual(node.openCount, 1);
  deepStrictEqual(records.map((r) => r.level), ["warn"]);
  match(records[0]!.message, /native ciphers cannot be used.*seals a known text to other bytes/);
  chosen[Symbol.dispose]();
  strictEqual(node.openCount, 0);
});

test("chooseCiphers() warns of ciphers that fail in the self-test, and closes them", () => {
  const { log, records } = recorder();
  const native = candidate(() => {
    throw new TtunError("system", "Cannot use libcrypto's cipher");
  });
  using chosen = chooseCiphers("auto", log, { ...fakes(), native });
  strictEqual(chosen.name, "node");
  strictEqual(native.openCount, 0);
  deepStrictEqual(records.map((r) => r.level), ["warn"]);
});

test("chooseCiphers() fails with what to do when the one that is named is of no use", () => {
  const { log, records } = recorder();
  const wrong = { ...fakes(), native: candidate(spoiled) };
  throws(() => chooseCiphers("native", log, wrong), {
    kind: "system",
    message: /^Cannot use the native ciphers: .* other bytes\. Do this$/,
  });
  strictEqual(wrong.native.openCount, 0);
  throws(() => chooseCiphers("node", log, { ...fakes(), node: absent() }), {
    kind: "system",
    message: "Cannot use the node ciphers: Cannot open it. Do this",
  });
  deepStrictEqual(records, []);
});

test("chooseCiphers() fails when there is none at all", () => {
  const none = { native: absent(), node: absent(), pure: absent() };
  throws(() => chooseCiphers("auto", recorder().log, none), { kind: "system" });
});

function recorder() {
  const records: LogRecord[] = [];
  return { records, log: makeLogger((record) => records.push(record), () => 0) };
}

/** A candidate that counts how often it is open. */
function candidate(factory: CipherFactory): CipherCandidate & { openCount: number } {
  const fake = {
    openCount: 0,
    remedy: "Do this",
    open: () => {
      fake.openCount++;
      return { factory, detail: "a fake", [Symbol.dispose]: () => void fake.openCount-- };
    },
  };
  return fake;
}

function absent(): CipherCandidate {
  return {
    remedy: "Do this",
    open: () => {
      throw new TtunError("system", "Cannot open it");
    },
  };
}

function fakes(): CipherCandidates {
  return {
    native: candidate(makePureCipher),
    node: candidate(makePureCipher),
    pure: candidate(makePureCipher),
  };
}

/** Every key is taken for another one. */
const spoiled: CipherFactory = (name, key) => makePureCipher(name, key.map((byte) => byte ^ 1));
