// A websocket's handshake with a gateway, and bytes both ways: over HTTP/1.1, then over HTTP/2.
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { request } from "node:https";

const ca = readFileSync(process.argv[2]);
const servername = "shop.example.test";

const sent = request({
  host: "127.0.0.1",
  port: 8443,
  servername,
  ca,
  path: "/socket",
  headers: {
    Host: "shop.example.test",
    Connection: "keep-alive, Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  },
});
sent.on("upgrade", (response, socket) => talk(socket, response.headers["x-asked"], overHttp2));
sent.end();

/** The socket repeats what it is told; both halves must come back. */
function talk(socket, asked, next) {
  let got = "";
  socket.on("data", (bytes) => {
    got += bytes;
    if (got !== "through and back") return;
    console.log(`${asked}: ${got}`);
    socket.destroy();
    next();
  });
  socket.write("through ");
  setTimeout(() => socket.write("and back"), 50);
}

function overHttp2() {
  const session = connect("https://127.0.0.1:8443", { ca, servername });
  session.on("remoteSettings", () => {
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": "/socket",
      ":authority": servername,
      "sec-websocket-version": "13",
    });
    stream.on("response", (headers) => talk(stream, headers["x-asked"], () => session.destroy()));
    stream.on("error", () => {}); // it is cancelled when it is destroyed
  });
}
