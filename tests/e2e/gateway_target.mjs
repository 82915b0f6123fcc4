// A service behind a gateway, as node has it: tells each request, and answers by its path.
import { createServer } from "node:http";
import { createHash } from "node:crypto";

const server = createServer((request, response) => {
  const { method, url, headers } = request;
  const path = url.split("?")[0];
  if (path === "/echo") {
    const hash = createHash("sha256");
    let size = 0;
    request.on("data", (part) => {
      hash.update(part);
      size += part.length;
    });
    request.on("end", () => response.end(`${size} ${hash.digest("hex")}`));
  } else if (path === "/slow") {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("first\n");
    globalThis.finish = () => response.end("last\n");
  } else if (path === "/finish") {
    globalThis.finish();
    response.end();
  } else if (path === "/early") {
    response.writeHead(413, { connection: "close" });
    response.end("too much\n");
  } else if (path === "/bulk") {
    const parts = Number(url.split("?")[1]);
    let sent = 0;
    const part = Buffer.alloc(65536, 7);
    const more = () => {
      while (sent < parts) {
        sent++;
        if (!response.write(part)) return response.once("drain", more);
      }
      response.end();
    };
    more();
  } else if (path === "/hang") {
    console.log("hanging");
    response.on("close", () => console.log("cancelled"));
  } else {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers }) + "\n");
  }
});
// A websocket that repeats the bytes that come, as they are.
server.on("upgrade", (request, socket) => {
  socket.on("error", () => {}); // the visitor has left
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `X-Asked: ${request.headers.connection}\r\n\r\n`,
  );
  socket.on("error", () => {}); // the visitor has left
  socket.pipe(socket);
});
server.listen(8080, "127.0.0.1", () => console.log("listening"));
