import assert from "node:assert/strict";
import fc from "fast-check";
import type { SiteFile, SiteFolder } from "../../../contract/site_folder.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import type { HttpRequest } from "../../http/exchange.ts";
import { decide, readRange } from "./conditions.ts";
import { contentType } from "./content_type.ts";
import { formatHttpDate, parseHttpDate } from "./http_date.ts";
import { answerFromFolder } from "./site.ts";
import { readSitePath } from "./site_path.ts";

Deno.test("paths of files, and those at which nothing can be", () => {
  const rows: [string, string | null, boolean?][] = [
    ["/", "", true],
    ["/a", "a", false],
    ["/a/b.txt?x=/../y", "a/b.txt", false],
    ["/a/", "a", true],
    ["/%61%20b", "a b", false],
    ["/%C3%A4", "ä", false],
    ["/..", null],
    ["/a/../b", null],
    ["/a/%2e%2e/b", null],
    ["/.git/config", null],
    ["/a/%2Egit", null],
    ["//a", null],
    ["/a//b", null],
    ["/a%2Fb", null],
    ["/a%00", null],
    ["/a%", null],
    ["/a%zz", null],
    ["/%FF", null],
    ["*", null],
    ["", null],
    [`/${"a".repeat(20_000)}`, null],
  ];
  for (const [target, path, isFolder] of rows) {
    assert.deepEqual(readSitePath(target), path === null ? null : { path, isFolder }, target);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    const read = readSitePath(`/${fromLatin1(new TextEncoder().encode(text))}`);
    const parts = read?.path.split("/") ?? [];
    assert(read?.path === "" || parts.every((part) => part !== "" && !part.startsWith(".")));
  }));
});

Deno.test("ranges", () => {
  const rows: [string, ReturnType<typeof readRange>][] = [
    ["bytes=0-", { from: 0, to: 9 }],
    ["bytes=2-4", { from: 2, to: 4 }],
    ["bytes=2-400", { from: 2, to: 9 }],
    ["bytes=-3", { from: 7, to: 9 }],
    ["bytes=-30", { from: 0, to: 9 }],
    ["bytes=10-", "outside"],
    ["bytes=-0", "outside"],
    ["bytes=4-2", null],
    ["bytes=-", null],
    ["bytes=0-1,3-4", null],
    ["lines=0-1", null],
  ];
  for (const [text, range] of rows) assert.deepEqual(readRange(text, 10), range, text);
  assert.equal(readRange("bytes=0-", 0), "outside");
});

