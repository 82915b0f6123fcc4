import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";
import { hasProgram } from "./proxy_targets.ts";

const BROWSER = new URL("inspect_browser.mjs", import.meta.url).pathname;
const SCRIPT = "<img src=x onerror=globalThis.pwned=1><script>globalThis.pwned=1</script>";

const hasChromium = await hasProgram("chromium");
if (!hasChromium) console.log("Skipped what needs a browser: chromium is not installed");

test("an agent's page shows requests to its owner alone, and runs nothing of theirs", async () => {
  await using lab = await gatewayLab();
  await lab.enroll("laptop", "shop");
  const far = await lab.agent("laptop", "publish 8080 --name shop --inspect 0.0.0.0:4040");
  assert.match(far.stderr, /address is one of this machine alone/);
  await using agent = await lab.publish("laptop", "8080 --name shop --inspect 4040");
  await agent.waitFor(/^Requests: http:\/\//m, READY_MS);
  const path = `/a?${encodeURIComponent(SCRIPT)}`;
  await lab.curl("shop", path);
  const sent = ["-H", `X-Bad: ${SCRIPT}`, "-H", "Authorization: Bearer hush", "--data", SCRIPT];
  assert.match(await lab.curl("shop", `/b?${SCRIPT.replaceAll(" ", "/")}`, ...sent), /pwned|400/);
  await lab.curl("shop", "/c", ...sent);
  const { base, Cookie } = await keepsOthersOut(lab, urlOf(agent.stdout));
  await using events = lab.one.host.spawn("curl", ["-sN", "-H", Cookie, `${base}events`]);
  await events.waitFor(/^data: \[/m, READY_MS);
  if (hasChromium) await showsInBrowser(lab, urlOf(agent.stdout));
  agent.signal("SIGTERM");
  assert.equal((await agent.status).code, 0); // whatever is being looked at
});

/** Returns the newest address: each counts once. */
function urlOf(output: string): string {
  return output.match(/^Requests: (\S+)$/mg)!.at(-1)!.slice("Requests: ".length);
}

async function keepsOthersOut({ one: { host } }: Lab, url: string) {
  const code = async (...args: string[]) => {
    const all = [
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code} %header{location} %header{set-cookie}",
    ];
    return (await host.run("curl", [...all, ...args])).stdout;
  };
  const base = "http://127.0.0.1:4040";
  assert.match(await code(`${base}/`), /^401 /);
  assert.match(await code(`${base}/?token=guess`), /^401 /);
  assert.match(await code(url, "-H", "Host: rebound.test:4040"), /^403 /);
  const [status, place, pair] = (await code(url)).split(" ");
  assert.equal(status, "303");
  assert.match(await code(url), /^401 /);
  const Cookie = `Cookie: ${pair!.replace(";", "")}`;
  assert.match(await code(`${base}${place}`), /^401 /);
  assert.match(await code(`${base}${place}`, "-H", Cookie), /^200 /);
  assert.match(await code(`${base}${place}`, "-H", Cookie, "-H", "Origin: http://x.test"), /^403 /);
  const one = `${base}${place}exchanges/1`;
  const post = ["-X", "POST", "-H", Cookie, "-H", `Origin: ${base}`];
  assert.match(await code(`${one}/replay`, ...post), /^403 /);
  const { stdout } = await host.run("curl", ["-s", "-H", Cookie, one]);
  const { nonce, request } = JSON.parse(stdout);
  assert.match(request.path, /^\/a\?%3Cimg/);
  assert.match(await code(`${one}/replay`, ...post, "-H", `Ttun-Nonce: ${nonce}`), /^200 /);
  assert.match(await code(`${one}/replay`, ...post, "-H", `Ttun-Nonce: ${nonce}`), /^403 /);
  const body = await host.run("curl", ["-si", "-H", Cookie, `${base}${place}exchanges/2/request`]);
  assert.match(body.stdout, /^content-type: application\/octet-stream\r$/im);
  assert.match(body.stdout, /^content-security-policy: default-src 'none'; sandbox\r$/im);
  return { base: `${base}${place}`, Cookie };
}

async function showsInBrowser({ one: { host, data } }: Lab, url: string): Promise<void> {
  await host.sh(`mkdir -p ${data}-browser`);
  const { stdout, stderr } = await host.run("node", [BROWSER, url, `${data}-browser`]);
  const seen = JSON.parse(stdout || assert.fail(stderr));
  assert.match(seen.place, /^http:\/\/127\.0\.0\.1:4040\/[\w-]{22}\/$/);
  assert.equal(seen.ran, "undefined");
  assert.deepEqual(seen.elements, [1, 0, 0, 0]);
  assert.equal(seen.cookie, "");
  assert(seen.list.some((row: string) => row.includes("/a?%3Cimg")), seen.list.join("\n"));
  assert(seen.masked.includes(`x-bad${SCRIPT}`), seen.masked);
  assert(seen.masked.includes("authorization(hidden)"), seen.masked);
  assert.doesNotMatch(seen.masked.replaceAll(/"authorization":"[^"]*"/g, ""), /hush/);
  assert(seen.shown.includes("authorizationBearer hush"), seen.shown);
}
