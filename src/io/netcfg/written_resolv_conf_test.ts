import assert from "node:assert/strict";
import fc from "fast-check";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import { isWrittenByTtun, writeResolvConf } from "./written_resolv_conf.ts";

const SETTINGS = { servers: ["10.1.1.1", "fc11::1"], search: ["corp.example", "example"] };
const BEFORE = "nameserver 192.168.1.1\nsearch lan\noptions edns0 timeout:2\n";

Deno.test("what is written is read as it was meant, with the options that were there", () => {
  const text = writeResolvConf(SETTINGS, BEFORE, "/etc/resolv.conf.before-ttun");
  assert.match(text, /^# Written by ttun \([0-9a-f]{32}\); .* \/etc\/resolv\.conf\.before-ttun\n/);
  const { servers, search, timeoutMs } = parseResolvConf(text);
  assert.deepEqual({ servers, search, timeoutMs }, { ...SETTINGS, timeoutMs: 2000 });
  assert(isWrittenByTtun(text));
  assert(isWrittenByTtun(writeResolvConf({ servers: ["9.9.9.9"], search: [] }, null, "x")));
});

Deno.test("a file that somebody has changed, and any other, is not ttun's", () => {
  const text = writeResolvConf(SETTINGS, BEFORE, "kept");
  assert(!isWrittenByTtun(BEFORE) && !isWrittenByTtun("") && !isWrittenByTtun(`\n${text}`));
  const body = text.indexOf("\n") + 1;
  fc.assert(fc.property(fc.integer({ min: body, max: text.length - 1 }), (at) => {
    assert(!isWrittenByTtun(text.slice(0, at) + text.slice(at + 1)));
  }));
  assert(!isWrittenByTtun(`${text}nameserver 9.9.9.9\n`));
});
