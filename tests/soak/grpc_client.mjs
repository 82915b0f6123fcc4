// A client by grpc-js: grpc_client.mjs PORT CA NAME; prints what its calls have got, as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const grpc = createRequire(`${process.cwd()}/`)("@grpc/grpc-js");
const [port, ca, name] = process.argv.slice(2);
const same = (bytes) => bytes;
const client = new grpc.Client(
  `127.0.0.1:${port}`,
  grpc.credentials.createSsl(readFileSync(ca)),
  { "grpc.ssl_target_name_override": name, "grpc.default_authority": name },
);
const unary = (path) =>
  new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.from("hello"), (error, answer) => {
      resolve(error === null ? String(answer) : error.code);
    });
  });
const echo = await unary("/test.Test/Echo");
const unknown = await unary("/test.Test/Unknown");
const many = await new Promise((resolve, reject) => {
  const call = client.makeServerStreamRequest("/test.Test/Many", same, same, Buffer.from("all"));
  let bytes = 0;
  call.on("data", (data) => bytes += data.length);
  call.on("end", () => resolve(bytes));
  call.on("error", reject);
});
const chat = await new Promise((resolve, reject) => {
  const call = client.makeBidiStreamRequest("/test.Test/Chat", same, same);
  const all = [];
  call.on("data", (data) => {
    all.push(String(data));
    if (all.length < 3) call.write(Buffer.from(`and ${all.length}`));
    else call.end();
  });
  call.on("end", () => resolve(all));
  call.on("error", reject);
  call.write(Buffer.from("fro"));
});
client.close();
console.log(JSON.stringify({ echo, unknown, many, chat }));
