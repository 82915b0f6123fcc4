// A service of websockets that say nothing: node socket_service.mjs PORT.
import { createServer } from "node:http";

createServer((_, response) => response.end("hello\n")).on("upgrade", (_, socket) => {
  socket.on("error", () => {}); // the visitor has left
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
