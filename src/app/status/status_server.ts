import { toTtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import {
  LONGEST_REQUEST,
  packFailure,
  packReport,
  parseRequest,
  type StatusRequest,
} from "../../core/status/messages.ts";
import type { StatusReport } from "../../core/status/report.ts";
import { read, write } from "../loop/stream_io.ts";
import { answerConnections, type AnswerOptions } from "./answer_connections.ts";

/** Bytes that most requests fit. */
const FIRST_BUFFER = 1024;

const LINE_END = 0x0a;

export interface StatusServerOptions extends AnswerOptions {
  /** Does what is asked for, and describes the program then. @throws {TtunError} for the answer */
  readonly answer: (request: StatusRequest) => MaybePromise<StatusReport>;
}

/** Answers requests for the status. Throws the signal's reason, or the listener's error. */
export function serveStatus(o: StatusServerOptions): Promise<void> {
  return answerConnections(o, "status socket", async (stream) => {
    const line = await readLine(stream);
    if (line === null) return;
    await write(stream, await packAnswer(line, o.answer));
    await stream.closeWrite();
  });
}

async function packAnswer(
  line: Uint8Array,
  answer: StatusServerOptions["answer"],
): Promise<Uint8Array> {
  try {
    return packReport(await answer(parseRequest(line)));
  } catch (thrown) {
    return packFailure(toTtunError(thrown));
  }
}

/** Returns what comes before the first line end; null if there is none within the limit. */
async function readLine(stream: Connection): Promise<Uint8Array | null> {
  let buffer = new Uint8Array(FIRST_BUFFER);
  for (let have = 0;;) {
    const got = await read(stream, buffer.subarray(have));
    if (got === null) return null;
    const end = buffer.subarray(0, have + got).indexOf(LINE_END, have);
    if (end >= 0) return buffer.subarray(0, end);
    have += got;
    if (have < buffer.length) continue;
    if (have >= LONGEST_REQUEST) return null;
    const larger = new Uint8Array(Math.min(4 * have, LONGEST_REQUEST));
    larger.set(buffer);
    buffer = larger;
  }
}
