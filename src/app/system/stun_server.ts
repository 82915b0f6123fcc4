import type { Connection } from "../../contract/connection.ts";
import { answerStun } from "../../core/stun/message.ts";
import { write } from "../loop/stream_io.ts";
import { readStunMessage } from "../net/stun.ts";
import { answerConnections, type AnswerOptions } from "../status/answer_connections.ts";

/** Tells whoever asks over TCP where it comes from. Throws the signal's reason, or the listener's error. */
export function runStunServer(o: AnswerOptions): Promise<void> {
  return answerConnections(o, "STUN", answerAll);
}

async function answerAll(stream: Connection): Promise<void> {
  const { remote } = stream;
  if (!("host" in remote)) return;
  for (let message; (message = await readStunMessage(stream)) !== null;) {
    const answer = answerStun(message, remote);
    if (answer !== null) await write(stream, answer);
  }
}
