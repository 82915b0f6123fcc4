import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import { IssuedCertificate } from "./gateway_certificate.ts";

Deno.test("a visitor who leaves does not end the making of a certificate that others wait for", async () => {
  const asked: AbortSignal[] = [];
  const answer = Promise.withResolvers<Uint8Array>();
  const certificate = new IssuedCertificate("example.test", {
    held: {
      state: { certificate: new Uint8Array(100) },
      signer: ed25519Signer(new Uint8Array(32)),
    } as never,
    desk: {
      answer: (_request: Uint8Array, _nonce: Uint8Array, signal: AbortSignal) => {
        asked.push(signal);
        return answer.promise;
      },
    } as never,
    signal: new AbortController().signal,
  });
  const leaves = new AbortController();
  const [first, second] = [leaves, new AbortController()].map(({ signal }) =>
    assert.rejects(
      certificate.current(signal),
      (error: Error) => /left|no answer/.test(error.message),
    )
  );
  leaves.abort(new TtunError("lost", "It has left"));
  await first;
  assert.equal(asked.length, 1);
  assert(!asked[0]!.aborted);
  answer.reject(new TtunError("unreachable", "There is no answer"));
  await second;
});
