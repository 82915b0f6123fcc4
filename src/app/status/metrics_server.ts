import type { Connection } from "../../contract/connection.ts";
import {
  answerMetrics,
  LONGEST_HEAD,
  type MetricsPages,
} from "../../core/status/metrics_request.ts";
import { read, write } from "../loop/stream_io.ts";
import { answerConnections, type AnswerOptions } from "./answer_connections.ts";

/** Bytes that are read at a time. */
const BUFFER = 2048;

export interface MetricsServerOptions extends AnswerOptions {
  readonly pages: MetricsPages;
  /** Others than this machine reach it: requests may name any host. */
  readonly isOpen: boolean;
}

/** Answers requests for the metrics. Throws the signal's reason, or the listener's error. */
export function serveMetrics(o: MetricsServerOptions): Promise<void> {
  return answerConnections(o, "metrics", (stream) => answerRequest(stream, o));
}

async function answerRequest(
  stream: Connection,
  { pages, isOpen }: MetricsServerOptions,
): Promise<void> {
  const head = await readHead(stream);
  if (head === null) return;
  await write(stream, answerMetrics(head, pages, isOpen));
  await stream.closeWrite();
}

/** Returns what comes before the first empty line; null if there is none within the limit. */
async function readHead(stream: Connection): Promise<string | null> {
  const buffer = new Uint8Array(BUFFER);
  let text = "";
  while (text.length <= LONGEST_HEAD) {
    const got = await read(stream, buffer);
    if (got === null) return null;
    text += String.fromCharCode(...buffer.subarray(0, got));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return text.slice(0, end);
  }
  return null;
}
