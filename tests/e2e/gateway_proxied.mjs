// Both sides of a gateway that stands between proxies.
// serve: a service on port 8082 that answers each request with the PROXY line of its connection.
// visit CA FROM HEADER [FIELD…]: asks shop.example.test from the address FROM; HEADER goes first.
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { connect as secure } from "node:tls";

const [verb, ca, localAddress, header, ...fields] = process.argv.slice(2);
if (verb === "serve") {
  createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (part) => {
      text += part.toString("latin1");
      if (!text.endsWith("\r\n\r\n")) return;
      const line = text.slice(0, text.indexOf("\r\n") + 1);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
    });
  }).listen(8082, "127.0.0.1", () => console.log("listening"));
} else {
  const socket = connect({ port: 8443, host: "127.0.0.1", localAddress });
  socket.on("error", (error) => console.log(error.code));
  socket.on("connect", () => {
    socket.write(Buffer.from(header, "hex"));
    const name = "shop.example.test";
    const stream = secure({ socket, servername: name, ca: readFileSync(ca) }, () => {
      const lines = [`GET / HTTP/1.1`, `Host: ${name}`, "Connection: close", ...fields];
      stream.write(`${lines.join("\r\n")}\r\n\r\n`);
    });
    stream.on("error", (error) => console.log(error.code));
    stream.pipe(process.stdout);
  });
}
