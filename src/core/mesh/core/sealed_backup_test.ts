import { deepEqual, notDeepEqual, throws } from "node:assert/strict";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { ed25519Signer } from "../../../io/crypto/ed25519.ts";
import { nodeKeyExchange, sharedSecret } from "../../../io/crypto/x25519.ts";
import { montgomeryOf } from "../../x509/montgomery.ts";
import { openBackup, sealBackup } from "./sealed_backup.ts";

const rng = seededRng(1);

function authority(number: number) {
  const seed = new Uint8Array(32).fill(number);
  return { seed, publicKey: ed25519Signer(seed).publicKey };
}

Deno.test("core backup: any node can seal it, and only the authority's key opens it, whole", () => {
  const ours = authority(1);
  const seal = () => sealBackup(utf8("secret"), ours.publicKey, { exchange: nodeKeyExchange, rng });
  const sealed = seal();
  notDeepEqual(seal(), sealed);
  deepEqual(openBackup(sealed, ours, sharedSecret), utf8("secret"));
  throws(() => openBackup(sealed, authority(2), sharedSecret), /another cluster/);
  for (let at = 19; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    throws(() => openBackup(changed, ours, sharedSecret), /damaged/, String(at));
  }
  throws(() => openBackup(sealed.subarray(0, -1), ours, sharedSecret), /damaged/);
  throws(() => openBackup(utf8("hello"), ours, sharedSecret), /no backup/);
});

Deno.test("an Ed25519 key as one of X25519, as libsodium converts it", () => {
  // libsodium's test/default/ed25519_convert.c and its expected output.
  const seed = fromHex("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee");
  const { publicKey } = ed25519Signer(seed);
  deepEqual(
    toHex(montgomeryOf(publicKey)),
    "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50",
  );
});
