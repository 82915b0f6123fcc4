import assert from "node:assert/strict";
import fc from "fast-check";
import { type Field, listOf, trimSpace, valuesOf } from "./fields.ts";

fc.configureGlobal({ seed: 17 });

const text = fc.array(fc.constantFrom(..." \t,aB1-\xa0\xff\r\n".split("")), { maxLength: 12 })
  .map((chars) => chars.join(""));

Deno.test("space around a text is spaces and tabs, at both ends, and nothing else", () => {
  const cases: [string, string][] = [
    ["", ""],
    [" \t \t", ""],
    ["\t a b\t ", "a b"],
    ["\xa0a\xa0", "\xa0a\xa0"],
    ["\ra\n", "\ra\n"],
  ];
  for (const [padded, wanted] of cases) assert.equal(trimSpace(padded), wanted);
  fc.assert(fc.property(text, (any) => {
    assert.equal(trimSpace(any), any.replace(/^[ \t]+/, "").replace(/[ \t]+$/, ""));
  }));
});

Deno.test("a long run of spaces inside of a text takes no time squared", () => {
  const padded = `a${" ".repeat(300_000)}b`;
  const began = performance.now();
  assert.equal(trimSpace(padded), padded);
  assert.ok(performance.now() - began < 1_000);
});

/** Names in any case: two that are looked for, and one that is not. */
const name = fc.constantFrom("Via", "VIA", "via", "Connection", "cOnnection", "Vi", "Via ");
const fields: fc.Arbitrary<Field[]> = fc.array(fc.record({ name, value: text }), { maxLength: 6 });

Deno.test("the values of a name, in any case, are those of its fields in their order", () => {
  fc.assert(fc.property(fields, (all) => {
    const wanted = all.filter((field) => /^via$/i.test(field.name)).map(({ value }) => value);
    assert.deepEqual(valuesOf(all, "via"), wanted);
  }));
  assert.deepEqual(valuesOf([], "via"), []);
});

/** RFC 9110 section 5.6.1 by a second reading: a byte at a time. */
function elements(value: string): string[] {
  const found = [""];
  for (const char of value) {
    if (char === ",") found.push("");
    else found.push(found.pop() + char);
  }
  return found.map((element) => element.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase())
    .filter((element) => element !== "");
}

Deno.test("a list goes over all lines of its name, without empty elements, in lower case", () => {
  assert.deepEqual(
    listOf([
      { name: "Connection", value: "Close, ,X-Mine\t" },
      { name: "Via", value: "1.1 a" },
      { name: "connection", value: "" },
      { name: "CONNECTION", value: ",keep-alive" },
    ], "connection"),
    ["close", "x-mine", "keep-alive"],
  );
  fc.assert(fc.property(fields, (all) => {
    const wanted = valuesOf(all, "connection").flatMap(elements);
    assert.deepEqual(listOf(all, "connection"), wanted);
  }));
});

Deno.test("elements that are joined in any way, over any number of lines, are found again", () => {
  const token = fc.stringMatching(/^[a-z0-9-]{1,8}$/);
  const between = fc.constantFrom(",", ", ", " ,\t", ",,", " , , ");
  fc.assert(
    fc.property(fc.array(fc.tuple(token, between, fc.boolean()), { maxLength: 8 }), (parts) => {
      const lines = [""];
      for (const [element, comma, endsLine] of parts) {
        lines.push(`${lines.pop()}${element.toUpperCase()}${comma}`);
        if (endsLine) lines.push("");
      }
      const all = lines.map((value) => ({ name: "TE", value }));
      assert.deepEqual(listOf(all, "te"), parts.map(([element]) => element));
    }),
  );
});
