import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";
import { hasProgram } from "./proxy_targets.ts";

const file = (name: string) => new URL(name, import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";

const hasH2load = await hasProgram("h2load");
if (!hasH2load) console.log("Skipped what needs h2load: nghttp2-client is not installed");
const hasNginx = await hasProgram("nginx");
if (!hasNginx) console.log("Skipped what needs nginx: it is not installed");
const hasChromium = await hasProgram("chromium");
if (!hasChromium) console.log("Skipped what needs a browser: chromium is not installed");
const hasPythonH2 = (await new Deno.Command(PYTHON, {
  args: ["-c", "import h2, hpack"],
  stderr: "null",
}).output()).success;
if (!hasPythonH2) console.log("Skipped clients by python3-h2: it is not installed");

test("services and visitors of other people, of which some break the rules, by way of a gateway", async () => {
  await using lab = await gatewayLab();
  const { host } = lab.one;
  await using raw = host.spawn(PYTHON, [file("gateway_raw.py")]);
  await raw.waitFor(/listening/, READY_MS);
  await using browsed = host.spawn("node", [file("gateway_browser.mjs")]);
  await browsed.waitFor(/listening/, READY_MS);
  await lab.enroll("laptop", "*");
  await using _agent = await lab.publish("laptop", "shop=8080 raw=8090 web=8082 page=8091");
  await keepsFraming(lab, "--http1.1");
  await keepsFraming(lab, "--http2");
  await repeatsWhatWasClosed(lab);
  await refusesRawVisitors(lab);
  if (hasNginx) await reachesNginx(lab);
  if (hasPythonH2) await endsFaults(lab);
  if (hasH2load) await outlivesH2load(lab);
  if (hasChromium) await hasSocketOfBrowser(lab, browsed.waitFor.bind(browsed));
});

/** Answers without a body, or of unusual framing, are passed on as they are. */
async function keepsFraming({ curl }: Lab, version: string): Promise<void> {
  const code = async (path: string, ...args: string[]) =>
    await curl("raw", path, version, "-w", " %{http_code}", ...args);
  const noContent = await code("/no-content", "-i");
  assert.match(noContent, / 204$/);
  assert.doesNotMatch(noContent, /content-length|transfer-encoding/i);
  assert.match(await code("/not-modified", "-i"), /content-length: 1234\r[^]* 304$/i);
  assert.match(await code("/head", "-I"), /content-length: 1234\r[^]* 200$/i);
  assert.equal(await code("/chunked"), "wikipedia 200");
  assert.match(await code("/chunked", "-i"), /x-sum: 9/i); // a trailer, as curl shows it
  assert.match(await code("/hints", "-i"), /103[^]*preload[^]*hints 200$/);
  assert.equal(await code("/until-the-end"), "all of it 200");
  assert.match(await code("/split", "-i"), /^x-a: b X-B: c\r$/im); // it stays one field
  for (const path of ["/two-lengths", "/not-http"]) {
    assert.match(await code(path, "-o", "/dev/null"), / 502$/, path);
  }
}

/** The service closes kept-alive connections without a word. */
async function repeatsWhatWasClosed({ curl, one: { data } }: Lab): Promise<void> {
  const urls = Array.from({ length: 20 }, (_, i) => `https://raw.example.test:8443/${i}`);
  const to = ["--resolve", "raw.example.test:8443:127.0.0.1", "--cacert", `${data}/ca.crt`];
  const all = await curl("raw", "/first", ...to, ...urls);
  assert.equal(all.match(/GET \//g)?.length, 21, all);
}

async function refusesRawVisitors({ one: { host, data } }: Lab): Promise<void> {
  const told = await host.sh(`node ${file("gateway_raw_visitor.mjs")} ${data}/ca.crt`);
  const statuses = Object.fromEntries(told.trim().split("\n").map((line) => line.split(": ")));
  const { "a good request": good, "a ClientHello in pieces": pieces, ...others } = statuses;
  assert.deepEqual([good, pieces], ["200", "200"]);
  for (const [what, status] of Object.entries(others)) {
    assert.match(status as string, /^(?:4\d\d|501|505|closed|ECONNRESET|EPIPE)$/, what);
  }
}

async function reachesNginx({ curl, one: { host, data } }: Lab): Promise<void> {
  const folder = `${data}-nginx`;
  await host.sh(`mkdir -p ${folder} && cat >${folder}/conf <<'END'
user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; keepalive_requests 3; client_max_body_size 0;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
  uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server {
    listen 127.0.0.1:8082;
    location / { return 200 "$request_uri $http_x_forwarded_proto $http_te\n"; }
    location /small { client_max_body_size 1k; proxy_pass http://127.0.0.1:8080; }
  }
}
END`);
  await using nginx = host.spawn("nginx", ["-c", `${folder}/conf`, "-e", "stderr"]);
  for (let tries = 0; tries < 100; tries++) {
    if ((await host.run("curl", ["-s", "http://127.0.0.1:8082/"])).code === 0) break;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  for (const version of ["--http1.1", "--http2"]) {
    const path = "/a%2Fb//../c/./d?x=%20";
    assert.equal(await curl("web", path, version, "--path-as-is"), `${path} https \n`);
    for (let i = 0; i < 8; i++) assert.match(await curl("web", `/${i}`, version), /^\/\d https/);
    const large = ["-T", `${data}/../n0/ring.db`, "-w", "%{http_code}", "-o", "/dev/null"];
    const early = ["--data-binary", `@/bin/bash`, "-H", "Expect:", ...large.slice(2)];
    assert.match(await curl("web", "/small", version, ...early), /413/);
  }
  nginx.signal("SIGTERM");
  await nginx.status;
}

/** No fault has an answer of the service, and the gateway goes on. */
async function endsFaults({ curl, one: { host, data } }: Lab): Promise<void> {
  const told = await host.sh(`${PYTHON} ${file("gateway_h2_faults.py")} ${data}/ca.crt`);
  const lines = told.trim().split("\n");
  assert.equal(lines.at(0), "a good request: status 200");
  assert.equal(lines.at(-1), "python3-h2: 200 10000");
  for (const line of lines.slice(1, -1)) {
    assert.match(line, /: (?:goaway [1-9]\d*|reset [1-9]\d*|status 4\d\d|closed)$/);
  }
  assert.match(await curl("shop", "/", "-w", "%{http_code}", "-o", "/dev/null"), /200$/);
}

/** Its connections end by GOAWAY in the midst of answers. */
async function outlivesH2load({ curl, one: { host } }: Lab): Promise<void> {
  const to = ["--connect-to=127.0.0.1:8443", "https://shop.example.test:8443/"];
  for (let i = 0; i < 5; i++) {
    const { stdout } = await host.run("h2load", ["-n", "200", "-c", "10", "-m", "10", ...to]);
    assert.match(stdout, /200 succeeded/, stdout);
  }
  await host.run("timeout", ["1", "h2load", "-n", "100000", "-c", "10", "-m", "10", ...to]);
  assert.match(await curl("shop", "/", "-w", "%{http_code}", "-o", "/dev/null"), /200$/);
}

async function hasSocketOfBrowser(
  { one: { host, data } }: Lab,
  tells: (pattern: RegExp, ms: number) => Promise<unknown>,
): Promise<void> {
  await using chromium = host.spawn("unshare", [
    ...["--pid", "--fork", "--kill-child", "--mount-proc", "--", "chromium"],
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
    ...[`--user-data-dir=${data}-chromium`, "--ignore-certificate-errors"],
    ...["--host-resolver-rules=MAP *.example.test 127.0.0.1", "--no-proxy-server"],
    "https://page.example.test:8443/",
  ], { env: { TMPDIR: `${data}/..` } });
  await tells(/^\/told\/through and back$/m, READY_MS);
  chromium.signal("SIGKILL"); // of unshare, which takes all with it
}
