import assert from "node:assert/strict";
import fc from "fast-check";
import { addressSize, clampMss, isIpPacket, unseenPacket } from "./header.ts";

fc.configureGlobal({ seed: 14 });

/** A first byte that is often one of the two versions, and what follows it. */
const packet = fc.tuple(
  fc.oneof(fc.constantFrom(0x45, 0x4f, 0x60, 0x6f), fc.nat(255)),
  fc.uint8Array({ maxLength: 70, size: "max" }),
).map(([first, rest]) => Uint8Array.of(first, ...rest));

/** A second reading of RFC 791 section 3.1 and RFC 8200 section 3. */
function wantedSize(bytes: Uint8Array): 0 | 4 | 16 {
  const [first = 0] = bytes;
  if (first >= 0x40 && first < 0x50 && bytes.length >= 20) return 4;
  if (first >= 0x60 && first < 0x70 && bytes.length >= 40) return 16;
  return 0;
}

Deno.test("any bytes, cut at every place, are an IP packet where a second reading says so", () => {
  const seen = { 0: 0, 4: 0, 16: 0 };
  fc.assert(
    fc.property(packet, fc.nat(9), fc.nat(255), (whole, at, around) => {
      for (let length = 0; length <= whole.length; length++) {
        const bytes = new Uint8Array(at + whole.length + 9).fill(around);
        bytes.set(whole.subarray(0, length), at);
        const wanted = wantedSize(whole.subarray(0, length));
        assert.equal(addressSize(bytes, at, length), wanted, `${length} bytes`);
        assert.equal(isIpPacket(bytes, at, length), wanted !== 0, `${length} bytes`);
        seen[wanted]++;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(Math.min(...Object.values(seen)) > 300, JSON.stringify(seen));
});

Deno.test("the unseen packet is one of IPv6, and no packet when it is cut", () => {
  const whole = unseenPacket();
  assert.equal(addressSize(whole, 0, whole.length), 16);
  for (let length = 0; length < whole.length; length++) {
    assert.equal(isIpPacket(whole, 0, length), false, `${length} bytes`);
  }
});

Deno.test("clampMss() changes nothing of what it has clamped, and nothing of a cut packet's rest", () => {
  // TCP SYNs of both versions with an MSS of 1460 as their only option.
  const mss = [2, 4, 0x05, 0xb4];
  const tcp = [...new Array(12).fill(0), 0x60, 0x02, ...new Array(6).fill(0), ...mss];
  const v4 = [0x45, ...new Array(8).fill(0), 6, ...new Array(10).fill(1), ...tcp];
  const v6 = [0x60, ...new Array(5).fill(0), 6, ...new Array(33).fill(1), ...tcp];
  for (const bytes of [v4, v6]) {
    const whole = Uint8Array.from(bytes);
    const once = whole.slice();
    clampMss(once, 0, once.length, 1280);
    assert.notDeepEqual(once, whole);
    const twice = once.slice();
    clampMss(twice, 0, twice.length, 1280);
    assert.deepEqual(twice, once);
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice();
      clampMss(cut, 0, length, 1280);
      assert.deepEqual(cut, whole, `${length} bytes`);
    }
  }
});
