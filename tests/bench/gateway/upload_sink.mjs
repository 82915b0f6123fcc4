// Takes bodies, and tells how long they were: node upload_sink.mjs PORT.
import { createServer } from "node:http";

createServer((request, response) => {
  let size = 0;
  request.on("data", (part) => size += part.length);
  request.on("end", () => response.end(`${size}\n`));
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
