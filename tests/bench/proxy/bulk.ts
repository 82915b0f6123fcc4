/** Handlers of sockets that move as much as they can, one way. */
import type { Handler } from "./loop.ts";
import { CHUNK } from "./wire.ts";

/** Calls in a row, after which the other sockets have a turn, unless it is said. */
const CALLS = 16;

/** All sockets': nobody looks at what is in it. */
const chunk = new Uint8Array(CHUNK);

/** Sends without end. */
export function sender(took: (bytes: number) => void, most = CALLS): Handler {
  return (socket) => {
    for (let calls = 0; calls < most; calls++) {
      const sent = socket.send(chunk);
      if (sent === null) return "wait";
      took(sent);
    }
    return "again";
  };
}

/** Takes what comes, until the other end has ended. */
export function taker(took: (bytes: number) => void, most = CALLS): Handler {
  return (socket) => {
    for (let calls = 0; calls < most; calls++) {
      const got = socket.skip(chunk);
      if (got === null) return "wait";
      if (got === 0) {
        socket.close();
        return "wait";
      }
      took(got);
    }
    return "again";
  };
}
