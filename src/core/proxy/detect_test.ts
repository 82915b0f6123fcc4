import assert from "node:assert/strict";
import { protocolOf } from "./detect.ts";

Deno.test("the first byte tells what a client speaks", () => {
  const found = new Map<string, string>();
  for (let byte = 0; byte < 256; byte++) {
    const front = protocolOf(byte);
    if (front === null) continue;
    found.set(front, (found.get(front) ?? "") + String.fromCharCode(byte));
  }
  assert.deepEqual([protocolOf(0x0d), protocolOf(0x0a)], ["http", "http"], "an empty line");
  assert.deepEqual([...found], [
    ["socks4", "\x04"],
    ["socks5", "\x05"],
    ["http", "\n\r!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"],
  ]);
  for (const other of [0x00, 0x16, 0x20, 0x80, 0xff]) {
    assert.equal(protocolOf(other), null);
  }
});
