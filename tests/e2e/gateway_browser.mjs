// A page with a websocket, for a browser: prints what it tells.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const PAGE = `<!doctype html><title>A socket</title><script>
const socket = new WebSocket("wss://" + location.host + "/socket");
socket.onopen = () => socket.send("through and back");
socket.onmessage = ({ data }) => fetch("/told/" + encodeURIComponent(data));
socket.onerror = () => fetch("/told/error");
</script>`;

const server = createServer((request, response) => {
  if (request.url.startsWith("/told/")) console.log(decodeURIComponent(request.url));
  response.setHeader("content-type", "text/html");
  response.end(PAGE);
});
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  socket.on("error", () => {}); // the browser has left
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.once("data", (frame) => {
    const length = frame[1] & 0x7f; // a short message, masked
    const text = Buffer.from(frame.subarray(6, 6 + length));
    for (let i = 0; i < length; i++) text[i] ^= frame[2 + (i & 3)];
    socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
  });
});
server.listen(8091, "127.0.0.1", () => console.log("listening"));
