import { parseIp } from "../../base/addr.ts";
import { REASONS } from "../http/reasons.ts";

/** Bytes that a request may have up to its empty line. */
export const LONGEST_HEAD = 8 * 1024;

/** An answer to a request for the metrics. */
export interface MetricsAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Pages by their paths. */
export type MetricsPages = Readonly<Record<string, () => MetricsAnswer>>;

/**
 * Answers a request's head, without its empty line (RFC 9112): one request a connection. The host
 * that it names must be an address or localhost, unless `isOpen`: a web page can lead a name of its
 * own to this machine (DNS rebinding).
 */
export function answerMetrics(head: string, pages: MetricsPages, isOpen: boolean): Uint8Array {
  const [line = "", ...fields] = head.split("\r\n");
  const [, method, path] = /^([A-Z]+) (\/[^ ]*) HTTP\/1\.[01]$/.exec(line) ?? [];
  if (method === undefined) return pack(plain(400), true);
  const isHead = method === "HEAD";
  if (method !== "GET" && !isHead) return pack(plain(405), true);
  if (!isOpen && !fields.every(isLocalHost)) return pack(plain(403), !isHead);
  const page = pages[path!.split("?")[0]!];
  return pack(page === undefined ? plain(404) : page(), !isHead);
}

/** True for a field that is not Host. */
function isLocalHost(field: string): boolean {
  const host = /^host:\s*(.*?)\s*$/i.exec(field)?.[1];
  if (host === undefined) return true;
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name.toLowerCase() === "localhost" || parseIp(name) !== null;
}

function plain(status: number): MetricsAnswer {
  return { status, type: "text/plain; charset=utf-8", body: `${REASONS[status]}\n` };
}

/** An answer of one line. */
export function shortAnswer(status: 200 | 503, words: string): MetricsAnswer {
  return { ...plain(status), body: `${words}\n` };
}

function pack({ status, type, body }: MetricsAnswer, hasBody: boolean): Uint8Array {
  const bytes = new TextEncoder().encode(body);
  const head = `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: ${type}\r\n` +
    `Content-Length: ${bytes.length}\r\nConnection: close\r\nCache-Control: no-store\r\n` +
    (status === 405 ? "Allow: GET, HEAD\r\n" : "") + "\r\n";
  return new TextEncoder().encode(hasBody ? head + body : head);
}
