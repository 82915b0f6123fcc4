/**
 * Target of the load's connections, a program of its own: answers a request with as many bytes,
 * or sends without end, or takes what comes. It ends when it is killed.
 */
import { NativeError } from "../../../ffi/native.ts";
import { sender, taker } from "./bulk.ts";
import { type Handler, Loop, type Socket } from "./loop.ts";
import { ANSWER, ECHO, MESSAGE, SEND, TARGET } from "./wire.ts";

const send = sender(() => {});
const take = taker(() => {});

/** Reads the request, then goes on as it says. */
function newcomer(): Handler {
  const request = new Uint8Array(MESSAGE);
  let have = 0;
  return (socket) => {
    while (have < MESSAGE) {
      const got = socket.receive(request.subarray(have));
      if (got === null) return "wait";
      if (got === 0) return leave(socket);
      have += got;
    }
    const isAnswered = request[0] === ANSWER || request[0] === ECHO;
    if (isAnswered) socket.send(request); // an empty buffer has room for it
    if (request[0] === ECHO) {
      have = 0;
      return "again";
    }
    socket.handler = tolerant(request[0] === SEND ? send : take);
    return socket.handler(socket);
  };
}

/** The load goes away in the middle, as it likes. */
function tolerant(handler: Handler): Handler {
  return (socket) => {
    try {
      return handler(socket);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      return leave(socket);
    }
  };
}

function leave(socket: Socket): "wait" {
  socket.close();
  return "wait";
}

const loop = new Loop();
loop.listen(TARGET, () => tolerant(newcomer()));
loop.run(Infinity);
