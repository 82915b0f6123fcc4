import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { parseToxHosts } from "./hosts.ts";

const ID = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";

Deno.test("hosts have a name, an ID, and a secret if there is one", () => {
  const hosts = parseToxHosts(
    `# home\n\nhome ${ID}\tcorrect horse \r\nwork\t${ID.toLowerCase()}\n`,
  );
  assert.deepEqual([...hosts.values()], [
    { name: "home", id: ID, secret: "correct horse" },
    { name: "work", id: ID.toLowerCase(), secret: null },
  ]);
});

Deno.test("the first line of a name counts", () => {
  const hosts = parseToxHosts(`home ${ID} one\nhome ${ID} two`);
  assert.equal(hosts.get("home")?.secret, "one");
});

Deno.test("a wrong line is an error that tells no secret", () => {
  for (const line of ["home", `home ${ID.slice(1)} secret`, `home ${ID}0 secret`, ID]) {
    assert.throws(
      () => parseToxHosts(`\n${line}`),
      (error) =>
        error instanceof TtunError && error.kind === "usage" &&
        error.message.includes("line 2") && !error.message.includes("secret,") &&
        !error.message.includes(ID.slice(1)),
    );
  }
});

Deno.test("no text breaks the reader otherwise", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseToxHosts(text);
    } catch (error) {
      assert(error instanceof TtunError && error.kind === "usage");
    }
  }));
});
