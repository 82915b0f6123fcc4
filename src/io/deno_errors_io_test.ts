import { deepEqual, equal, ok } from "node:assert/strict";
import { NativeError } from "../../ffi/native.ts";
import { isLookupFailure, systemError } from "./deno_errors.ts";

/** Errors that Deno throws for real: the call, and the errno that it failed with. */
const CALLS: [string, (folder: string) => unknown, number | null][] = [
  ["ECONNREFUSED", () => Deno.connect({ hostname: "127.0.0.1", port: 1 }), 111],
  ["EADDRNOTAVAIL", () => Deno.listen({ hostname: "192.0.2.1", port: 0 }), 99],
  ["EADDRINUSE", () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    Deno.listen({ hostname: "127.0.0.1", port: taken.addr.port });
  }, 98],
  ["ENOENT", () => new Deno.Command("/nonexistent").spawn(), 2],
  ["EACCES", () => new Deno.Command("/etc/passwd").spawn(), 13],
  ["ENOTDIR", () => new Deno.Command("/etc/passwd/x").spawn(), 20],
  ["E2BIG", () => new Deno.Command("/bin/true", { args: ["x".repeat(1 << 20)] }).spawn(), 7],
  ["ETXTBSY, which has no code", (folder) => {
    using file = Deno.openSync(`${folder}/busy`, { create: true, write: true, mode: 0o755 });
    file.writeSync(new TextEncoder().encode("#!/bin/sh\n"));
    new Deno.Command(`${folder}/busy`).spawn();
  }, 26],
  ["no system call", () => Deno.connect({ hostname: "nonexistent.invalid", port: 1 }), null],
];

for (const [name, call, errno] of CALLS) {
  Deno.test(`systemError() finds the errno of Deno's error: ${name}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const error = systemError(await thrownBy(() => call(folder)), "call");
      equal(error?.errno ?? null, errno);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("systemError() prefers the code's name, for its number is another system's", () => {
  const refused = Object.assign(new Error("Connection refused (os error 61)"), {
    code: "ECONNREFUSED",
  });
  const error = systemError(refused, "connect");
  ok(error instanceof NativeError && error.is("ECONNREFUSED"));
  equal(error.message, "connect: ECONNREFUSED");
  deepEqual([systemError("text", "connect"), systemError(new Error("other"), "connect")], [
    null,
    null,
  ]);
});

Deno.test("isLookupFailure() knows a name without an address, and no other failure", async () => {
  const of = async (hostname: string) =>
    isLookupFailure(await thrownBy(() => Deno.connect({ hostname, port: 1 })));
  deepEqual(await Promise.all(["nonexistent.invalid", "fe80::1%none0", "127.0.0.1"].map(of)), [
    true,
    true,
    false,
  ]);
});

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
