import { deepEqual, equal } from "node:assert/strict";
import { isWaiting, kindOf, KINDS, PACKAGE_OF, partsOf } from "./kinds.ts";

Deno.test("kinds: a file's place and name tell its kind", () => {
  const paths = [
    "src/core/link/v1/frame_test.ts",
    "src/io/tcp_io_test.ts",
    "ffi/tun_linux_root_test.ts",
    "tests/e2e/vpn_test.ts",
    "tests/e2e/vpn_root_test.ts",
    "tests/soak/day_test.ts",
    "tests/suite/stream_suite.ts",
    "src/core/test.ts",
  ];
  deepEqual(paths.map(kindOf), ["pure", "io", "root", "e2e", "e2e", "soak", null, null]);
});

Deno.test("kinds: each program's package is known", () => {
  for (const { programs } of Object.values(KINDS)) {
    for (const program of programs) equal(typeof PACKAGE_OF[program], "string");
  }
});

Deno.test("kinds: every file is in one part, those that take long begin first", () => {
  const files = [
    "a_test.ts",
    "tests/e2e/traffic_test.ts",
    "b_test.ts",
    "tests/e2e/failure_test.ts",
  ];
  deepEqual(partsOf(files, "no"), [files]);
  deepEqual(partsOf(files, "halves"), [["a_test.ts", "b_test.ts"], [files[1], files[3]]]);
  const [first, second, ...others] = partsOf(files, "files");
  deepEqual([first, second, ...others], [[files[1]], [files[3]], ["a_test.ts"], ["b_test.ts"]]);
});

Deno.test("kinds: files that only wait are told from those that work", () => {
  deepEqual(
    ["tests/e2e/liveness_test.ts", "tests/e2e/wire_test.ts", "src/app/link/liveness_test.ts"].map(
      (path) => isWaiting([path]),
    ),
    [true, false, false],
  );
});
