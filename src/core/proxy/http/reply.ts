import { concat, utf8 } from "../../../base/bytes.ts";
import type { Field } from "../../http/fields.ts";
import { REASONS } from "../../http/reasons.ts";
import { packHead } from "../../http/http1/pack_head.ts";

export interface Reply {
  readonly status: number;
  /** Text in ASCII, most often one line, sent with a line end. */
  readonly words: string;
  /** Media type; plain text unless it is said. */
  readonly type?: string;
  readonly fields?: readonly Field[];
}

/** Makes the reply. `isHead`: words are left out. `isLast`: the connection ends behind it. */
export function packReply(
  reply: Reply,
  o: { minor: 0 | 1; isHead: boolean; isLast: boolean },
): Uint8Array {
  const body = utf8(`${reply.words}\n`);
  const head = packHead(`HTTP/1.${o.minor} ${reply.status} ${REASONS[reply.status] ?? "Error"}`, [
    { name: "Content-Type", value: reply.type ?? "text/plain; charset=utf-8" },
    { name: "Content-Length", value: String(body.length) },
    ...(reply.fields ?? []),
    ...(o.isLast ? [{ name: "Connection", value: "close" }] : []),
  ]);
  return o.isHead ? head : concat(head, body);
}

/** Answers a CONNECT: from here on the connection is the target's. */
export function connectionEstablished(minor: 0 | 1): Uint8Array {
  return packHead(`HTTP/1.${minor} 200 Connection established`, []);
}
