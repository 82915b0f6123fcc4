import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { TtunError } from "../../src/base/errors.ts";
import { wideString, WindowsError } from "./kernel32.ts";
import type { openLibrary } from "../library.ts";
import { openWintun, wintunPaths } from "./wintun.ts";

Deno.test("wintun: the dll is looked for beside the program, and nowhere else", () => {
  deepEqual(wintunPaths(undefined, "C:\\Program Files\\ttun\\ttun.exe"), [
    "C:\\Program Files\\ttun\\wintun.dll",
  ]);
  deepEqual(wintunPaths(undefined, "C:/ttun/deno.exe"), ["C:/ttun/wintun.dll"]);
});

Deno.test("wintun: a dll that is named is the only one", () => {
  deepEqual(wintunPaths("D:\\my.dll", "C:\\ttun.exe"), ["D:\\my.dll"]);
});

/** A loader that finds all libraries except those. */
function loader(missing: RegExp) {
  const opened: string[] = [];
  const open = ((names: readonly string[]) => {
    const path = names.find((name) => !missing.test(name));
    if (path === undefined) throw new TtunError("system", `none of ${names}`);
    opened.push(path);
    return {
      path,
      symbols: {},
      [Symbol.dispose]: () => void opened.splice(opened.indexOf(path), 1),
    };
  }) as unknown as typeof openLibrary;
  return { open, opened };
}

Deno.test("wintun: both libraries are opened, and closed together", () => {
  const { open, opened } = loader(/nothing/);
  const lib = openWintun(wintunPaths(undefined, "C:\\ttun.exe"), open);
  deepEqual(opened, ["kernel32.dll", "C:\\wintun.dll"]);
  lib[Symbol.dispose]();
  deepEqual(opened, []);
});

Deno.test("wintun: where the dll is missing the message says where to get it and to put it", () => {
  const { open, opened } = loader(/wintun/);
  throws(() => openWintun(wintunPaths(undefined, "C:\\ttun\\ttun.exe"), open), (error) => {
    ok(error instanceof TtunError);
    equal(error.kind, "system");
    match(error.message, /https:\/\/www\.wintun\.net .* put it there as C:\\ttun\\wintun\.dll/);
    match(error.message, /--wintun FILE$/);
    return true;
  });
  deepEqual(opened, [], "kernel32 is closed again");
});

Deno.test("windows: strings are UTF-16 with an end", () => {
  deepEqual(wideString("tü0"), Uint8Array.of(0x74, 0, 0xfc, 0, 0x30, 0, 0, 0));
});

Deno.test("windows: errors have names where ttun knows them", () => {
  equal(new WindowsError("X", 38).message, "X: ERROR_HANDLE_EOF");
  equal(new WindowsError("X", 4711).message, "X: error 4711");
  equal(new WindowsError("X", 0).message, "X: Windows gave no reason");
});
