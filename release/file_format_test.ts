import assert from "node:assert/strict";
import { fileFormat } from "./file_format.ts";
import { TARGETS } from "./targets.ts";

/** A file's first bytes: zeros, but for these. */
function beginning(...parts: [at: number, bytes: number[]][]): Uint8Array {
  const bytes = new Uint8Array(512);
  for (const [at, some] of parts) bytes.set(some, at);
  return bytes;
}

const ELF = [0x7f, 0x45, 0x4c, 0x46];
const MACH = [0xcf, 0xfa, 0xed, 0xfe];
const MZ = [0x4d, 0x5a];
const PE = [0x50, 0x45, 0, 0];

Deno.test("each system's executables are known by magic and machine", () => {
  const known: [string, Uint8Array][] = [
    ["ELF x64", beginning([0, [...ELF, 2, 1]], [18, [0x3e, 0]])],
    ["ELF arm64", beginning([0, [...ELF, 2, 1]], [18, [0xb7, 0]])],
    ["Mach-O x64", beginning([0, MACH], [4, [7, 0, 0, 1]])],
    ["Mach-O arm64", beginning([0, MACH], [4, [0x0c, 0, 0, 1]])],
    ["PE x64", beginning([0, MZ], [0x3c, [0x80]], [0x80, [...PE, 0x64, 0x86]])],
    ["PE arm64", beginning([0, MZ], [0x3c, [0x80]], [0x80, [...PE, 0x64, 0xaa]])],
  ];
  for (const [words, bytes] of known) {
    const { format, machine } = fileFormat(bytes)!;
    assert.equal(`${format} ${machine}`, words);
  }
});

Deno.test("another machine is told by its number", () => {
  assert.deepEqual(fileFormat(beginning([0, [...ELF, 2, 1]], [18, [0xf3, 0]])), {
    format: "ELF",
    machine: 0xf3,
  });
});

Deno.test("what is no executable of 64 bits is none", () => {
  const wrong = [
    new Uint8Array(0),
    new Uint8Array(63),
    new Uint8Array(512),
    new TextEncoder().encode("#!/bin/sh\nexec something\n".padEnd(512)),
    beginning([0, [...ELF, 1, 1]], [18, [0x3e, 0]]), // 32 bits
    beginning([0, [...ELF, 2, 2]], [18, [0, 0x3e]]), // big-endian
    beginning([0, MZ], [0x3c, [0x80]]), // a DOS program
    beginning([0, MZ], [0x3c, [0xff, 0xff, 0xff, 0xff]]), // its new header lies nowhere
  ];
  for (const [i, bytes] of wrong.entries()) assert.equal(fileFormat(bytes), null, `case ${i}`);
});

Deno.test("there is one target for each system that is promised, each with a file of its own", () => {
  assert.deepEqual(TARGETS.map(({ name, format, machine }) => `${name} ${format} ${machine}`), [
    "linux-x64 ELF x64",
    "linux-arm64 ELF arm64",
    "macos-x64 Mach-O x64",
    "macos-arm64 Mach-O arm64",
    "windows-x64 PE x64",
  ]);
  assert.equal(new Set(TARGETS.map(({ file }) => file)).size, TARGETS.length);
});
