// A websocket's handshake with a gateway, and bytes both ways.
import { readFileSync } from "node:fs";
import { request } from "node:https";

const sent = request({
  host: "127.0.0.1",
  port: 8443,
  servername: "shop.example.test",
  ca: readFileSync(process.argv[2]),
  path: "/socket",
  headers: {
    Host: "shop.example.test",
    Connection: "keep-alive, Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  },
});
sent.on("upgrade", (response, socket) => {
  let got = "";
  socket.on("data", (bytes) => {
    got += bytes;
    if (got !== "through and back") return;
    console.log(`${response.headers["x-asked"]}: ${got}`);
    socket.destroy();
  });
  socket.write("through ");
  setTimeout(() => socket.write("and back"), 50);
});
sent.end();
