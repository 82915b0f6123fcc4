import assert from "node:assert/strict";
import { completeArgs } from "./args.ts";
import type { Layer } from "./layers.ts";
import type { OptionTable } from "./option_table.ts";

const TABLE = {
  key: { names: ["key"], kind: "string", metavar: "STRING", conflicts: ["keyFile"], help: "" },
  keyFile: { names: ["key-file"], kind: "string", metavar: "FILE", help: "" },
  size: { names: ["size"], kind: "integer", metavar: "N", min: 1, max: 9, default: 5, help: "" },
  once: { names: ["once"], kind: "boolean", default: false, conflicts: ["retries"], help: "" },
  retries: { names: ["retries"], kind: "integer", metavar: "N", min: 0, max: 9, help: "" },
  route: { names: ["route"], kind: "list", metavar: "CIDR", help: "" },
  server: { names: ["server"], kind: "string", metavar: "HOST", required: true, help: "" },
} as const satisfies OptionTable;

function layer(place: string, settings: Record<string, readonly string[] | null>): Layer {
  return new Map(
    Object.entries(settings).map(([key, texts]) => [
      key,
      texts?.map((text) => ({ text, spelled: `${place} ${key}` })) ?? null,
    ]),
  );
}

Deno.test("the command line counts before the first layer, that before the second, all before defaults", () => {
  const first = layer("env", { size: ["2"], route: ["a", "b"] });
  const second = layer("file", { size: ["3"], route: ["c"], server: ["there"] });
  const values = (given: Record<string, unknown>) => completeArgs(TABLE, given, [first, second]);
  assert.equal(values({ size: 1 }).size, 1);
  assert.equal(values({}).size, 2);
  assert.deepEqual(values({}).route, ["a", "b"]);
  assert.deepEqual(values({ route: ["x"] }).route, ["x"]);
  assert.equal(values({}).server, "there");
  assert.equal(completeArgs(TABLE, { server: "here" }).size, 5);
});

Deno.test("what is required may come from any layer, and is missed in all of them", () => {
  assert.throws(() => completeArgs(TABLE, {}, [layer("env", { size: ["2"] })]), {
    message: /--server HOST is missing/,
  });
});

Deno.test("an option that a higher place excludes does not count, whichever of both says so", () => {
  const file = layer("file", { server: ["s"], key: ["secret"], retries: ["3"] });
  const values = completeArgs(TABLE, { keyFile: "f", once: true }, [file]);
  assert.equal(values.key, undefined);
  assert.equal(values.retries, undefined);
  assert.equal(completeArgs(TABLE, { once: false }, [file]).retries, 3);
  const own = layer("env", { keyFile: null });
  assert.equal(completeArgs(TABLE, {}, [own, file]).key, undefined);
});

Deno.test("two that exclude each other in one place are refused, by their names there", () => {
  const file = layer("file", { once: ["true"], retries: ["3"] });
  assert.throws(() => completeArgs(TABLE, { server: "s" }, [file]), {
    kind: "usage",
    message: "Options file once and file retries exclude each other",
  });
});

Deno.test("a wrong value is told with its place, also where a higher one has a good value", () => {
  const env = layer("TTUN_SIZE", { size: ["ten"] });
  assert.throws(() => completeArgs(TABLE, { server: "s", size: 1 }, [env]), {
    kind: "usage",
    message: /^Cannot take "ten" for TTUN_SIZE size: /,
  });
});
