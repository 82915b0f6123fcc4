// Both sides of a name whose TLS goes through a gateway as it is.
// serve CERT KEY: a service of https on port 8446.
// ask CA AUTHORITY…: asks for these on one connection of HTTP/2 that began as open.example.test, and
// prints the statuses.
// memory PID TEXT…: prints which of the texts a process has in its memory.
import { openSync, readFileSync, readSync } from "node:fs";
import { connect } from "node:http2";
import { createServer } from "node:https";

const [verb, ...args] = process.argv.slice(2);
if (verb === "serve") {
  const [cert, key] = args.map((path) => readFileSync(path));
  createServer({ cert, key }, (request, response) => {
    response.end(`sealed for ${request.headers.host}, ${request.headers["x-secret"]}\n`);
  }).listen(8446, "127.0.0.1", () => console.log("listening"));
} else if (verb === "ask") {
  const [ca, ...authorities] = args;
  const session = connect("https://127.0.0.1:8443", {
    ca: readFileSync(ca),
    servername: "open.example.test",
    checkServerIdentity: () => undefined,
  });
  session.on("error", (error) => console.log(error.code));
  for (const authority of authorities) {
    const status = await new Promise((resolve) => {
      const stream = session.request({ ":authority": authority, ":path": "/" });
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("error", (error) => resolve(error.code));
      stream.resume();
    });
    console.log(authority, status);
  }
  session.close();
} else {
  const [pid, ...texts] = args;
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const found = new Set();
  const part = Buffer.alloc(1 << 20);
  for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
    if (from === undefined || line.includes("[v")) continue;
    const end = BigInt(`0x${to}`);
    for (let at = BigInt(`0x${from}`); at < end; at += BigInt(part.length - 256)) {
      const size = Number(end - at < BigInt(part.length) ? end - at : BigInt(part.length));
      let got = 0;
      try {
        got = readSync(memory, part, 0, size, at);
      } catch {
        // It has gone meanwhile.
      }
      for (const text of texts) {
        if (part.subarray(0, got).includes(text)) found.add(text);
      }
    }
  }
  console.log([...found].sort().join(" "));
}
