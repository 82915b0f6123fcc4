// Calls of a service of HTTP/2 by way of a gateway, several on one connection.
import { readFileSync } from "node:fs";
import { connect } from "node:http2";

const session = connect("https://127.0.0.1:8443", {
  ca: readFileSync(process.argv[2]),
  servername: "rpc.example.test",
});

function call(path, parts) {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      ":authority": "rpc.example.test",
      te: "trailers",
      "content-type": "application/grpc",
    });
    let got = "";
    let trailers = {};
    stream.on("data", (bytes) => got += bytes);
    stream.on("trailers", (fields) => trailers = fields);
    stream.on("error", reject);
    stream.on(
      "close",
      () => resolve(`${path} ${got} ${trailers["grpc-status"]} ${trailers["x-te"]}`),
    );
    for (const part of parts) stream.write(part);
    stream.end();
  });
}

const answers = await Promise.all([
  call("/a", ["one ", "two"]),
  call("/b", ["three"]),
  call("/empty", []),
]);
console.log(answers.join("\n"));
session.close();
