// A service behind a fleet of gateways: answers at once, and remembers the bodies of POST; /seen?ID tells if
// one has come, also in part.
import { createServer } from "node:http";

const seen = new Map();
createServer((request, response) => {
  if (request.url.startsWith("/seen?")) {
    return response.end(String(seen.get(request.url.slice(6)) ?? 0));
  }
  if (request.method !== "POST") return response.end("here\n");
  let body = "";
  request.on("data", (part) => body += part);
  request.on("close", () => seen.set(body, (seen.get(body) ?? 0) + 1));
  request.on("end", () => response.end("done\n"));
}).listen(8080, () => console.log("listening"));
