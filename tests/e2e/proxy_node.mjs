/**
 * Clients of Node's world: proxy_node.mjs socks|websocket PROXY_PORT TARGET_PORT. What does not go as
 * it should is thrown; the last line is `done`. Plain JavaScript, for Node itself runs it too.
 */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import process from "node:process";
import { SocksClient } from "socks";
import { WebSocket, WebSocketServer } from "ws";

const HOST = "127.0.0.1";

async function openBySocks(proxy, target, type = 5) {
  const destination = { host: HOST, port: target };
  const { socket } = await SocksClient.createConnection({
    proxy: { host: HOST, port: proxy, type },
    command: "connect",
    destination,
  });
  return socket;
}

/** An HTTP/1.0 request by each version of SOCKS: the answer ends with the connection. */
async function askBySocks(proxy, target) {
  for (const type of [4, 5]) {
    const socket = await openBySocks(proxy, target, type);
    socket.end(`GET /hello HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^HTTP\/1\.\d 200 [^]*\r\n\r\nhello\n$/);
  }
  await assert.rejects(openBySocks(proxy, 1), /ConnectionRefused/); // nobody listens there
}

async function openByConnect(proxy, target) {
  const path = `${HOST}:${target}`;
  const asking = request({ host: HOST, port: proxy, method: "CONNECT", path });
  asking.end();
  const [response, socket] = await once(asking, "connect");
  assert.equal(response.statusCode, 200);
  return socket;
}

/** Ways to a WebSocket: by the proxy itself, which changes protocols, and by what it connects. */
const WAYS = {
  upgrade: (proxy, target) =>
    new WebSocket(`ws://${HOST}:${proxy}/`, {
      finishRequest: (asking) => {
        asking.path = `http://${HOST}:${target}/chat`;
        asking.setHeader("Host", `${HOST}:${target}`);
        asking.end();
      },
    }),
  connect: async (proxy, target) => overSocket(await openByConnect(proxy, target), target),
  socks: async (proxy, target) => overSocket(await openBySocks(proxy, target), target),
};

function overSocket(socket, target) {
  return new WebSocket(`ws://${HOST}:${target}/chat`, { createConnection: () => socket });
}

async function talkByWebSockets(proxy) {
  const server = new WebSocketServer({ host: HOST, port: 0 });
  await once(server, "listening");
  for (const open of Object.values(WAYS)) {
    const accepted = once(server, "connection");
    const client = await open(proxy, server.address().port);
    const [there, asked] = await accepted;
    if (client.readyState !== WebSocket.OPEN) await once(client, "open");
    assert.equal(asked.url, "/chat");
    await talk(client, there);
    await talk(there, client);
    const ends = Promise.all([once(client, "close"), once(there, "close")]);
    client.close(4321, "enough");
    const [[, words], [code]] = await ends;
    assert.deepEqual([code, String(words)], [4321, "enough"]);
  }
  server.close();
}

/** Texts and bytes, short and long, in order, and a ping. */
async function talk(from, to) {
  const sent = [randomBytes(1), randomBytes(125), randomBytes(70_000), randomBytes(2_000_000)];
  const got = [];
  const all = new Promise((resolve) => {
    to.on("message", (data) => got.push(data) === sent.length && resolve());
  });
  for (const data of sent) from.send(data);
  await all;
  to.removeAllListeners("message");
  assert.deepEqual(got, sent);
  from.ping("there?");
  const [data] = await once(from, "pong");
  assert.equal(String(data), "there?");
}

const [what, proxy, target] = process.argv.slice(2);
if (what === "socks") await askBySocks(Number(proxy), Number(target));
else await talkByWebSockets(Number(proxy));
console.log("done");
process.exit(0);
