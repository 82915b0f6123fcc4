// Visitors of HTTP/1.1 that break its rules, or nearly: node gateway_raw_visitor.mjs CA. Prints the status of
// each, and what a ClientHello in pieces leads to.
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
import { connect } from "node:tls";

const ca = readFileSync(process.argv[2]);
const servername = "raw.example.test";
const HOST = `Host: ${servername}\r\n`;
const CASES = {
  "a good request": `GET / HTTP/1.1\r\n${HOST}\r\n`,
  "two hosts": `GET / HTTP/1.1\r\n${HOST}Host: other.example.test\r\n\r\n`,
  "no host": "GET / HTTP/1.1\r\n\r\n",
  "a length and chunks":
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "two lengths": `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
  "a length with a sign": `POST / HTTP/1.1\r\n${HOST}Content-Length: +4\r\n\r\nabcd`,
  "chunks of another kind":
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  "chunks twice": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  "chunks by a tab": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n`,
  "a space before the colon": `GET / HTTP/1.1\r\n${HOST}X-A : b\r\n\r\n`,
  "a folded line": `GET / HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`,
  "a bare CR": `GET / HTTP/1.1\r\n${HOST}X-A: b\rX-B: c\r\n\r\n`,
  "a name with a NUL": `GET / HTTP/1.1\r\n${HOST}X\0A: b\r\n\r\n`,
  "a chunk size with a sign":
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n`,
  "another host in the target": `GET https://other.test/ HTTP/1.1\r\n${HOST}\r\n`,
  "HTTP/2 without ALPN": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "a head of a megabyte": `GET / HTTP/1.1\r\n${HOST}X-A: ${"a".repeat(1_000_000)}\r\n\r\n`,
};

function statusOf(socket, text) {
  return new Promise((resolve) => {
    let got = "";
    socket.on("data", (bytes) => {
      got += bytes;
      const status = /^HTTP\/1\.1 (\d+)/.exec(got)?.[1];
      if (status === undefined) return;
      socket.destroy();
      resolve(status);
    });
    socket.on("error", (error) => resolve(error.code));
    socket.on("close", () => resolve("closed"));
    socket.on("secureConnect", () => socket.write(text));
  });
}

/** The first bytes that TLS writes go out a few at a time. */
function inPieces() {
  const tcp = connectTcp(8443, "127.0.0.1");
  let isFirst = true;
  const duplex = new Duplex({
    read: () => {},
    write: async (bytes, _, done) => {
      const step = isFirst ? 100 : bytes.length;
      isFirst = false;
      for (let at = 0; at < bytes.length; at += step) {
        tcp.write(bytes.subarray(at, at + step));
        await new Promise((wake) => setTimeout(wake, 10));
      }
      done();
    },
    final: (done) => tcp.end(done),
  });
  tcp.setNoDelay(true);
  tcp.on("data", (bytes) => duplex.push(bytes));
  tcp.on("end", () => duplex.push(null));
  tcp.on("error", () => duplex.destroy());
  return duplex;
}

for (const [what, text] of Object.entries(CASES)) {
  const socket = connect({ host: "127.0.0.1", port: 8443, ca, servername });
  console.log(`${what}: ${await statusOf(socket, text)}`);
}
const socket = connect({ socket: inPieces(), ca, servername });
console.log(`a ClientHello in pieces: ${await statusOf(socket, CASES["a good request"])}`);
process.exit();
