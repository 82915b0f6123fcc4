import { deepEqual } from "node:assert/strict";
import { fileFailure } from "./file_failure.ts";

Deno.test("a file that cannot be written: the reason, and what to do", () => {
  const failure = (path: string, code: string) => {
    const { kind, message } = fileFailure("write", path, Object.assign(new Error(), { code }));
    return [kind, message];
  };
  deepEqual(failure("/etc/ttun/keys", "ENOENT"), [
    "usage",
    "Cannot write /etc/ttun/keys: there is no such folder; make it: mkdir -p /etc/ttun",
  ]);
  deepEqual(failure("keys", "EACCES"), [
    "privilege",
    "Cannot write keys: no privilege for it; run ttun with sudo, or name another file",
  ]);
  deepEqual(failure("keys", "ENOSPC"), [
    "system",
    "Cannot write keys: the disk is full; make room, or name another file",
  ]);
  deepEqual(failure("keys", "EIO"), [
    "system",
    "Cannot write keys: the operating system refuses it (EIO); name another file",
  ]);
});
