import assert from "node:assert/strict";
import { editDistance, nearest } from "./nearest.ts";

Deno.test("edit distance counts additions, losses and replacements", () => {
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("abc", ""), 3);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("same", "same"), 0);
});

Deno.test("the nearest word is found, in any case, by a typing error or by its beginning", () => {
  const words = ["server", "client", "genkey"];
  assert.equal(nearest("sevrer", words), "server");
  assert.equal(nearest("CLIENT", words), "client");
  assert.equal(nearest("gen", words), "genkey");
});

Deno.test("a word that is like none gets no suggestion", () => {
  assert.equal(nearest("proxy", ["server", "client"]), undefined);
  assert.equal(nearest("x", ["k", "m"]), undefined);
  assert.equal(nearest("", ["k"]), undefined);
  assert.equal(nearest("s".repeat(100_000), ["server"]), undefined);
});
