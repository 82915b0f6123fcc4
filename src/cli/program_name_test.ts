import assert from "node:assert/strict";
import { programName } from "./program_name.ts";

const compiled = { standalone: true, os: "linux" } as const;

Deno.test("a compiled file has the name that it was started by", () => {
  for (const argv0 of ["tt", "./tt", "/usr/local/bin/tt", "../a b/tt"]) {
    assert.equal(programName(argv0, compiled), "tt");
  }
  assert.equal(programName("/opt/tt/ttun", compiled), "ttun");
  assert.equal(programName("TT", compiled), "TT");
  assert.equal(programName("c\\tt", compiled), "c\\tt");
  assert.equal(programName("", compiled), "");
});

Deno.test("Windows has two kinds of slashes, an ending, and no case", () => {
  const windows = { standalone: true, os: "windows" } as const;
  for (const argv0 of ["tt", "TT.EXE", "C:\\bin\\tt.exe", "C:/bin/Tt.Exe", "..\\tt"]) {
    assert.equal(programName(argv0, windows), "tt");
  }
  assert.equal(programName("C:\\tt\\ttun.exe", windows), "ttun");
});

Deno.test("where Deno runs the sources there is no name of our own", () => {
  assert.equal(programName("/bin/tt", { standalone: false, os: "linux" }), null);
  assert.equal(programName(), null);
});
