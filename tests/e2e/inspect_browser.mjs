// Opens an agent's page in Chromium, as a user does, and prints what is seen there, as JSON.
// Arguments: the page's address, a folder for the profile.
import { spawn } from "node:child_process";

const [, , address, folder] = process.argv;
const chromium = spawn("unshare", [
  // A namespace of processes: none of the many outlives the first.
  ...["--pid", "--fork", "--kill-child", "--mount-proc", "--", "chromium", "--headless"],
  ...["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update"],
  ...[`--user-data-dir=${folder}/profile`, "--remote-debugging-pipe", "about:blank"],
], {
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  env: { ...process.env, TMPDIR: folder },
});

// Whatever is not there by then does not come any more: the output tells how far it was.
setTimeout(async () => {
  console.error(JSON.stringify({ page: await value("document.body.textContent"), said }));
  chromium.kill("SIGKILL");
  process.exit(1);
}, 60_000).unref();

const waiting = new Map();
const said = [];
let rest = "";
let last = 0;
chromium.stdio[4].on("data", (bytes) => {
  const parts = (rest + bytes).split("\0");
  rest = parts.pop();
  for (const part of parts) {
    const message = JSON.parse(part);
    waiting.get(message.id)?.(message.result ?? message);
    if (message.method === "Runtime.consoleAPICalled" || message.method === "Log.entryAdded") {
      said.push(JSON.stringify(message.params));
    }
  }
});

function call(method, params = {}, sessionId) {
  const id = ++last;
  chromium.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve) => waiting.set(id, resolve));
}

const { targetInfos } = await call("Target.getTargets");
const { targetId } = targetInfos.find(({ type }) => type === "page");
const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
for (const domain of ["Page", "Runtime", "Log"]) await call(`${domain}.enable`, {}, sessionId);
await call("Page.navigate", { url: address }, sessionId);

async function value(expression) {
  const { result } = await call(
    "Runtime.evaluate",
    { expression: `JSON.stringify(${expression})`, awaitPromise: true },
    sessionId,
  );
  return result?.value === undefined ? undefined : JSON.parse(result.value);
}

async function until(expression) {
  while (await value(expression) !== true) await new Promise((resolve) => setTimeout(resolve, 50));
}

const rows = `document.querySelectorAll("tr.one")`;
const detail = `document.getElementById("detail")`;
await until(`${rows}.length >= 2 && [...${rows}].every((row) => / ms/.test(row.textContent))`);
const place = await value("location.href");
await value(`[...${rows}].find((row) => row.textContent.includes("POST")).click()`);
await until(`${detail}.querySelectorAll("pre").length === 2`);
const masked = await value(`${detail}.textContent`);
await value(`${detail}.querySelectorAll("button")[1].click()`);
await until(`!${detail}.textContent.includes("(hidden)")`);
const shown = await value(`${detail}.textContent`);
const count = await value(`${rows}.length`);
await value(`${detail}.querySelectorAll("button")[0].click()`);
await until(`${rows}.length > ${count} && /POST.*again/.test(${rows}[0].textContent)`);
const ran = await value("String(globalThis.pwned)");
const elements = await value(
  `["script", "img", "iframe", "svg"].map((name) => document.querySelectorAll(name).length)`,
);
const list = await value(`[...${rows}].map((row) => row.textContent)`);
const cookie = await value("document.cookie");
console.log(JSON.stringify({ place, masked, shown, ran, elements, list, cookie, said }));
chromium.kill("SIGKILL"); // of unshare, which takes all with it
