import assert from "node:assert/strict";
import { requestOf } from "../steps_fixture.ts";
import { accessJson, accessLine } from "./access_log.ts";

const ENTRY = {
  head: requestOf({
    path: '/a"b\\\xe4',
    fields: [{ name: "User-Agent", value: "curl\t8" }],
  }),
  visitor: "192.0.2.7",
  requestId: "abc",
  version: "1.1",
  status: 200,
  requestBytes: 0,
  responseBytes: 12,
  time: 0,
  duration: 3.6,
  service: "shop",
};

Deno.test("a line of the access log is one line, whatever the visitor sends", () => {
  assert.equal(
    accessLine(ENTRY),
    '192.0.2.7 - - [1970-01-01T00:00:00.000Z] "GET /a\\x22b\\x5c\\xe4 HTTP/1.1" 200 12 "-" ' +
      '"curl\\x098" "shop.example" "shop" 4 abc',
  );
});

Deno.test("in JSON it has the same facts", () => {
  assert.deepEqual(JSON.parse(accessJson(ENTRY)), {
    time: "1970-01-01T00:00:00.000Z",
    id: "abc",
    visitor: "192.0.2.7",
    service: "shop",
    host: "shop.example",
    method: "GET",
    path: '/a"b\\\xe4',
    version: "1.1",
    status: 200,
    requestBytes: 0,
    responseBytes: 12,
    ms: 4,
    referer: "",
    userAgent: "curl\t8",
  });
  assert.ok(!accessJson(ENTRY).includes("\n"));
});

Deno.test("no line has what a terminal would obey", () => {
  const entry = { ...ENTRY, head: { ...ENTRY.head, path: "/\x9b2J\x7f" } };
  assert.match(accessLine(entry), /GET \/\\x9b2J\\x7f HTTP/);
  const json = accessJson(entry);
  assert.match(json, /^[\x20-\x7e]*$/);
  assert.equal(JSON.parse(json).path, "/\x9b2J\x7f");
});
