import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { DEFAULT_PORT_RANGE, formatPortRange, parsePortRange, portOf } from "./port_range.ts";

Deno.test("parsePortRange() reads two ports", () => {
  assert.deepEqual(parsePortRange("1024-65535"), DEFAULT_PORT_RANGE);
  assert.deepEqual(parsePortRange("1-65535"), { first: 1, last: 65535 });
  assert.deepEqual(parsePortRange("20000-30000"), { first: 20000, last: 30000 });
  assert.deepEqual(parsePortRange("443-443"), { first: 443, last: 443 });
  assert.deepEqual(parsePortRange("00443-01024"), { first: 443, last: 1024 });
});

Deno.test("parsePortRange() says what is wrong, and what to write", () => {
  const cases: [string, string][] = [
    ["", "write two ports, as 1024-65535"],
    ["1024", "write two ports, as 1024-65535"],
    ["1024-", "write two ports, as 1024-65535"],
    ["-1024", "write two ports, as 1024-65535"],
    ["1024-2048-4096", "write two ports, as 1024-65535"],
    ["1024 - 2048", "write two ports, as 1024-65535"],
    ["1024-2048\n", "write two ports, as 1024-65535"],
    ["0x400-0x800", "write two ports, as 1024-65535"],
    ["1e3-2e3", "write two ports, as 1024-65535"],
    ["100000-200000", "write two ports, as 1024-65535"],
    ["0-10", "ports are numbers from 1 to 65535"],
    ["0-0", "ports are numbers from 1 to 65535"],
    ["1024-65536", "ports are numbers from 1 to 65535"],
    ["65536-1", "ports are numbers from 1 to 65535"],
    ["30000-20000", "write the smaller port first, as 20000-30000"],
  ];
  for (const [text, advice] of cases) {
    assert.throws(() => parsePortRange(text), {
      name: "TtunError",
      kind: "usage",
      message: `Cannot read port range ${JSON.stringify(text)}: ${advice}`,
    });
  }
});

Deno.test("any text is a range or an error of ours", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d+-\d+$/)), (text) => {
    try {
      const { first, last } = parsePortRange(text);
      assert.ok(first >= 1 && first <= last && last <= 65535);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
    }
  }));
});

Deno.test("every range is read as it was written", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(fc.property(port, port, (a, b) => {
    const range = { first: Math.min(a, b), last: Math.max(a, b) };
    assert.deepEqual(parsePortRange(formatPortRange(range)), range);
  }));
});

Deno.test("portOf() uses all ports of a range but the last, and a single one always", () => {
  const used = (first: number, last: number) =>
    [...new Set(Array.from({ length: 100 }, (_, otp) => portOf(otp, { first, last })))].sort();
  assert.deepEqual(used(40000, 40003), [40000, 40001, 40002]);
  assert.deepEqual(used(40000, 40002), [40000, 40001]);
  assert.deepEqual(used(40000, 40001), [40000]);
  assert.deepEqual(used(40000, 40000), [40000]);
  assert.equal(portOf(999_999, DEFAULT_PORT_RANGE), 1024 + 999_999 % 64511);
  assert.equal(portOf(64510, DEFAULT_PORT_RANGE), 65534);
  assert.equal(portOf(64511, DEFAULT_PORT_RANGE), 1024);
});

Deno.test("portOf() of any OTP is a port of the range, and the last only where it is the first", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(fc.property(port, port, fc.nat(0xffff_ffff), (a, b, otp) => {
    const range = { first: Math.min(a, b), last: Math.max(a, b) };
    const found = portOf(otp, range);
    if (range.first === range.last) return assert.equal(found, range.first);
    assert.ok(Number.isInteger(found) && found >= range.first && found < range.last);
    assert.equal(portOf(otp + range.last - range.first, range), found);
  }));
});
