import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../base/bytes.ts";
import { decode64, encode64 } from "../base64.ts";
import { EtcdKeys } from "./etcd_json.ts";

Deno.test("etcd: bytes are base64 as others write it", () => {
  equal(encode64(utf8("any carnal pleas")), "YW55IGNhcm5hbCBwbGVhcw==");
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    deepEqual(decode64(encode64(bytes)), bytes);
    deepEqual(decode64(encode64(new Uint8Array([0, ...bytes]).subarray(1))), bytes);
  }));
});

Deno.test("etcd: a range holds what begins with its prefix and nothing else", () => {
  const keys = new EtcdKeys("ttun/");
  const raw = (text: string) => new TextDecoder("latin1").decode(decode64(text));
  const name = fc.stringMatching(/^[a-z.\/_-]{0,5}$/);
  fc.assert(fc.property(name, name, (prefix, key) => {
    const [from, to, at] = [keys.key(prefix), keys.end(prefix), keys.key(key)].map(raw);
    equal(at! >= from! && at! < to!, key.startsWith(prefix));
  }));
});

Deno.test("etcd: fields that are zero are left out", () => {
  const keys = new EtcdKeys("t/");
  const key = keys.key("name/a");
  deepEqual(keys.entry({ key, mod_revision: "7" }), {
    key: "name/a",
    value: new Uint8Array(),
    revision: "7",
    lease: "0",
  });
});
