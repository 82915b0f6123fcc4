import { utf8 } from "../../../base/bytes.ts";
import type { SiteFile, SiteFolder } from "../../../contract/site_folder.ts";
import type { HttpRequest, HttpResponse } from "../../http/exchange.ts";
import type { Field } from "../../http/fields.ts";
import { type ByteRange, decide } from "./conditions.ts";
import { contentType } from "./content_type.ts";
import { formatHttpDate } from "./http_date.ts";
import { listingPage } from "./listing.ts";
import { readSitePath } from "./site_path.ts";

export interface SiteAnswer {
  readonly head: HttpResponse;
  readonly body:
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    /** A part of a file, which is the taker's to close. */
    | { readonly kind: "file"; readonly file: SiteFile; readonly range: ByteRange };
}

const INDEX = "index.html";

/** Answers requests for the files of a folder. `isListed`: folders without an index show their files. */
export function answerFromFolder(
  { method, path: target, fields }: HttpRequest,
  folder: SiteFolder,
  isListed: boolean,
): SiteAnswer {
  if (method === "OPTIONS") return withoutBody(204, [ALLOW]);
  if (method !== "GET" && method !== "HEAD") {
    return plain(method, 405, "GET and HEAD alone", [ALLOW]);
  }
  const asked = readSitePath(target);
  if (asked === null) return plain(method, 404, "Not found");
  const { path, isFolder } = asked;
  const found = folder.open(path);
  if (found === null) return plain(method, 404, "Not found");
  if (found.kind === "file") {
    if (!isFolder) return fileAnswer(method, fields, path, found);
    found[Symbol.dispose]();
    return plain(method, 404, "Not found");
  }
  if (!isFolder) {
    const [asPath = "", ...query] = target.split("?");
    const to = [`${asPath}/`, ...query].join("?");
    return plain(method, 301, "It is a folder", [{ name: "Location", value: to }]);
  }
  const at = path === "" ? INDEX : `${path}/${INDEX}`;
  const index = folder.open(at);
  if (index?.kind === "file") return fileAnswer(method, fields, at, index);
  const entries = isListed ? folder.list(path) : null;
  if (entries === null) return plain(method, 404, "Not found");
  const policy = { name: "Content-Security-Policy", value: "default-src 'none'" };
  return text(method, 200, "text/html; charset=utf-8", listingPage(path, entries), [policy]);
}

const ALLOW: Field = { name: "Allow", value: "GET, HEAD, OPTIONS" };
const NO_SNIFFING: Field = { name: "X-Content-Type-Options", value: "nosniff" };

function fileAnswer(
  method: string,
  fields: readonly Field[],
  path: string,
  file: SiteFile,
): SiteAnswer {
  const { size, modified: { seconds, nanoseconds } } = file;
  const etag = `"${seconds.toString(16)}.${nanoseconds.toString(16)}-${size.toString(16)}"`;
  const decision = decide(method, fields, { size, etag, modified: seconds });
  const { status } = decision;
  const validators: Field[] = [
    { name: "ETag", value: etag },
    { name: "Last-Modified", value: formatHttpDate(seconds) },
    { name: "Accept-Ranges", value: "bytes" },
  ];
  const close = (answer: SiteAnswer) => {
    file[Symbol.dispose]();
    return answer;
  };
  if (status === 304) return close(withoutBody(304, validators));
  if (status === 412) return close(plain(method, 412, "It has changed", validators));
  if (status === 416) {
    const whole = { name: "Content-Range", value: `bytes */${size}` };
    return close(plain(method, 416, "There are no such bytes", [whole, ...validators]));
  }
  const range = status === 206 ? decision.range : { from: 0, to: size - 1 };
  const length = range.to - range.from + 1;
  const all: Field[] = [
    { name: "Content-Type", value: contentType(path) },
    { name: "Content-Length", value: String(length) },
    ...(status === 206
      ? [{ name: "Content-Range", value: `bytes ${range.from}-${range.to}/${size}` }]
      : []),
    ...validators,
    NO_SNIFFING,
  ];
  const head = { status, reason: "", fields: all, upgrade: null };
  if (method === "HEAD" || length === 0) return close({ head, body: NOTHING });
  return { head, body: { kind: "file", file, range } };
}

const NOTHING = { kind: "bytes", bytes: new Uint8Array() } as const;

function withoutBody(status: number, fields: readonly Field[]): SiteAnswer {
  return { head: { status, reason: "", fields, upgrade: null }, body: NOTHING };
}

function plain(
  method: string,
  status: number,
  words: string,
  more: readonly Field[] = [],
): SiteAnswer {
  return text(method, status, "text/plain; charset=utf-8", `${words}\n`, more);
}

function text(
  method: string,
  status: number,
  type: string,
  words: string,
  more: readonly Field[],
): SiteAnswer {
  const bytes = utf8(words);
  const fields = [
    { name: "Content-Type", value: type },
    { name: "Content-Length", value: String(bytes.length) },
    NO_SNIFFING,
    ...more,
  ];
  const head = { status, reason: "", fields, upgrade: null };
  return { head, body: method === "HEAD" ? NOTHING : { kind: "bytes", bytes } };
}
