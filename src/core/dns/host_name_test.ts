import assert from "node:assert/strict";
import fc from "fast-check";
import { isLocalhost, readHost } from "./host_name.ts";

const read = (text: string) => {
  const form = readHost(text);
  return form.kind === "address" ? form.address : `${form.name} ${form.isAbsolute}`;
};

Deno.test("addresses in all the ways in which getaddrinfo takes them", () => {
  const cases: Record<string, string> = {
    "192.0.2.1": "192.0.2.1",
    "127.1": "127.0.0.1",
    "1": "0.0.0.1",
    "0": "0.0.0.0",
    "0x7f.1": "127.0.0.1",
    "0X7F000001": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "010.1.2.3": "8.1.2.3",
    "1.2.65535": "1.2.255.255",
    "4294967295": "255.255.255.255",
    "2001:DB8::1": "2001:db8::1",
    "fe80::1%eth0": "fe80::1%eth0",
  };
  for (const [text, wanted] of Object.entries(cases)) assert.equal(read(text), wanted);
});

Deno.test("names: any case, underscores, a dot at the end, other scripts, numbers that are no address", () => {
  const cases: Record<string, string> = {
    "Example.COM": "example.com false",
    "example.com.": "example.com true",
    "_srv._tcp.a-b": "_srv._tcp.a-b false",
    "bücher.example": "xn--bcher-kva.example false",
    "例え.テスト": "xn--r8jz45g.xn--zckzah false",
    "256.1.1.1": "256.1.1.1 false",
    "1.2.3.4.5": "1.2.3.4.5 false",
    "4294967296": "4294967296 false",
    "1.2.65536": "1.2.65536 false",
    "08.1": "08.1 false",
    "0x": "0x false",
  };
  for (const [text, wanted] of Object.entries(cases)) assert.equal(read(text), wanted);
});

Deno.test("what is no host name is refused with the reason", () => {
  const label = "a".repeat(63);
  assert.equal(read(label), `${label} false`);
  const longest = `${label}.${label}.${label}.${"a".repeat(61)}`;
  assert.equal(read(longest), `${longest} false`);
  const cases: [string, RegExp][] = [
    [`${label}a.example`, /at most 63/],
    [`${longest}a`, /at most 253/],
    ["", /no host name/],
    [".", /no host name/],
    ["a..b", /no host name/],
    [".a", /no host name/],
    ["a..", /no host name/],
    ["a b", /no host name/],
    ["a\0b", /no host name/],
    ["ü/@b", /no host name/],
    ["fe80::1%", /no host name/],
    ["192.0.2.1%eth0", /no host name/],
    ["x".repeat(5000), /"x{100}…": a host name has/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => readHost(text), { kind: "name", reason: "invalid", message });
  }
});

Deno.test("names of this machine alone", () => {
  assert.deepEqual(
    ["localhost", "a.localhost", "notlocalhost", "localhost.example"].map(isLocalhost),
    [true, true, false, false],
  );
});

Deno.test("any text is an address, a name that DNS can carry, or refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.domain()), (text) => {
      try {
        const form = readHost(text);
        if (form.kind === "name") assert.match(form.name, /^[a-z0-9_.-]{1,253}$/);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, "invalid");
      }
    }),
  );
});
