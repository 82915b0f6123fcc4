import assert from "node:assert/strict";
import fc from "fast-check";
import { PathMtuSearch } from "./path_mtu_search.ts";

type Path = (bytes: number) => "passes" | "lost" | { readonly says: number | null };

function searched(least: number, most: number, path: Path) {
  const search = new PathMtuSearch(least, most);
  const tried: number[] = [];
  for (let bytes = search.next(); bytes !== null; bytes = search.next()) {
    tried.push(bytes);
    const found = path(bytes);
    if (found === "passes") search.passed(bytes);
    else if (found === "lost") search.lost(bytes);
    else search.refused(bytes, found.says);
  }
  return { ...search.result, tried };
}

Deno.test("path MTU: a path that says what it carries is found with two packets", () => {
  const path: Path = (bytes) => bytes <= 1400 ? "passes" : { says: 1400 };
  assert.deepEqual(searched(68, 1500, path), {
    bytes: 1400,
    isBlackHole: false,
    tried: [1500, 1400],
  });
});

Deno.test("path MTU: any path is found, whatever it says and however it loses", () => {
  const range = fc.record({
    least: fc.integer({ min: 68, max: 1280 }),
    mtu: fc.integer({ min: 0, max: 9000 }),
    most: fc.integer({ min: 1280, max: 65_535 }),
    // Added to what the path carries, which a router never names too low.
    says: fc.oneof(fc.constant("lost" as const), fc.constant(null), fc.nat(70_000)),
  });
  fc.assert(fc.property(range, ({ least, mtu, most, says }) => {
    const carried = Math.max(least, Math.min(mtu, most));
    const { bytes, isBlackHole, tried } = searched(least, most, (bytes) => {
      if (bytes <= carried) return "passes";
      return says === "lost" ? "lost" : { says: says === null ? null : carried + says };
    });
    assert.equal(bytes, carried);
    assert.equal(isBlackHole, says === "lost" && carried < most);
    assert.ok(tried.length <= 20, `${tried}`);
  }));
});

Deno.test("path MTU: routers that speak before a black hole are followed to it", () => {
  const path: Path = (bytes) => bytes > 1492 ? { says: 1492 } : bytes > 1300 ? "lost" : "passes";
  const { bytes, isBlackHole } = searched(576, 1500, path);
  assert.deepEqual({ bytes, isBlackHole }, { bytes: 1300, isBlackHole: true });
});