Deno.test("dates are read as they are written, and others are no dates", () => {
  assert.equal(formatHttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  for (const text of ["", "now", "1994-11-06", "Sunday, 06-Nov-94 08:49:37 GMT"]) {
    assert.equal(parseHttpDate(text), null);
  }
});

const VERSION = { size: 10, etag: '"x"', modified: 784111777 };
const [BEFORE, AT] = ["Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"];

Deno.test("conditions, in the order of RFC 9110 section 13.2.2", () => {
  const rows: [Record<string, string>, number][] = [
    [{}, 200],
    [{ "If-Match": '"x"' }, 200],
    [{ "If-Match": 'W/"x"' }, 412],
    [{ "If-Match": "*" }, 200],
    [{ "If-Match": '"y"', "If-None-Match": '"x"' }, 412],
    [{ "If-Unmodified-Since": BEFORE }, 412],
    [{ "If-Unmodified-Since": AT }, 200],
    [{ "If-None-Match": '"y", W/"x"' }, 304],
    [{ "If-None-Match": '"y"', "If-Modified-Since": AT }, 200],
    [{ "If-Modified-Since": AT }, 304],
    [{ "If-Modified-Since": BEFORE }, 200],
    [{ "If-Modified-Since": "never" }, 200],
    [{ Range: "bytes=1-2" }, 206],
    [{ Range: "bytes=20-" }, 416],
    [{ Range: "bytes=1-2", "If-Range": '"x"' }, 206],
    [{ Range: "bytes=1-2", "If-Range": 'W/"x"' }, 200],
    [{ Range: "bytes=1-2", "If-Range": AT }, 206],
    [{ Range: "bytes=1-2", "If-Range": BEFORE }, 200],
    [{ Range: "bytes=1-2", "If-None-Match": "*" }, 304],
  ];
  for (const [given, status] of rows) {
    const fields = Object.entries(given).map(([name, value]) => ({ name, value }));
    assert.equal(decide("GET", fields, VERSION).status, status, JSON.stringify(given));
  }
  const range = [{ name: "Range", value: "bytes=1-2" }];
  assert.equal(decide("HEAD", range, VERSION).status, 200);
});

Deno.test("types by the ends of names", () => {
  assert.equal(contentType("a/b.HTML"), "text/html; charset=utf-8");
  assert.equal(contentType("a.tar.gz"), "application/gzip");
  for (const name of ["a", "a.b/c", "x.constructor"]) {
    assert.equal(contentType(name), "application/octet-stream");
  }
});

const FILES: Record<string, number> = { "a.txt": 3, "docs/index.html": 5, "docs/<b>.txt": 1 };

function folder(): SiteFolder & { open_: number } {
  const isFolder = (path: string) => path === "" || path === "docs" || path === "bare";
  const made = {
    open_: 0,
    open: (path: string): SiteFile | { kind: "folder" } | null => {
      if (isFolder(path)) return { kind: "folder" };
      const size = FILES[path];
      if (size === undefined) return null;
      made.open_++;
      return {
        ...{ kind: "file", size, modified: { seconds: 784111777, nanoseconds: 5 } },
        read: (_, into) => into.length,
        [Symbol.dispose]: () => void made.open_--,
      };
    },
    list: (path: string) => isFolder(path) ? [NAMED] : null,
  };
  return made;
}

const NAMED = { name: "<b>?.txt", isFolder: false };

function ask(path: string, o: { method?: string; isListed?: boolean; range?: string } = {}) {
  const fields = o.range === undefined ? [] : [{ name: "Range", value: o.range }];
  const request: HttpRequest = {
    ...{ method: o.method ?? "GET", path, fields, scheme: "https", authority: "a" },
    ...{ hasBody: false, upgrade: null },
  };
  const from = folder();
  const { head, body } = answerFromFolder(request, from, o.isListed ?? false);
  const get = (name: string) => head.fields.find((field) => field.name === name)?.value;
  assert.equal(from.open_, body.kind === "file" ? 1 : 0);
  const text = body.kind === "bytes" ? new TextDecoder().decode(body.bytes) : "";
  return { status: head.status, get, body, text };
}

Deno.test("answers of a folder", () => {
  const file = ask("/a.txt");
  assert.deepEqual([file.status, file.get("Content-Length"), file.body.kind], [200, "3", "file"]);
  assert.equal(file.get("ETag"), '"2ebc98a1.5-3"');
  const part = ask("/a.txt", { range: "bytes=1-" });
  assert.deepEqual([part.status, part.get("Content-Range")], [206, "bytes 1-2/3"]);
  assert.equal(ask("/a.txt", { range: "bytes=3-" }).get("Content-Range"), "bytes */3");
  const head = ask("/a.txt", { method: "HEAD" });
  assert.deepEqual([head.get("Content-Length"), head.text, head.body.kind], ["3", "", "bytes"]);
  assert.equal(ask("/a.txt/").status, 404);
  assert.equal(ask("/a.txt", { method: "POST" }).get("Allow"), "GET, HEAD, OPTIONS");
  assert.equal(ask("/docs?x=1").get("Location"), "/docs/?x=1");
  assert.equal(ask("/docs/").get("Content-Length"), "5");
  assert.equal(ask("/").status, 404);
  const listed = ask("/bare/", { isListed: true });
  assert.match(listed.text, /<a href="\.\/%3Cb%3E%3F\.txt">&lt;b&gt;\?\.txt<\/a>/);
  assert.equal(listed.get("Content-Security-Policy"), "default-src 'none'");
});
