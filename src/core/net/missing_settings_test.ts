import assert from "node:assert/strict";
import {
  missing,
  missingNames,
  missingText,
  onlyNamed,
  type PresentSettings,
} from "./missing_settings.ts";

const WANTED = {
  mtu: 1280,
  addresses: ["10.1.1.2/30", "fc11::2/126"],
  routes: ["10.77.0.0/16", "fd00:77::/32"],
};
const present = (o: Partial<PresentSettings>): PresentSettings => ({ ...WANTED, up: true, ...o });

Deno.test("a device that has all it is to have lacks nothing, also where it has more", () => {
  assert.equal(missing(WANTED, present({})), null);
  const more = {
    addresses: [...WANTED.addresses, "fe80::1/64"],
    routes: ["::/0", ...WANTED.routes],
  };
  assert.equal(missing(WANTED, present(more)), null);
});

Deno.test("each thing that is missing is told, and no other", () => {
  const none = { mtu: false, up: false, addresses: [], routes: [] };
  const cases: [Partial<PresentSettings>, object][] = [
    [{ mtu: 1400 }, { mtu: true }],
    [{ up: false }, { up: true }],
    [{ addresses: ["10.1.1.2/30"] }, { addresses: ["fc11::2/126"] }],
    // An address of another prefix, or with a peer, is another.
    [{ addresses: ["10.1.1.2/24", "fc11::2/126"] }, { addresses: ["10.1.1.2/30"] }],
    [{ routes: [] }, { routes: WANTED.routes }],
  ];
  for (const [there, wanted] of cases) {
    assert.deepEqual(missing(WANTED, present(there)), { ...none, ...wanted });
  }
});

Deno.test("the text names everything, of many routes the first few and how many more", () => {
  const routes = Array.from({ length: 9500 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const wanted = { ...WANTED, routes };
  const found = missing(wanted, { mtu: 1400, up: false, addresses: [], routes: [] });
  assert.equal(
    missingText(found!),
    "MTU, link up, 10.1.1.2/30, fc11::2/126, route 10.0.0.0/24, route 10.0.1.0/24, " +
      "route 10.0.2.0/24, 9497 more routes",
  );
});

Deno.test("things are picked by their names", () => {
  const found = missing(WANTED, { mtu: 1400, up: false, addresses: [], routes: [] })!;
  assert.deepEqual(onlyNamed(found, missingNames(found)), found);
  assert.deepEqual(onlyNamed(found, ["link up", "fc11::2/126", "route 10.77.0.0/16"]), {
    mtu: false,
    up: true,
    addresses: ["fc11::2/126"],
    routes: ["10.77.0.0/16"],
  });
});
