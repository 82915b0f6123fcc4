// A service by grpc-js: grpc_service.mjs PORT, in a folder that has the package.
import { createRequire } from "node:module";

const grpc = createRequire(`${process.cwd()}/`)("@grpc/grpc-js");
const same = (bytes) => bytes;
const plain = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const method = (name, requestStream, responseStream) => ({
  path: `/test.Test/${name}`,
  requestStream,
  responseStream,
  ...plain,
});
const server = new grpc.Server();
server.addService({
  echo: method("Echo", false, false),
  many: method("Many", false, true),
  chat: method("Chat", true, true),
}, {
  echo: (call, done) => done(null, Buffer.from(`echo ${call.request}`)),
  many: (call) => {
    for (let i = 0; i < 1000; i++) call.write(Buffer.alloc(1000, i));
    call.end();
  },
  chat: (call) => {
    call.on("data", (data) => call.write(Buffer.from(`to ${data}`)));
    call.on("end", () => call.end());
  },
});
const credentials = grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${process.argv[2]}`, credentials, () => console.log("listening"));
