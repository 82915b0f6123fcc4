import assert from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import { bothEndsHere } from "./both_ends.ts";

const OWN = ["10.1.1.2/30", "fc11::2/126"].map(parseCidr);
const at = (link: string, text: string) => ({ link, address: parseCidr(text) });

Deno.test("addresses of other links in the tunnel's networks are named, all others are not", () => {
  const others = [
    at("lo", "127.0.0.1/8"),
    at("eth0", "10.1.1.5/8"),
    at("ttun0", "10.1.1.1/30"),
    at("ttun0", "fc11::1/126"),
    at("ttun0", "fe80::1/64"),
  ];
  assert.match(
    bothEndsHere(OWN, others)!,
    /what is sent to 10\.1\.1\.1 of ttun0 or fc11::1 of ttun0 goes over loopback/,
  );
  assert.equal(bothEndsHere(OWN, others.slice(0, 2)), null);
  assert.equal(bothEndsHere([], others), null);
});
