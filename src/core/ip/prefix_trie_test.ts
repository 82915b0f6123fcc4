import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, networkOf, parseCidr, parseIp } from "../../base/addr.ts";
import { longestMatch } from "../../base/prefix.ts";
import { PrefixTrie } from "./prefix_trie.ts";

Deno.test("the longest prefix counts, each family by itself, and of equal ones the first", () => {
  const texts = ["10.0.0.0/8", "10.1.0.0/16", "fd00::/32", "10.1.2.3/32", "10.1.0.0/16", "::/0"];
  const trie = new PrefixTrie(texts.map(parseCidr));
  const find = (text: string) => {
    const bytes = new Uint8Array(40);
    const ip = parseIp(text)!;
    bytes.set(ip, 7);
    return trie.find(bytes, 7, ip.length as 4 | 16);
  };
  assert.deepEqual(
    ["10.9.9.9", "10.1.9.9", "10.1.2.3", "11.0.0.1", "0.0.0.0", "fd00::1", "fd01::1"].map(find),
    [0, 1, 3, -1, -1, 2, 5],
  );
  assert.equal(new PrefixTrie([]).find(new Uint8Array(4), 0, 4), -1);
});

Deno.test("it finds what a look at all of them finds", () => {
  const bytes = (size: number) =>
    fc.uint8Array({ minLength: size, maxLength: size, max: 3 }).map((low) => low);
  const four = fc.tuple(bytes(4), fc.nat(32)).map(([b, prefix]): Cidr =>
    networkOf({ family: 4, bytes: b, prefix })
  );
  const six = fc.tuple(bytes(16), fc.nat(128)).map(([b, prefix]): Cidr =>
    networkOf({ family: 6, bytes: b, prefix })
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(four, six)), fc.oneof(bytes(4), bytes(16)), (list, ip) => {
      const wanted = longestMatch(list.map((cidr, i) => ({ cidr, i })), ip)?.i ?? -1;
      assert.equal(new PrefixTrie(list).find(ip, 0, ip.length as 4 | 16), wanted);
    }),
    { numRuns: 500 },
  );
});
