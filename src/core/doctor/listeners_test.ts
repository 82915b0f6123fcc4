import assert from "node:assert/strict";
import { readListeners } from "./listeners.ts";

const TCP =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
  "   0: 00000000:4EEB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2418 1 0 100 0 0 10 0\n" +
  "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0\n" +
  "   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 78 1 0 20 4 30 10 -1\n";

const TCP6 =
  "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0\n";

Deno.test("sockets that listen are read from the kernel's table, connections left out", () => {
  assert.deepEqual(readListeners(TCP), [
    { isForAll: true, port: 20203, uid: 0, inode: "2418" },
    { isForAll: false, port: 8080, uid: 1000, inode: "77" },
  ]);
  assert.deepEqual(readListeners(TCP6), [{ isForAll: false, port: 22, uid: 0, inode: "99" }]);
});

Deno.test("a table of another form has no sockets", () => {
  for (const text of ["", "x\n", "a b c 0A e f g h i j\n", "0: ZZ:00 x 0A\n"]) {
    assert.deepEqual(readListeners(text), []);
  }
});
