import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import {
  decodeDescriptor,
  descriptorBytes,
  encodeDescriptor,
  isNewer,
  signDescriptor,
} from "./descriptor.ts";
import { nodeKeyOf } from "./node_id.ts";

const BODY = {
  publicKey: new Uint8Array(32).fill(7),
  place: 3,
  addresses: ["192.0.2.1:20204", "[2001:db8::1]:20204"],
  host: "rack1",
  zone: "eu",
  roles: ["node", "gateway"],
  incarnation: 1_700_000_000_123,
  lowestVersion: 1,
  highestVersion: 2,
  notAfter: 1_700_086_400_000,
} as const;

const fakeSign = (body: Uint8Array) => new Uint8Array(64).fill(body.length);

Deno.test("descriptor: what is read is what was written, with key and position", () => {
  const descriptor = signDescriptor(BODY, fakeSign);
  deepEqual(decodeDescriptor(encodeDescriptor(descriptor)), descriptor);
  equal(descriptor.key, nodeKeyOf(BODY.publicKey));
  equal(descriptor.signature[0], descriptorBytes(BODY).length);
});

Deno.test("descriptor: any bytes are refused or read, never more than that", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 520 }), (bytes) => {
    try {
      decodeDescriptor(bytes);
    } catch (error) {
      equal(error instanceof ProtocolError, true);
    }
  }));
  const bytes = encodeDescriptor(signDescriptor(BODY, fakeSign));
  for (let length = 0; length < bytes.length; length++) {
    throws(() => decodeDescriptor(bytes.subarray(0, length)), ProtocolError);
  }
});

Deno.test("descriptor: a later start replaces an earlier one, then a later signature", () => {
  const made = (o: object) => signDescriptor({ ...BODY, ...o }, fakeSign);
  const [first, restarted] = [made({}), made({ incarnation: BODY.incarnation + 1, notAfter: 5 })];
  equal(isNewer(restarted, first), true);
  equal(isNewer(first, restarted), false);
  equal(isNewer(made({ notAfter: BODY.notAfter + 1 }), first), true);
  equal(isNewer(first, first), false);
});
