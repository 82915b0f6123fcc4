import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { CertificateAnswer, certificateQuestion } from "./clear_certificates.ts";

const NAMES = { name: "any.node.invalid", alpn: "ttun-mesh-join/1" };

function u24(length: number): Uint8Array {
  return Uint8Array.of(length >> 16, length >> 8 & 0xff, length & 0xff);
}

function message(type: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type), u24(body.length), body);
}

function record(body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(22, 3, 3, body.length >> 8, body.length & 0xff), body);
}

function answerWith(certificates: readonly Uint8Array[]): Uint8Array {
  const list = concat(...certificates.map((one) => concat(u24(one.length), one)));
  return concat(message(2, new Uint8Array(40)), message(11, concat(u24(list.length), list)));
}

Deno.test("the question is a hello of TLS 1.2 whose lengths are right", () => {
  const question = certificateQuestion(new Uint8Array(32).fill(7), NAMES);
  assert.deepEqual([...question.subarray(0, 3)], [22, 3, 1]);
  assert.equal(question[3]! << 8 | question[4]!, question.length - 5);
  assert.deepEqual([...question.subarray(5, 7)], [1, 0]);
  assert.equal(question[7]! << 8 | question[8]!, question.length - 9);
});

Deno.test("certificates are read in whatever pieces and records they come", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 4 }),
    fc.integer({ min: 1, max: 700 }),
    fc.integer({ min: 1, max: 300 }),
    (certificates, perRecord, perPiece) => {
      const whole = answerWith(certificates);
      const records: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += perRecord) {
        records.push(record(whole.subarray(at, at + perRecord)));
      }
      const bytes = concat(...records);
      const answer = new CertificateAnswer();
      let found: Uint8Array[] | null = null;
      for (let at = 0; at < bytes.length && found === null; at += perPiece) {
        found = answer.feed(bytes.subarray(at, at + perPiece));
      }
      assert.deepEqual(found?.map((one) => [...one]), certificates.map((one) => [...one]));
    },
  ));
});

Deno.test("an answer of another kind, without an end, or damaged is refused, whatever it is", () => {
  const alert = Uint8Array.of(21, 3, 3, 0, 2, 2, 40);
  assert.throws(() => new CertificateAnswer().feed(alert), /no handshake of TLS 1\.2/);
  const done = record(message(14, new Uint8Array()));
  assert.throws(() => new CertificateAnswer().feed(done), /there are none in it/);
  const huge = record(concat(Uint8Array.of(11, 255, 255, 255), new Uint8Array(10)));
  assert.throws(() => new CertificateAnswer().feed(huge), /too long/);
  assert.throws(() => {
    const answer = new CertificateAnswer();
    for (let i = 0; i < 100; i++) answer.feed(record(message(2, new Uint8Array(4000))));
  }, /too long/);
  const whole = record(answerWith([new Uint8Array(300)]));
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 400 }),
    fc.nat(whole.length - 1),
    fc.nat(255),
    (garbage, at, byte) => {
      const changed = whole.slice();
      changed[at] = byte;
      for (const bytes of [garbage, changed]) {
        try {
          const found = new CertificateAnswer().feed(bytes);
          assert(found === null || found.every((one) => one.length <= bytes.length));
        } catch (error) {
          assert(error instanceof ProtocolError, `${error}`);
        }
      }
    },
  ));
});
