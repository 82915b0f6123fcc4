import assert from "node:assert/strict";
import fc from "fast-check";
import { parseNamedKeys } from "../secrets/named_keys.ts";
import { keyNames, withKey, withoutKey } from "./key_lines.ts";

/** A file's text as it is read: without its last end of line. */
const asRead = (text: string) => text.replace(/\n$/, "");

Deno.test("the first key makes a file that has names, others are added behind it", () => {
  const one = withKey(null, "ann", "annsKey");
  assert.deepEqual(keyNames(asRead(one)), ["ann"]);
  const two = withKey(asRead(one), "bob", "bobsKey");
  assert.equal(two, `${one}bob:bobsKey\n`);
  assert.deepEqual(parseNamedKeys(two).map(({ name }) => name), ["ann", "bob"]);
});

Deno.test("a key that is revoked is gone, and all else is as it was", () => {
  const text = "# ours\r\n\nann:a:1\nbob:b\n# ann:old\nann2:c";
  assert.equal(withoutKey(text, "ann"), "# ours\r\n\nbob:b\n# ann:old\nann2:c\n");
  assert.equal(withoutKey(text, "ann2"), "# ours\r\n\nann:a:1\nbob:b\n# ann:old\n");
});

Deno.test("what cannot be done is refused, and no key is repeated", () => {
  const refusals: [() => unknown, RegExp][] = [
    [() => withKey("# x\nann:k1", "ann", "k2"), /there is one already/],
    [() => withKey("# x\nann:k1", "a b", "k2"), /Cannot use "a b" as a key's name/],
    [() => withKey("# x\nann:k1", "a\nroot:k", "k2"), /as a key's name/],
    [() => withKey("onlyKeyForAll", "ann", "k2"), /one key for all clients/],
    [() => withoutKey("# x\nann:k1", "bob"), /the keys are those of ann/],
    [() => withoutKey("# x\nann:k1", "ann"), /this is the last one/],
    [() => keyNames("onlyKeyForAll"), /one key for all clients/],
    [() => keyNames("x\ny"), /line 1 of the key file/],
  ];
  for (const [run, words] of refusals) {
    assert.throws(
      run,
      (error: Error) => words.test(error.message) && !/k1|onlyKey/.test(`${error}`),
    );
  }
});

Deno.test("adding and revoking any names leaves those of the others", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_.@-]{1,12}$/);
  fc.assert(fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 8 }), (names) => {
    let text: string | null = null;
    for (const [i, one] of names.entries()) text = asRead(withKey(text, one, `key${i}`));
    for (const gone of names) {
      const rest = keyNames(asRead(withoutKey(text!, gone)));
      assert.deepEqual(rest, names.filter((one) => one !== gone));
    }
  }));
});
