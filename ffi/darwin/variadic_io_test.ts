import { equal, ok } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { LIBSYSTEM_TABLE } from "./libsystem.ts";

/** Linux's fcntl.h; fcntl is variadic there as well. */
const F_DUPFD = 0;

test({
  name: "libsystem: an argument that is given twice reaches a variadic function",
  ignore: Deno.build.os !== "linux",
  fn() {
    const { fcntl, close } = LIBSYSTEM_TABLE;
    const table = { fcntl, close } as const;
    const library = Deno.dlopen("libc.so.6", table);
    try {
      for (const lowest of [100n, 200n]) {
        const fd = library.symbols.fcntl(2, F_DUPFD, lowest, 0n, 0n, 0n, 0n, 0n, lowest);
        ok(fd >= Number(lowest), `${fd}`);
        equal(library.symbols.close(fd), 0);
      }
    } finally {
      library.close();
    }
  },
});
