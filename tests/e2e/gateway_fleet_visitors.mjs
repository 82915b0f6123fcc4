// Visitors of three services at several gateways: node gateway_fleet_visitors.mjs CA RATE NODES, where NODES are
// addresses with commas between them. A visitor takes any gateway, and another one when that does not
// answer, as a browser does with the addresses of a name; a POST only where the connection failed.
// On SIGTERM it waits for what is under way, and prints what has come of all.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";

const [caFile, rate, nodes] = process.argv.slice(2);
const ca = readFileSync(caFile);
const addresses = nodes.split(",");
const NAMES = ["a", "b", "c"];
const MOST_TRIES = 10;
const agents = new Map(
  addresses.map((address) => [address, new Agent({ ca, keepAlive: true, maxSockets: 64 })]),
);
const result = { requests: 0, again: 0, failed: {}, unsafe: {}, slow: 0, slowest: 0 };
let underWay = 0;
let isOver = false;

function once(address, name, method, body) {
  let resolve, reject;
  const promise = new Promise((...o) => [resolve, reject] = o);
  let isSent = false;
  const asked = request({
    agent: agents.get(address),
    host: address,
    servername: `${name}.example.test`,
    method,
    path: "/",
    headers: { host: `${name}.example.test`, ...(body && { "content-length": body.length }) },
  }, (response) => {
    response.on("error", reject);
    response.on("data", () => {});
    response.on("end", () => resolve(response.statusCode));
  });
  asked.setTimeout(40_000, () => asked.destroy(new Error("too late")));
  asked.on("socket", (socket) => {
    if (!socket.connecting) isSent = true;
    else socket.once("secureConnect", () => isSent = true);
  });
  asked.on("error", (error) => reject(Object.assign(error, { isSent })));
  asked.end(body);
  return promise;
}

async function visit() {
  const name = NAMES[result.requests % NAMES.length];
  const isPost = result.requests % 10 === 9;
  const id = `id-${process.pid}-${result.requests++}`;
  const began = performance.now();
  const first = Math.floor(Math.random() * addresses.length);
  for (let tries = 1;; tries++) {
    const address = addresses[(first + tries - 1) % addresses.length];
    let why;
    let mayRepeat = false;
    try {
      const status = await once(address, name, isPost ? "POST" : "GET", isPost ? id : undefined);
      if (status === 200) break;
      why = String(status);
    } catch (error) {
      why = error.code ?? error.message;
      mayRepeat = tries < MOST_TRIES && (!isPost || !error.isSent);
    }
    if (!mayRepeat) {
      const into = isPost ? result.unsafe : result.failed;
      into[why] = (into[why] ?? 0) + 1;
      if (isPost) console.log(`post ${name} ${id}`);
      else console.log(`failed ${why} after ${tries} at ${address}`);
      return;
    }
    result.again++;
  }
  const took = performance.now() - began;
  if (took >= 1000) result.slow++;
  result.slowest = Math.max(result.slowest, Math.round(took));
}

function end() {
  if (!isOver || underWay > 0) return;
  console.log(`result ${JSON.stringify(result)}`);
  process.exit();
}

let next = performance.now();
const timer = setInterval(() => {
  for (; next <= performance.now(); next += 1000 / Number(rate)) {
    if (isOver || underWay > 5000) continue;
    underWay++;
    visit().finally(() => {
      underWay--;
      end();
    });
  }
}, 2);
process.on("SIGUSR2", () => {
  console.log(`so far ${JSON.stringify(result)}`);
  result.slow = 0;
  result.slowest = 0;
});
process.on("SIGTERM", () => {
  isOver = true;
  clearInterval(timer);
  end();
});
console.log("visiting");
