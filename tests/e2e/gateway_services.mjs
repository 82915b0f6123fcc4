// Services behind a gateway: one with TLS, whose certificate is for app.test, and one of HTTP/2 alone.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createServer as createHttp2 } from "node:http2";

const folder = process.argv[2];
const files = { key: readFileSync(`${folder}/app.key`), cert: readFileSync(`${folder}/app.crt`) };

const secure = createServer(files, (request, response) => {
  const { host } = request.headers;
  if (request.url === "/moved") {
    response.writeHead(302, { location: `https://${host}/there?x` });
    return response.end();
  }
  response.end(JSON.stringify({ host, forwarded: request.headers["x-forwarded-host"] }));
});

// A call as gRPC makes it: the answer's status stands in its trailer, also where there is no body.
const rpc = createHttp2();
rpc.on("stream", (stream, headers) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  let got = "";
  stream.on("data", (bytes) => got += bytes);
  stream.on("end", () => stream.end(headers[":path"] === "/empty" ? "" : got.toUpperCase()));
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-te": headers.te }));
});

secure.listen(
  8444,
  "127.0.0.1",
  () => rpc.listen(8445, "127.0.0.1", () => console.log("listening")),
);
