/** Target of the load's streams, a program of its own. It ends when it is killed. */
import { NativeError } from "../../../ffi/native.ts";
import { sender, taker } from "../proxy/bulk.ts";
import { type Handler, Loop, type Socket } from "../proxy/loop.ts";
import { BULK_CALLS, ECHO, SEND, TARGET_PORT } from "./wire.ts";

/** Several messages, should they come together. */
const room = new Uint8Array(4096);

const send = sender(() => {}, BULK_CALLS);
const take = taker(() => {}, BULK_CALLS);

/** Gives everything back. */
function echo(socket: Socket): "wait" {
  for (;;) {
    const got = socket.receive(room);
    if (got === null) return "wait";
    if (got === 0) return leave(socket);
    if (socket.send(room.subarray(0, got)) !== got) throw new Error("The load reads no answers");
  }
}

/** Reads the first byte, then goes on as it says. */
const newcomer: Handler = (socket) => {
  const got = socket.receive(room.subarray(0, 1));
  if (got === null) return "wait";
  if (got === 0) return leave(socket);
  const kind = room[0];
  socket.handler = tolerant(kind === ECHO ? echo : kind === SEND ? send : take);
  return socket.handler(socket);
};

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
loop.listen({ host: "0.0.0.0", port: TARGET_PORT }, () => tolerant(newcomer));
loop.run(Infinity);
