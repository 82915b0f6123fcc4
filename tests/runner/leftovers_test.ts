import { deepEqual } from "node:assert/strict";
import { Leftovers, MARK } from "./leftovers.ts";

Deno.test("leftovers: a namespace of another program is not the run's, one with its mark is", async () => {
  const leftovers = new Leftovers();
  const own = `ttun-${leftovers.env[MARK]}-a`;
  const others = ["vpn0", "ttun-test", `ttun-${new Leftovers().env[MARK]}-a`];
  deepEqual(await leftovers.report(() => Promise.resolve([...others, own])), [
    `network namespace ${own}`,
  ]);
  deepEqual(await leftovers.report(() => Promise.resolve(others)), []);
});
