import { deepStrictEqual } from "node:assert/strict";
import { runtimeMappings } from "./runtime_pages.ts";

Deno.test("only code and constants of the longest program may be given back", () => {
  const maps = `00100000-00300000 r--p 00000000 08:01 11   /usr/bin/my deno
00300000-00700000 r-xp 00200000 08:01 11   /usr/bin/my deno
00700000-00710000 r--p 00600000 08:01 11   /usr/bin/my deno
00710000-00720000 rw-p 00610000 08:01 11   /usr/bin/my deno
00720000-00920000 r-xp 00000000 00:00 0 
7f000000-7f010000 r--p 00000000 08:01 12   /lib/libc.so.6
7f010000-7f110000 r-xp 00010000 08:01 12   /lib/libc.so.6
7fff0000-7fff2000 r-xp 00000000 00:00 0    [vdso]
`;
  deepStrictEqual(runtimeMappings(maps), [
    { start: 0x100000n, bytes: 0x200000n },
    { start: 0x300000n, bytes: 0x400000n },
  ]);
  deepStrictEqual(runtimeMappings(""), []);
});
