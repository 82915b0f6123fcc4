// Many websockets that say nothing: node idle_sockets.mjs PORT COUNT. Prints when all are there, and holds them.
import { connect } from "node:tls";

const [port, count] = process.argv.slice(2).map(Number);
const AT_ONCE = 50;
const host = "shop.example.test";
let begun = 0;
let open = 0;
let failed = 0;

function next() {
  if (begun >= count) return;
  // Each address of a visitor may have a thousand.
  const localAddress = `127.0.1.${1 + Math.floor(begun++ / 500)}`;
  const socket = connect({
    ...{ host: "127.0.0.1", port, localAddress, servername: host, rejectUnauthorized: false },
    ALPNProtocols: ["http/1.1"],
  });
  let isOpen = false;
  socket.on("secureConnect", () =>
    socket.write(
      `GET /socket HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ));
  socket.once("data", (bytes) => {
    isOpen = bytes.toString().startsWith("HTTP/1.1 101");
    if (isOpen) open++;
    else failed++;
    done();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    if (isOpen) return;
    failed++;
    done();
  });
}

function done() {
  if (open + failed >= count) console.log(`open ${open} failed ${failed}`);
  next();
}

for (let i = 0; i < AT_ONCE; i++) next();
