// Floods of a gateway, one kind at a time: node gateway_floods.mjs KIND SECONDS CA. Connections that are
// ended come again. Prints how many frames, or connections, went out.
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";

const [kind, seconds, caFile] = process.argv.slice(2);
const CONNECTIONS = 4;
const NAME = "shop.example.test";
const AT = { host: "127.0.0.1", port: 8443 };
const ca = readFileSync(caFile);
const until = Date.now() + 1000 * Number(seconds);
let sent = 0;

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const authority = Buffer.concat([Buffer.from([0x01, NAME.length]), Buffer.from(NAME)]);
const get = Buffer.concat([Buffer.from([0x82, 0x87, 0x84]), authority]);
const post = Buffer.concat([Buffer.from([0x83, 0x87, 0x84]), authority]);
// A field of 3900 bytes, which the table keeps; from then on one byte means all of it.
const field = Buffer.concat([
  Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]),
  Buffer.alloc(3900, 0x79),
]);
const again = Buffer.alloc(100, 0xbe);
const bulk = Buffer.concat([
  Buffer.from([0x82, 0x87, 0x04, 9]),
  Buffer.from("/bulk?500"),
  authority,
]);
// Ten fields of a thousand bytes that no table has: HPACK without indexing, new ones at each request.
let fresh = 0;
function newFields() {
  const parts = [];
  for (let i = 0; i < 10; i++) {
    const name = Buffer.from(`x-${(fresh++).toString(36).padStart(8, "0")}`);
    const value = Buffer.alloc(1000, 0x61 + i);
    const length = Buffer.from([0x7f, 0xe9, 0x06]); // 1000 = 127 + 0x69 + 6 * 128
    parts.push(Buffer.from([0x00, name.length]), name, length, value);
  }
  return Buffer.concat(parts);
}
const settings = frame(4, 0, 0);
const hello = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]);

/** Frames of the round of a connection, by kind. */
const FRAMES = {
  reset: (round) =>
    Buffer.concat([frame(1, 5, 2 * round + 1, get), frame(3, 0, 2 * round + 1, u32(8))]),
  made: (round) =>
    Buffer.concat([frame(1, 4, 2 * round + 1, post), frame(8, 0, 2 * round + 1, u32(0))]),
  continuation: (round) => round === 0 ? frame(1, 0, 1, get) : frame(9, 0, 1, get),
  settings: () => settings,
  ping: () => frame(6, 0, 0, Buffer.alloc(8)),
  empty: (round) => round === 0 ? frame(1, 4, 1, post) : frame(0, 0, 1),
  lists: (round) =>
    frame(1, 5, 2 * round + 1, Buffer.concat([get, round === 0 ? field : again, again])),
  fields: (round) => frame(1, 5, 2 * round + 1, Buffer.concat([get, newFields()])),
  readers: (round) => round < 50 ? frame(1, 5, 2 * round + 1, bulk) : null,
};

const tls = (done) => {
  const socket = connectTls({ ...AT, ca, servername: NAME, ALPNProtocols: ["h2"] });
  socket.on("error", () => {});
  socket.on("close", done);
  return socket;
};

function http2() {
  if (Date.now() >= until) return;
  let isOpen = true;
  const socket = tls(() => {
    isOpen = false;
    setTimeout(http2, 5);
  });
  if (kind === "readers") socket.pause();
  else socket.resume();
  socket.on("secureConnect", () => {
    socket.write(hello);
    let round = 0;
    const more = () => {
      if (!isOpen) return;
      if (Date.now() >= until) return socket.destroy();
      for (let i = 0; i < 100; i++) {
        const bytes = FRAMES[kind](round++);
        if (bytes === null) break;
        sent++;
        if (!socket.write(bytes)) return socket.once("drain", more);
      }
      setTimeout(more, kind === "readers" ? 100 : 0);
    };
    more();
  });
}

/** A head, or a handshake, that never ends; many at once. */
function slow() {
  if (Date.now() >= until) return;
  sent++;
  const begin = kind === "heads" ? tls(() => {}) : connectTcp(AT);
  begin.on("error", () => {});
  begin.write(kind === "heads" ? "GET / HTTP/1.1\r\nHost: a" : Buffer.from([22, 3, 1, 2, 0, 1, 0]));
  setTimeout(slow, kind === "heads" ? 10 : 1);
}

for (let i = 0; i < CONNECTIONS; i++) kind in FRAMES ? http2() : slow();
setTimeout(() => {
  console.log(sent);
  process.exit();
}, 1000 * Number(seconds));
